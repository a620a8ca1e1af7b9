"""The meta API and testaments, as clients use them."""

import pytest
from harness.client import WampError, soon

KINDS = ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor", "js-ws-cbor", "js-ws-json"]
SOME = ["py-ws-msgpack", "js-tcp-json"]


async def refused(awaitable, uri):
    with pytest.raises(WampError) as raised:
        await awaitable
    assert raised.value.uri == uri, raised.value


async def ask(client, procedure, *args, **kwargs):
    return (await client.call(procedure, args, kwargs)).args[0]


def mentions(what):
    return lambda event: what in event.args or any(
        isinstance(arg, dict) and what in arg.values() for arg in event.args
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_sessions_come_and_go(join, kind):
    watcher = await join("py-ws-cbor")
    joining = await watcher.subscribe("wamp.session.on_join")
    leaving = await watcher.subscribe("wamp.session.on_leave")
    guest = await join(kind)
    details = (await joining.until(mentions(guest.session_id))).args[0]
    assert details.keys() >= {"session", "authid", "authrole", "authmethod", "authprovider"}
    assert await ask(watcher, "wamp.session.get", guest.session_id) == details
    assert guest.session_id in await ask(guest, "wamp.session.list")
    assert await ask(guest, "wamp.session.count") >= 2
    await guest.leave()
    left = await leaving.until(mentions(guest.session_id))
    assert left.args == [guest.session_id, details["authid"], details["authrole"]]
    await refused(watcher.call("wamp.session.get", [guest.session_id]), "wamp.error.no_such_session")


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_session_learns_why(join, kind):
    for admin in SOME:
        admin, victim, other = await join(admin), await join(kind), await join(kind)
        await admin.call(
            "wamp.session.kill", [victim.session_id], {"reason": "test.reason", "message": "for a test"}
        )
        assert await soon(victim.left, "GOODBYE") == "test.reason"
        await refused(admin.call("wamp.session.kill", [victim.session_id]), "wamp.error.no_such_session")
        assert not other.left.done()
        await admin.call("wamp.session.kill", [other.session_id])
        assert await soon(other.left, "GOODBYE") == "wamp.close.killed"


async def test_all_others_are_killed(join):
    admin = await join("py-ws-json", "kill")
    others = [await join(kind, "kill") for kind in KINDS]
    assert await ask(admin, "wamp.session.kill_all", reason="test.end") == len(others)
    for other in others:
        assert await soon(other.left, "GOODBYE") == "test.end"
    assert await ask(admin, "wamp.session.list") == [admin.session_id]


@pytest.mark.parametrize("kind", KINDS)
async def test_registrations(join, uri, kind):
    watcher, callee = await join("py-ws-cbor"), await join(kind)
    events = await watcher.subscribe("wamp.registration.", match="prefix")
    registration = await callee.register(uri, {"do": "echo"}, invoke="roundrobin")
    created = await events.until(mentions(registration.id))
    assert created.topic == "wamp.registration.on_create" and created.args[0] == callee.session_id
    details = created.args[1]
    assert details.items() >= {"id": registration.id, "uri": uri, "match": "exact", "invoke": "roundrobin"}.items()
    assert (await events.until(mentions(registration.id))).topic == "wamp.registration.on_register"
    assert await ask(callee, "wamp.registration.get", registration.id) == details
    assert await ask(callee, "wamp.registration.lookup", uri) == registration.id
    assert await ask(callee, "wamp.registration.match", uri) == registration.id
    assert registration.id in (await ask(callee, "wamp.registration.list"))["exact"]
    assert await ask(callee, "wamp.registration.list_callees", registration.id) == [callee.session_id]
    assert await ask(callee, "wamp.registration.count_callees", registration.id) == 1
    await registration.unregister()
    for end in ("on_unregister", "on_delete"):
        event = await events.until(mentions(registration.id))
        assert event.topic == f"wamp.registration.{end}" and event.args == [callee.session_id, registration.id]
    await refused(callee.call("wamp.registration.get", [registration.id]), "wamp.error.no_such_registration")


@pytest.mark.parametrize("kind", KINDS)
async def test_subscriptions(join, uri, kind):
    watcher, client = await join("py-ws-cbor"), await join(kind)
    events = await watcher.subscribe("wamp.subscription.", match="prefix")
    subscription = await client.subscribe(uri, match="prefix")
    created = await events.until(mentions(subscription.id))
    assert created.topic == "wamp.subscription.on_create" and created.args[0] == client.session_id
    details = created.args[1]
    assert details.items() >= {"id": subscription.id, "uri": uri, "match": "prefix"}.items()
    assert (await events.until(mentions(subscription.id))).topic == "wamp.subscription.on_subscribe"
    assert await ask(client, "wamp.subscription.get", subscription.id) == details
    assert await ask(client, "wamp.subscription.lookup", uri, {"match": "prefix"}) == subscription.id
    assert await ask(client, "wamp.subscription.match", f"{uri}.tail") == [subscription.id]
    assert subscription.id in (await ask(client, "wamp.subscription.list"))["prefix"]
    assert await ask(client, "wamp.subscription.list_subscribers", subscription.id) == [client.session_id]
    assert await ask(client, "wamp.subscription.count_subscribers", subscription.id) == 1
    await subscription.unsubscribe()
    for end in ("on_unsubscribe", "on_delete"):
        event = await events.until(mentions(subscription.id))
        assert event.topic == f"wamp.subscription.{end}" and event.args == [client.session_id, subscription.id]
    await refused(client.call("wamp.subscription.get", [subscription.id]), "wamp.error.no_such_subscription")


@pytest.mark.parametrize("kind, how", [("py-ws-json", "drop"), ("py-tcp-cbor", "leave"), ("js-ws-cbor", "leave")])
async def test_testaments(join, uri, kind, how):
    watcher, testator = await join("js-ws-msgpack"), await join(kind)
    subscription = await watcher.subscribe(uri)
    add = "wamp.session.add_testament"
    await testator.call(add, [uri, ["destroyed", b"\x00\xff"], {"key": [1]}])
    await testator.call(add, [uri, ["detached"], {}], {"scope": "detached"})
    options = {"exclude": [watcher.session_id]}
    await testator.call(add, [uri, ["not for the watcher"], {}], {"publish_options": options})
    await (testator.drop() if how == "drop" else testator.leave())
    assert (await subscription.next()).args == ["detached"]
    event = await subscription.next()
    assert event.args == ["destroyed", b"\x00\xff"] and event.kwargs == {"key": [1]}
    await (await join(SOME[0])).publish(uri, ["mark"])
    assert (await subscription.next()).args == ["mark"]


@pytest.mark.parametrize("kind", SOME)
async def test_flushed_testaments(join, uri, kind):
    watcher, testator = await join("js-ws-msgpack"), await join(kind)
    subscription = await watcher.subscribe(uri)
    await testator.call("wamp.session.add_testament", [uri, ["flushed"], {}])
    await testator.call("wamp.session.add_testament", [uri, ["kept"], {}], {"scope": "detached"})
    await testator.call("wamp.session.flush_testaments")
    await testator.leave()
    assert (await subscription.next()).args == ["kept"]
    await (await join(SOME[0])).publish(uri, ["mark"])
    assert (await subscription.next()).args == ["mark"]
