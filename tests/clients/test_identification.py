"""Who calls and who publishes: told if they want it. Autobahn|Python has no option for that, but shows who it was."""

import pytest

CALLEES = ["py-ws-json", "py-tcp-msgpack", "js-ws-cbor"]


@pytest.mark.parametrize("kind", CALLEES)
async def test_callers_disclose_themselves(join, uri, kind):
    callee, caller = await join(kind), await join("js-tcp-json")
    await callee.register(uri, {"do": "caller"})
    assert (await caller.call(uri, disclose_me=True)).args == [caller.session_id]
    assert (await caller.call(uri)).args == [None]


@pytest.mark.parametrize("kind", CALLEES)
async def test_callees_want_to_know(join, uri, kind):
    callee, caller = await join("js-ws-msgpack"), await join(kind)
    await callee.register(uri, {"do": "caller"}, disclose_caller=True)
    assert (await caller.call(uri)).args == [caller.session_id]


@pytest.mark.parametrize("kind", CALLEES)
async def test_publishers_disclose_themselves(join, uri, kind):
    publisher, subscription = await join("js-ws-json"), await (await join(kind)).subscribe(uri)
    await publisher.publish(uri, disclose_me=True)
    assert (await subscription.next()).publisher == publisher.session_id
    await publisher.publish(uri)
    assert (await subscription.next()).publisher is None
