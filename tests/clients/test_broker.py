"""Publish and subscribe: whom an event reaches, and when."""

import pytest
from conftest import KINDS

# Two libraries, three serializers, three transports: for what does not depend on the pair.
SOME = ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor", "js-ws-cbor", "js-tcp-json"]


async def mark(publisher, uri, *subscriptions):
    """Publishes a mark and demands it as the next event of all: what came before it did not reach them, because the events
    of one publisher arrive in order."""
    await publisher.publish(uri, ["mark"], exclude_me=False)
    for subscription in subscriptions:
        assert (await subscription.next()).args == ["mark"]


@pytest.mark.parametrize("kind", KINDS)
async def test_acknowledgement_names_the_publication(join, receivers, uri, kind):
    publisher = await join(kind)
    subscription = await receivers["py-ws-json"].subscribe(uri)
    publication = await publisher.publish(uri, [1])
    assert 1 <= publication <= 2**53
    assert (await subscription.next()).publication == publication
    assert await publisher.publish(uri, [2], acknowledge=False) is None
    assert (await subscription.next()).args == [2]


@pytest.mark.parametrize("kind", KINDS)
async def test_publisher_is_excluded_unless_it_asks(join, uri, kind):
    publisher = await join(kind)
    subscription = await publisher.subscribe(uri)
    await publisher.publish(uri, ["not for me"])
    await publisher.publish(uri, ["for me"], exclude_me=False)
    assert (await subscription.next()).args == ["for me"]


@pytest.mark.parametrize("kind", KINDS)
async def test_eligible_and_exclude_lists(join, uri, kind):
    publisher = await join(kind)
    one, two, three = [await join(other) for other in ("py-ws-json", "js-ws-msgpack", "py-tcp-cbor")]
    subscriptions = [await client.subscribe(uri) for client in (one, two, three)]
    await publisher.publish(uri, ["eligible"], eligible=[one.session_id, two.session_id])
    await publisher.publish(uri, ["excluded"], exclude=[one.session_id])
    await publisher.publish(uri, ["both"], eligible=[two.session_id, three.session_id], exclude=[two.session_id])
    await publisher.publish(uri, ["nobody"], eligible=[])
    await publisher.publish(uri, ["all"], exclude=[])
    expected = [["eligible", "all"], ["eligible", "excluded", "all"], ["excluded", "both", "all"]]
    for subscription, texts in zip(subscriptions, expected):
        assert [(await subscription.next()).args[0] for _ in texts] == texts
    await mark(publisher, uri, *subscriptions)


@pytest.mark.parametrize("kind", SOME)
async def test_unsubscribed_hears_nothing(join, uri, kind):
    client, publisher = await join(kind), await join("py-ws-msgpack")
    other = await (await join("js-ws-json")).subscribe(uri)
    subscription = await client.subscribe(uri)
    await publisher.publish(uri, ["first"])
    assert (await subscription.next()).args == ["first"]
    await subscription.unsubscribe()
    await publisher.publish(uri, ["second"])
    again = await client.subscribe(uri)
    await mark(publisher, uri, again)
    assert subscription.events.empty()
    assert [(await other.next()).args[0] for _ in range(3)] == ["first", "second", "mark"]


@pytest.mark.parametrize("kind", SOME)
async def test_events_arrive_in_order(join, uri, kind):
    publisher, subscriber = await join(kind), await join("py-ws-cbor")
    one, two = await subscriber.subscribe(uri), await subscriber.subscribe(f"{uri}.other")
    for number in range(200):
        await publisher.publish(uri if number % 3 else f"{uri}.other", [number], acknowledge=False)
    assert [(await one.next()).args[0] for _ in range(133)] == [n for n in range(200) if n % 3]
    assert [(await two.next()).args[0] for _ in range(67)] == [n for n in range(200) if n % 3 == 0]


async def test_subscribers_of_a_topic_share_its_id(receivers, uri):
    subscriptions = [await client.subscribe(uri) for client in receivers.values()]
    assert len({subscription.id for subscription in subscriptions}) == 1


@pytest.mark.parametrize("kind", SOME)
async def test_who_left_hears_nothing_and_harms_nobody(join, uri, kind):
    staying, publisher = await join("py-ws-json"), await join(kind)
    leaving = [await join(other) for other in SOME]
    for client in leaving:
        await client.subscribe(uri)
    subscription = await staying.subscribe(uri)
    for client in leaving:
        await client.leave()
    await publisher.publish(uri, ["still here"])
    assert (await subscription.next()).args == ["still here"]
