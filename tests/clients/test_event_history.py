"""Event history: `wamp.subscription.get_events`, as clients call it."""

import pytest
from harness.client import WampError

KINDS = ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor", "js-ws-cbor", "js-ws-json"]


@pytest.mark.parametrize("kind", KINDS)
async def test_history_of_a_subscription(join, uri, kind):
    publisher, client = await join("py-ws-msgpack", "policies"), await join(kind, "policies")
    topic = f"history.{uri}"
    subscription = await client.subscribe(topic)
    publications = [
        await publisher.publish(topic, [number, b"\x00\xff"], {"key": number}) for number in range(7)
    ]

    async def history(**options):
        return (await client.call("wamp.subscription.get_events", [subscription.id], options)).args[0]

    # The five that are kept.
    events = await history()
    assert [event["publication"] for event in events] == publications[2:]
    assert [event["args"] for event in events] == [[number, b"\x00\xff"] for number in range(2, 7)]
    assert [event["kwargs"] for event in events] == [{"key": number} for number in range(2, 7)]
    # Pages, forwards and backwards.
    page = await history(limit=2)
    next_page = await history(limit=2, after_publication=page[-1]["publication"])
    assert [event["args"][0] for event in page + next_page] == [2, 3, 4, 5]
    page = await history(limit=2, reverse=True)
    next_page = await history(limit=2, reverse=True, before_publication=page[-1]["publication"])
    assert [event["args"][0] for event in page + next_page] == [6, 5, 4, 3]


@pytest.mark.parametrize("kind", KINDS[:1] + KINDS[-1:])
async def test_history_is_by_subscription(join, uri, kind):
    publisher, client = await join("py-ws-msgpack", "policies"), await join(kind, "policies")
    exact = await client.subscribe(f"history.{uri}.one")
    prefix = await client.subscribe(f"history.{uri}", match="prefix")
    for tail in ("one", "two", "one", "three"):
        await publisher.publish(f"history.{uri}.{tail}", [tail])

    async def history(subscription, **options):
        events = await client.call("wamp.subscription.get_events", [subscription.id], options)
        return [event["args"][0] for event in events.args[0]]

    assert await history(exact) == ["one", "one"]
    assert await history(prefix) == ["one", "two", "one", "three"]
    assert await history(prefix, topic=f"history.{uri}.two") == ["two"]
    with pytest.raises(WampError) as raised:
        await client.call("wamp.subscription.get_events", [2**53])
    assert raised.value.uri == "wamp.error.no_such_subscription"
