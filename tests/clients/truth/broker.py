"""What shows that the broker's features work."""

from harness.raw import EVENT, UNSUBSCRIBE, UNSUBSCRIBED

from . import World, aborted, refused, shows
from .dealer import PPT, ppt


async def silence(publisher, subscriber, topic: str):
    """Publishes a mark and demands it as the subscriber's next event: nothing else of this publisher has reached it."""
    await publisher.publish(topic, ["mark"])
    assert (await subscriber.event()).args == ["mark"]


@shows("broker.publisher_exclusion")
async def publisher_exclusion(world: World):
    client = await world.join()
    await client.subscribe(world.uri)
    await client.publish(world.uri, ["not for me"])
    client.request(16, {"exclude_me": False}, world.uri, ["for me"])
    assert (await client.event()).args == ["for me"]


@shows("broker.subscriber_blackwhite_listing")
async def subscriber_blackwhite_listing(world: World):
    one, two, publisher = [await world.join() for _ in range(3)]
    for client in (one, two):
        await client.subscribe(world.uri)
    me, other = one.welcome, two.welcome
    for options in (
        {"eligible": [one.session]}, {"exclude": [two.session]}, {"eligible_authid": [me["authid"]]},
        {"exclude_authid": [other["authid"]]}, {"eligible": [one.session, two.session], "exclude": [two.session]},
    ):  # fmt: skip
        await publisher.publish(world.uri, ["for one"], **options)
        assert (await one.event()).args == ["for one"], options
    for options in ({"eligible": []}, {"eligible_authrole": ["nobody"]}, {"exclude_authrole": [me["authrole"]]}):
        await publisher.publish(world.uri, ["for nobody"], **options)
    await publisher.publish(world.uri, ["for all"], exclude=[])
    for client in (one, two):
        assert (await client.event()).args == ["for all"]


@shows("broker.publisher_identification")
async def publisher_identification(world: World):
    subscriber, publisher = await world.join(), await world.join()
    await subscriber.subscribe(world.uri)
    await publisher.publish(world.uri, disclose_me=True)
    details = (await subscriber.event()).details
    assert details["publisher"] == publisher.session
    assert details["publisher_authid"] == publisher.welcome["authid"]
    assert details["publisher_authrole"] == publisher.welcome["authrole"]
    await publisher.publish(world.uri)
    assert "publisher" not in (await subscriber.event()).details


@shows("broker.publication_trustlevels")
async def publication_trustlevels(world: World):
    subscriber, publisher = await world.join("policies"), await world.join("policies")
    for prefix, level in (("trusted", 7), ("distrusted", 0), ("other", None)):
        await subscriber.subscribe(f"{prefix}.{world.uri}")
        await publisher.publish(f"{prefix}.{world.uri}")
        event = await subscriber.event()
        assert event.details.get("trustlevel") == level, event


@shows("broker.pattern_based_subscription")
async def pattern_based_subscription(world: World):
    subscriber, publisher = await world.join(), await world.join()
    prefix = await subscriber.subscribe(f"{world.uri}.a", match="prefix")
    wildcard = await subscriber.subscribe(f"{world.uri}..b", match="wildcard")
    for tail, subscriptions in (("a.b", {prefix, wildcard}), ("a.x", {prefix}), ("z.b", {wildcard})):
        publication = await publisher.publish(f"{world.uri}.{tail}")
        events = [await subscriber.expect(EVENT) for _ in subscriptions]
        assert {event[1] for event in events} == subscriptions
        assert all(event[2] == publication and event[3]["topic"] == f"{world.uri}.{tail}" for event in events)
    await publisher.publish(f"{world.uri}.z.z")
    await silence(publisher, subscriber, f"{world.uri}.a")


@shows("broker.shareded_subscriptions")
async def sharded_subscription(world: World):
    nodes, plain, publisher = [await world.join() for _ in range(3)], await world.join(), await world.join()
    subscriptions = [
        await node.subscribe(world.uri, match="prefix", nkey=f"node {number}") for number, node in enumerate(nodes)
    ]
    await plain.subscribe(world.uri, match="prefix")
    # Two sessions of one node share its subscription.
    second = await world.join()
    assert await second.subscribe(world.uri, match="prefix", nkey="node 0") == subscriptions[0]
    keys = range(30)

    async def owners(nodes):
        """Which of the nodes gets the events of each key. A mark without a key ends them at all."""
        for key in (*keys, *keys):
            await publisher.publish(f"{world.uri}.{key}", [key], rkey=f"key {key}")
        await publisher.publish(world.uri, ["mark"])
        got = []
        for client in (*nodes, plain, second):
            got.append([])
            while (args := (await client.event()).args) != ["mark"]:
                got[-1].append(args[0])
        *of_nodes, of_plain, of_second = got
        assert of_plain == [*keys, *keys] and of_second == of_nodes[0]
        assert sorted(sum(of_nodes, [])) == sorted([*keys, *keys])
        assert all(len(set(keys_)) * 2 == len(keys_) for keys_ in of_nodes)
        return {key: number for number, keys_ in enumerate(of_nodes) for key in keys_}

    before = await owners(nodes)
    assert set(before.values()) == {0, 1, 2}
    # Only the keys of the node that goes move.
    nodes[2].request(UNSUBSCRIBE, subscriptions[2])
    await nodes[2].expect(UNSUBSCRIBED)
    # An event for it that is still to be handed on might come after the mark: until the publisher's shard knows, which it does
    # when first the subscriber's and then its own has had an answer from all shards.
    for client in (nodes[2], publisher):
        await client.call("wamp.session.count")
    after = await owners(nodes[:2])
    assert all(before[key] in (after[key], 2) for key in keys)


