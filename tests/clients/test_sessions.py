"""Joining, leaving, joining again, and the end of the router."""

import asyncio

import pytest
from conftest import KINDS
from harness.autobahn_js import JsClient
from harness.autobahn_python import PythonClient
from harness.client import WampError, soon


async def test_sessions_have_ids_of_their_own(senders, receivers):
    ids = [client.session_id for client in [*senders.values(), *receivers.values()]]
    assert len(set(ids)) == len(ids) and all(1 <= session_id <= 2**53 for session_id in ids)


@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_realm_is_refused(new_client, kind):
    with pytest.raises(WampError) as raised:
        await new_client(kind).join("no.such.realm")
    assert raised.value.uri == "wamp.error.no_such_realm"


@pytest.mark.parametrize("kind", KINDS)
async def test_goodbye_is_answered(join, kind):
    client = await join(kind)
    await client.leave()
    assert await soon(client.left, "GOODBYE") in ("wamp.close.goodbye_and_out", "wamp.close.normal")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("py-")])
async def test_a_transport_carries_one_session_after_another(join, uri, kind):
    client, publisher = await join(kind), await join("py-ws-json")
    old = await client.subscribe(uri)
    first = client.session_id
    await client.rejoin()
    assert client.session_id != first
    new = await client.subscribe(uri)
    await publisher.publish(uri, ["to the new session"])
    assert (await new.next()).args == ["to the new session"]
    assert old.events.empty()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_session_starts_with_nothing(join, uri, kind):
    first = await join(kind)
    await first.register(uri, {"do": "echo"})
    await first.subscribe(uri)
    await first.leave()
    second = await join(kind)
    assert second.session_id != first.session_id
    await second.register(uri, {"do": "echo"})
    assert (await second.call(uri, [1])).args == [1]


async def test_sigterm_says_goodbye_and_exits(start_router, js_host):
    router = start_router("shutdown")
    try:
        clients = [
            PythonClient("py-ws", router, "ws", "json"), PythonClient("py-tcp", router, "tcp", "msgpack"),
            PythonClient("py-unix", router, "unix", "cbor"), JsClient("js-ws", js_host, router, "ws", "cbor"),
        ]  # fmt: skip
        for client in clients:
            await client.join()
        router.terminate()
        for client in clients:
            assert await soon(client.left, f"{client.name}: GOODBYE") == "wamp.close.system_shutdown"
        assert await asyncio.to_thread(router.wait) == 0
    finally:
        router.stop()
