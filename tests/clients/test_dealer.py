"""Register and call: what goes wrong, and who answers then."""

import asyncio

import pytest
from conftest import KINDS
from harness.client import WampError, soon

SOME = ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor", "js-ws-cbor", "js-tcp-json"]
# Autobahn|JS cannot cut its transport.
PYTHON_KINDS = [kind for kind in KINDS if kind.startswith("py-")]
SAY = {"do": "say", "args": ["here"]}


async def refused(awaitable, uri):
    with pytest.raises(WampError) as raised:
        await awaitable
    assert raised.value.uri == uri, raised.value


@pytest.mark.parametrize("kind", KINDS)
async def test_no_such_procedure(senders, uri, kind):
    await refused(senders[kind].call(uri), "wamp.error.no_such_procedure")


@pytest.mark.parametrize("kind", KINDS)
async def test_procedure_already_exists(join, senders, uri, kind):
    first = await join("py-ws-json")
    registration = await first.register(uri, SAY)
    await refused(senders[kind].register(uri, SAY), "wamp.error.procedure_already_exists")
    await registration.unregister()
    await (await senders[kind].register(uri, SAY)).unregister()


@pytest.mark.parametrize("kind", SOME)
async def test_reserved_uris_are_refused(senders, kind):
    await refused(senders[kind].register("wamp.test", SAY), "wamp.error.invalid_uri")
    await refused(senders[kind].publish("wamp.test"), "wamp.error.invalid_uri")


@pytest.mark.parametrize("kind", KINDS)
async def test_unregistered_procedure_is_gone(join, senders, uri, kind):
    registration = await senders[kind].register(uri, SAY)
    caller = await join("py-ws-cbor")
    assert (await caller.call(uri)).args == ["here"]
    await registration.unregister()
    await refused(caller.call(uri), "wamp.error.no_such_procedure")


@pytest.mark.parametrize("kind", KINDS)
async def test_client_calls_itself(join, uri, kind):
    client = await join(kind)
    await client.register(uri, {"do": "echo"})
    assert (await client.call(uri, ["myself"])).args == ["myself"]


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_overtake_each_other(join, uri, kind):
    caller, callee = await join(kind), await join("py-ws-msgpack")
    await callee.register(uri, {"do": "echo"})
    results = await asyncio.gather(*(caller.call(uri, [number]) for number in range(100)))
    assert [result.args for result in results] == [[number] for number in range(100)]


@pytest.mark.parametrize(
    "kind, how", [(kind, "leaves") for kind in KINDS] + [(kind, "is cut off") for kind in PYTHON_KINDS]
)
async def test_callee_goes_in_the_middle_of_a_call(join, senders, uri, kind, how):
    callee = await join(kind)
    await callee.register(uri, {"do": "hang"})
    calls = [asyncio.ensure_future(senders[caller].call(uri)) for caller in SOME]
    await asyncio.sleep(0.1)
    await (callee.leave() if how == "leaves" else callee.drop())
    for call in calls:
        await refused(call, "wamp.error.canceled")

    # The procedure is free again: at once after GOODBYE. That of a callee that was cut off its callers may learn before its owner.
    async def register():
        while True:
            try:
                return await senders[kind].register(uri, SAY)
            except WampError as error:
                if how == "leaves" or error.uri != "wamp.error.procedure_already_exists":
                    raise
                await asyncio.sleep(0.02)

    await (await soon(register(), "the procedure is free")).unregister()


@pytest.mark.parametrize("kind", PYTHON_KINDS)
async def test_caller_goes_in_the_middle_of_a_call(join, senders, uri, kind):
    callee, caller = await join("py-ws-json"), await join(kind)
    await callee.register(uri, {"do": "hang"})
    await callee.register(f"{uri}.echo", {"do": "echo"})
    call = asyncio.ensure_future(caller.call(uri))
    await asyncio.sleep(0.1)
    await caller.drop()
    with pytest.raises(WampError):
        await call
    assert (await senders[kind].call(f"{uri}.echo", [1])).args == [1]