@shows("broker.subscription_revocation")
async def subscription_revocation(world: World):
    deaf, admin, victim = await world.join(without=["subscription_revocation"]), await world.join(), await world.join()
    for client in (deaf, victim):
        subscription = await client.subscribe(world.uri)
        await admin.call(
            "wamp.subscription.remove_subscriber", [subscription, client.session], {"reason": "test.no_longer"}
        )
    _, request, details = await victim.expect(UNSUBSCRIBED)
    assert request == 0 and details == {"subscription": subscription, "reason": "test.no_longer"}
    # No events any more; and who did not announce the feature is not told.
    await admin.publish(world.uri)
    for client in (deaf, victim):
        await client.subscribe(f"{world.uri}.mark")
        await silence(admin, client, f"{world.uri}.mark")


@shows("broker.event_retention")
async def event_retention(world: World):
    publisher, early = await world.join(), await world.join()
    await publisher.publish(world.uri, ["old"], retain=True)
    await publisher.publish(world.uri, ["last"], retain=True)
    await publisher.publish(world.uri, ["not retained"])
    subscription = await early.subscribe(world.uri, get_retained=True)
    event = await early.expect(EVENT)
    assert event[1] == subscription and event[3]["retained"] is True and event[4] == ["last"]
    await publisher.publish(world.uri, ["new"], retain=True)
    event = await early.event()
    assert event.args == ["new"] and not event.details.get("retained")
    # Only for those who ask, and who would have got it.
    late, unasking = await world.join(), await world.join()
    await unasking.subscribe(world.uri)
    await publisher.publish(world.uri, ["for nobody"], retain=True, eligible=[])
    await late.subscribe(world.uri, get_retained=True)
    for client in (late, unasking):
        if client is late:
            assert (await client.event()).args == ["new"]
        await silence(publisher, client, world.uri)


@shows("broker.event_retention")
async def event_retention_by_policy(world: World):
    publisher, subscriber = await world.join("policies"), await world.join("policies")
    await publisher.publish(f"always.{world.uri}", ["kept"])
    await publisher.publish(f"never.{world.uri}", ["not kept"], retain=True)
    await subscriber.subscribe(f"never.{world.uri}", get_retained=True)
    await subscriber.subscribe(f"always.{world.uri}", get_retained=True)
    event = await subscriber.event()
    assert event.details["retained"] is True and event.args == ["kept"]


@shows("broker.event_history")
async def event_history(world: World):
    subscriber, publisher = await world.join("policies"), await world.join("policies")
    topic = f"history.{world.uri}"
    subscription = await subscriber.subscribe(topic)
    assert await history(publisher, subscription) == []
    publications = [await publisher.publish(topic, [number]) for number in range(7)]
    # Of those for single sessions none is kept.
    await publisher.publish(topic, ["private"], exclude=[1])
    events = await history(publisher, subscription)
    assert [event["args"] for event in events] == [[2], [3], [4], [5], [6]]
    assert [event["publication"] for event in events] == publications[2:]
    assert all(event["subscription"] == subscription and event["timestamp"].endswith("Z") for event in events)
    for options, numbers in (
        ({"limit": 2}, [2, 3]), ({"limit": 2, "reverse": True}, [6, 5]),
        ({"from_publication": publications[5]}, [5, 6]), ({"after_publication": publications[5]}, [6]),
        ({"before_publication": publications[3]}, [2]), ({"until_publication": publications[3]}, [2, 3]),
        ({"after_publication": publications[3], "limit": 1}, [4]),
        ({"from_time": events[0]["timestamp"], "until_time": events[4]["timestamp"]}, [2, 3, 4, 5, 6]),
        ({"after_time": events[4]["timestamp"]}, []), ({"before_time": events[0]["timestamp"]}, []),
    ):  # fmt: skip
        got = [event["args"][0] for event in await history(publisher, subscription, **options)]
        assert got == numbers, options
    await refused(history(publisher, 2**53), "wamp.error.no_such_subscription")
    await refused(history(publisher, subscription, limit="many"), "wamp.error.invalid_argument")


async def history(client, subscription: int, **options) -> list[dict]:
    return (await client.call("wamp.subscription.get_events", [subscription], options)).args[0]


@shows("broker.payload_passthru_mode")
async def payload_passthru_of_events(world: World):
    subscriber, publisher = await world.join(), await world.join()
    await subscriber.subscribe(world.uri)
    payload = publisher.binary(bytes(range(256)))
    await publisher.publish(world.uri, [payload], **PPT)
    event = await subscriber.event()
    assert ppt(event.details) == PPT and event.args == [payload]
    plain = await world.join(without=["payload_passthru_mode"])
    plain.request(16, PPT, world.uri, [payload])
    assert await aborted(plain) == "wamp.error.protocol_violation"
