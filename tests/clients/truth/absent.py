"""What becomes of those who use what the router does not announce: keys that clients know, and that are not in the specification
or a sketch there."""

from harness.raw import CALL, PUBLISH

from . import World, aborted, refused, without


@without(
    "broker.payload_transparency", "broker.payload_encryption_cryptobox",
    "dealer.payload_transparency", "dealer.payload_encryption_cryptobox",
)  # fmt: skip
async def payload_transparency_is_a_violation(world: World):
    """A receiver could not tell the payload from an ordinary one."""
    for code in (PUBLISH, CALL):
        client = await world.join()
        payload = [client.binary(b"payload")]
        client.request(code, {"enc_algo": "cryptobox", "enc_serializer": "json"}, world.uri, payload)
        assert await aborted(client) == "wamp.error.protocol_violation"


@without("broker.x_acknowledged_event_delivery")
async def acknowledged_events_are_ignored(world: World):
    subscriber, publisher = await world.join(), await world.join()
    await subscriber.subscribe(world.uri)
    for _ in range(2):
        publication = await publisher.publish(world.uri)
        event = await subscriber.event()
        assert event.id == publication and "x_acknowledged_delivery" not in event.details
        # EVENT_RECEIVED
        subscriber.send(337, publication)


@without("broker.reflection", "dealer.reflection")
async def reflection_is_no_procedure(world: World):
    client = await world.join()
    for procedure in ("wamp.reflection.procedure.list", "wamp.reflection.topic.describe", "wamp.reflect.define"):
        await refused(client.call(procedure), "wamp.error.no_such_procedure")
