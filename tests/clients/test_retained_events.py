"""Event retention: who subscribes later gets the last event, if both sides want so."""

import pytest

PUBLISHERS = ["py-ws-json", "js-ws-cbor"]
SUBSCRIBERS = ["py-tcp-msgpack", "py-unix-cbor", "js-ws-json"]


@pytest.mark.parametrize("publisher", PUBLISHERS)
@pytest.mark.parametrize("subscriber", SUBSCRIBERS)
async def test_last_retained_event(join, uri, publisher, subscriber):
    publisher, subscriber, other = await join(publisher), await join(subscriber), await join(subscriber)
    for number in range(2):
        last = await publisher.publish(uri, [number, b"\x00\xff"], {"key": "value"}, retain=True)
    await publisher.publish(uri, ["not retained"])
    subscription = await subscriber.subscribe(uri, get_retained=True)
    event = await subscription.next()
    assert event.retained and event.args == [1, b"\x00\xff"] and event.kwargs == {"key": "value"}
    assert event.publication == last and event.topic == uri
    # Who does not ask gets what comes from now on; that is not retained but new.
    unasking = await other.subscribe(uri)
    await publisher.publish(uri, ["new"], retain=True)
    for each in (subscription, unasking):
        event = await each.next()
        assert not event.retained and event.args == ["new"]


async def test_retained_event_survives_its_publisher(join, uri):
    publisher = await join("js-ws-msgpack")
    await publisher.publish(uri, ["left behind"], retain=True)
    await publisher.leave()
    subscription = await (await join("py-ws-json")).subscribe(uri, get_retained=True)
    assert (await subscription.next()).args == ["left behind"]


async def test_retained_event_is_for_those_it_was_for(join, uri):
    publisher, chosen, other = [await join(kind) for kind in ("py-ws-json", "js-ws-json", "py-tcp-cbor")]
    await publisher.publish(uri, ["for all"], retain=True)
    await publisher.publish(uri, ["for the chosen"], retain=True, eligible=[chosen.session_id])
    for client, text in ((chosen, "for the chosen"), (other, "for all")):
        subscription = await client.subscribe(uri, get_retained=True)
        assert (await subscription.next()).args == [text]
