"""Registrations and subscriptions that the router takes away."""

import pytest
from harness.client import soon

ALL = ["py-ws-json", "py-tcp-msgpack", "js-ws-cbor"]


@pytest.mark.parametrize("old", ALL)
@pytest.mark.parametrize("new", ALL)
async def test_procedure_is_taken_over(join, uri, old, new):
    old, new, caller = await join(old), await join(new), await join("py-unix-cbor")
    registration = await old.register(uri, {"do": "say", "args": ["old"]})
    assert (await caller.call(uri)).args == ["old"]
    taken = await new.register(uri, {"do": "say", "args": ["new"]}, force_reregister=True)
    assert (await caller.call(uri)).args == ["new"]
    if old.name.startswith("js"):
        await soon(registration.revoked, "UNREGISTERED")
    # The old callee lives, and gets it back the same way.
    assert (await old.call(uri)).args == ["new"]
    await old.register(uri, {"do": "say", "args": ["old"]}, force_reregister=True)
    assert (await caller.call(uri)).args == ["old"]
    if new.name.startswith("js"):
        await soon(taken.revoked, "UNREGISTERED")


async def test_call_under_way_ends_with_its_callee(join, uri):
    """A callee that has lost the procedure may still answer the calls it had."""
    old, new, caller = await join("py-ws-json"), await join("py-tcp-cbor"), await join("js-ws-json")
    registration = await old.register(uri, {"do": "wait"})
    call = await caller.begin(uri, [150])
    await registration.invoked()
    await new.register(uri, {"do": "echo"}, force_reregister=True)
    assert (await call.result()).args == ["waited"]


@pytest.mark.parametrize("kind", ALL)
async def test_callee_is_removed(join, uri, kind):
    callee, admin = await join(kind), await join("py-ws-msgpack")
    registration = await callee.register(uri, {"do": "echo"})
    await admin.call(
        "wamp.registration.remove_callee", [registration.id, callee.session_id], {"reason": "test.reason"}
    )
    if kind.startswith("js"):
        assert await soon(registration.revoked, "UNREGISTERED") == "test.reason"
    # The procedure is free.
    await (await admin.register(uri, {"do": "echo"})).unregister()
    await callee.register(uri, {"do": "echo"})
    assert (await admin.call(uri, [1])).args == [1]


@pytest.mark.parametrize("kind", ["js-ws-cbor", "js-tcp-json"])
async def test_subscriber_is_removed(join, uri, kind):
    """Autobahn|Python announces the feature, and fails when it is used."""
    subscriber, admin = await join(kind), await join("py-ws-msgpack")
    subscription = await subscriber.subscribe(uri)
    await admin.call(
        "wamp.subscription.remove_subscriber", [subscription.id, subscriber.session_id], {"reason": "test.reason"}
    )
    assert await soon(subscription.revoked, "UNSUBSCRIBED") == "test.reason"
    await admin.publish(uri, ["not for it"])
    again = await subscriber.subscribe(uri)
    await admin.publish(uri, ["again"])
    assert (await again.next()).args == ["again"]
    assert subscription.events.empty()
