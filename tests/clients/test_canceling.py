"""Calls that are given up: canceled, timed out, left by their caller. None of it harms whoever is still there."""

import asyncio
import time

import pytest
from harness.client import WampError

CALLERS = ["py-ws-json", "py-tcp-msgpack", "js-ws-cbor"]
CALLEES = ["py-ws-cbor", "py-unix-json", "js-ws-msgpack"]


async def ended(call, *uris):
    """The call ends with one of these errors."""
    with pytest.raises(WampError) as raised:
        await call.result()
    assert raised.value.uri in uris, raised.value


@pytest.fixture
def pair(join, uri):
    """Makes a caller and a callee with something that never ends and something that answers."""

    async def pair(caller, callee, hang="hang", procedure=uri):
        caller, callee = await join(caller), await join(callee)
        await callee.register(f"{procedure}.echo", {"do": "echo"})
        return caller, callee, await callee.register(procedure, {"do": hang})

    return pair


async def unharmed(uri, *callers):
    for caller in callers:
        assert (await caller.call(f"{uri}.echo", [1])).args == [1]


@pytest.mark.parametrize("callee", CALLEES)
async def test_python_cancels(pair, uri, callee):
    caller, callee, hanging = await pair("py-ws-msgpack", callee)
    for _ in range(3):
        call = await caller.begin(uri)
        await hanging.invoked()
        await call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.result()
        # Autobahn|JS cannot be interrupted.
        if callee.name.startswith("py"):
            await hanging.interrupted()
        await unharmed(uri, caller, callee)


@pytest.mark.parametrize("callee", CALLEES)
async def test_javascript_cancels(pair, uri, callee):
    caller, callee, hanging = await pair("js-ws-json", callee)
    for _ in range(3):
        call = await caller.begin(uri)
        await hanging.invoked()
        await call.cancel("kill")
        if callee.name.startswith("py"):
            await hanging.interrupted()
            # What Autobahn|Python answers when it is interrupted.
            await ended(call, "wamp.error.canceled", "wamp.error.runtime_error")
        else:
            await ended(call, "wamp.error.canceled")
        await unharmed(uri, caller, callee)


async def test_kill_leaves_the_last_word_to_the_callee(pair, uri):
    caller, callee, stubborn = await pair("js-ws-cbor", "py-tcp-json", "stubborn")
    call = await caller.begin(uri)
    await stubborn.invoked()
    await call.cancel("kill")
    assert (await call.result()).args == ["nevertheless"]
    await unharmed(uri, caller, callee)


@pytest.mark.parametrize("callee", ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor"])
@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_a_late_yield_does_not_harm_the_callee(pair, uri, callee, how):
    caller, callee, stubborn = await pair("py-ws-json", callee, "stubborn")
    call = await caller.begin(uri, **({"timeout": 50} if how == "timeout" else {}))
    await stubborn.invoked()
    if how == "cancel":
        await call.cancel()
    # It answers now, too late.
    await stubborn.interrupted()
    await unharmed(uri, caller, callee)
    if how == "timeout":
        await ended(call, "wamp.error.timeout")


@pytest.mark.parametrize("caller", CALLERS)
async def test_timeouts_are_milliseconds(pair, uri, caller):
    pairs = [await pair(caller, callee, procedure=f"{uri}.{number}") for number, callee in enumerate(CALLEES)]
    started = time.monotonic()
    calls = [await caller.begin(f"{uri}.{number}", timeout=500) for number, (caller, _, _) in enumerate(pairs)]
    for call in calls:
        await ended(call, "wamp.error.timeout")
        # The upper bound allows for a busy machine.
        assert 0.48 < time.monotonic() - started < 3
    for number, (caller, callee, hanging) in enumerate(pairs):
        if callee.name.startswith("py"):
            await hanging.interrupted()
        await unharmed(f"{uri}.{number}", caller, callee)


@pytest.mark.parametrize("caller", CALLERS)
async def test_an_answer_in_time_is_an_answer(join, uri, caller):
    caller, callee = await join(caller), await join("py-ws-json")
    await callee.register(uri, {"do": "wait"})
    calls = [await caller.begin(uri, [10], timeout=timeout) for timeout in (2000, 5000)]
    for call in calls:
        assert (await call.result()).args == ["waited"]
    call = await caller.begin(uri, [2000], timeout=20)
    await ended(call, "wamp.error.timeout")


@pytest.mark.parametrize("callee", CALLEES)
async def test_operator_sets_a_timeout(join, callee):
    caller, callee = await join("py-ws-json", "policies"), await join(callee, "policies")
    await callee.register("policies.impatient", {"do": "hang"})
    started = time.monotonic()
    await ended(await caller.begin("policies.impatient"), "wamp.error.timeout")
    assert 0.18 < time.monotonic() - started < 3


@pytest.mark.parametrize("how", ["leaves", "is cut off"])
@pytest.mark.parametrize("callee", CALLEES)
async def test_caller_leaves_and_the_callee_is_interrupted(join, pair, uri, callee, how):
    caller, callee, hanging = await pair("py-tcp-cbor", callee)
    await caller.begin(uri, receive_progress=True)
    await hanging.invoked()
    await (caller.leave() if how == "leaves" else caller.drop())
    if callee.name.startswith("py"):
        await hanging.interrupted()
    await unharmed(uri, callee, await join("js-ws-json"))
    assert not callee.left.done()
