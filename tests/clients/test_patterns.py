"""Subscriptions and registrations by prefix and by wildcard, where the router announces them."""

import pytest

KINDS = ["py-ws-json", "py-tcp-msgpack", "js-ws-cbor", "js-tcp-json"]


def needs(client, role, feature):
    if not client.announced(role, feature):
        pytest.skip(f"the router does not announce {feature}")


@pytest.mark.parametrize("kind", KINDS)
async def test_subscriptions_by_pattern(join, senders, uri, kind):
    needs(senders["py-ws-json"], "broker", "pattern_based_subscription")
    client, publisher = await join(kind), await join("py-ws-cbor")
    exact = await client.subscribe(f"{uri}.one.two")
    prefix = await client.subscribe(f"{uri}.on", match="prefix")
    wildcard = await client.subscribe(f"{uri}..two", match="wildcard")
    for tail in ("one.two", "one.three", "other.two", "other.three", "one"):
        await publisher.publish(f"{uri}.{tail}", [tail])
    events = {
        "exact": [await exact.next()],
        "prefix": [await prefix.next() for _ in range(3)],
        "wildcard": [await wildcard.next() for _ in range(2)],
    }
    assert {how: [event.args[0] for event in list_] for how, list_ in events.items()} == {
        "exact": ["one.two"], "prefix": ["one.two", "one.three", "one"], "wildcard": ["one.two", "other.two"],
    }  # fmt: skip
    assert all(event.topic == f"{uri}.{event.args[0]}" for event in events["prefix"] + events["wildcard"])
    assert exact.events.empty() and prefix.events.empty() and wildcard.events.empty()


@pytest.mark.parametrize("kind", KINDS)
async def test_registrations_by_pattern(join, senders, uri, kind):
    needs(senders["py-ws-json"], "dealer", "pattern_based_registration")
    callee = await join(kind)
    await callee.register(f"{uri}.one", {"do": "procedure"}, match="prefix")
    await callee.register(f"{uri}..last", {"do": "procedure"}, match="wildcard")
    exact = await join("py-ws-json")
    await exact.register(f"{uri}.one.exact", {"do": "say", "args": ["exact"]})
    for caller in ("py-unix-cbor", "js-ws-json"):
        assert (await senders[caller].call(f"{uri}.one.exact")).args == ["exact"]
        for tail in ("one.more", "one.last", "two.last"):
            assert (await senders[caller].call(f"{uri}.{tail}")).args == [f"{uri}.{tail}"]


async def test_nodes_share_the_keys_of_events(join, uri):
    """Sharded subscription; Autobahn|JS passes its options on."""
    publisher = await join("js-ws-json")
    nodes = [
        await (await join(kind)).subscribe(uri, match="prefix", nkey=f"node {number}")
        for number, kind in enumerate(("js-ws-cbor", "js-tcp-json", "js-ws-msgpack"))
    ]
    for key in range(30):
        await publisher.publish(f"{uri}.{key}", [key], rkey=f"key {key}")
    await publisher.publish(uri, ["mark"])
    got = []
    for node in nodes:
        got.append([])
        while (args := (await node.next()).args) != ["mark"]:
            got[-1].append(args[0])
    assert sorted(sum(got, [])) == list(range(30)) and all(got)
