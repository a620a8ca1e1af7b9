"""Several callees behind one procedure."""

import asyncio
import collections

import pytest
from harness.client import WampError

CALLEES = ["py-ws-json", "js-ws-msgpack", "py-tcp-cbor", "js-ws-json"]
CALLERS = ["py-unix-msgpack", "js-ws-cbor"]


@pytest.fixture(autouse=True)
def announced(senders):
    if not senders["py-ws-json"].announced("dealer", "shared_registration"):
        pytest.skip("the router does not announce shared_registration")


async def registered(join, uri, policy):
    registrations = []
    for number, kind in enumerate(CALLEES):
        client = await join(kind)
        registrations.append(await client.register(uri, {"do": "say", "args": [number]}, invoke=policy))
    assert len({registration.id for registration in registrations}) == 1
    return registrations


async def answers(senders, uri, calls):
    """Who answered each of so many calls, made one after the other by different callers."""
    return [(await senders[CALLERS[number % 2]].call(uri)).args[0] for number in range(calls)]


async def test_roundrobin_takes_turns(join, senders, uri):
    registrations = await registered(join, uri, "roundrobin")
    got = await answers(senders, uri, 12)
    assert got == got[:4] * 3 and sorted(got[:4]) == [0, 1, 2, 3], got
    # Exact also when the callers do not wait for each other.
    results = await asyncio.gather(*(senders[CALLERS[number % 2]].call(uri) for number in range(40)))
    assert collections.Counter(result.args[0] for result in results) == {0: 10, 1: 10, 2: 10, 3: 10}
    await registrations[1].unregister()
    got = await answers(senders, uri, 9)
    assert got == got[:3] * 3 and sorted(got[:3]) == [0, 2, 3], got


async def test_random_reaches_all(join, senders, uri):
    await registered(join, uri, "random")
    # The odds that 200 fair draws leave out one of four: 4 * 0.75^200, less than 1e-24.
    assert set(await answers(senders, uri, 200)) == {0, 1, 2, 3}


async def test_first(join, senders, uri):
    registrations = await registered(join, uri, "first")
    assert await answers(senders, uri, 4) == [0] * 4
    await registrations[0].unregister()
    assert await answers(senders, uri, 4) == [1] * 4


async def test_last(join, senders, uri):
    registrations = await registered(join, uri, "last")
    assert await answers(senders, uri, 4) == [3] * 4
    await registrations[3].client.leave()
    assert await answers(senders, uri, 4) == [2] * 4


async def test_another_policy_is_refused(join, uri):
    await registered(join, uri, "roundrobin")
    other = await join("js-ws-json")
    for policy in ("single", "random"):
        with pytest.raises(WampError) as raised:
            await other.register(uri, {"do": "echo"}, invoke=policy)
        assert raised.value.uri == "wamp.error.procedure_already_exists"


async def test_all_callees_gone_means_no_procedure(join, senders, uri):
    for registration in await registered(join, uri, "roundrobin"):
        await registration.client.leave()
    with pytest.raises(WampError) as raised:
        await senders["py-ws-json"].call(uri)
    assert raised.value.uri == "wamp.error.no_such_procedure"


@pytest.mark.parametrize("kind", ["py-ws-json", "js-ws-cbor"])
async def test_concurrency_is_limited(join, uri, kind):
    """A callee gets no more invocations at a time than it wants; the other calls wait, and all are answered."""
    callees = [await join(kind), await join("py-tcp-msgpack")]
    registrations = [
        await callee.register(uri, {"do": "wait"}, invoke="roundrobin", concurrency=2) for callee in callees
    ]
    caller = await join("py-ws-cbor")
    calls = [await caller.begin(uri, [60]) for _ in range(10)]
    for registration in registrations:
        for _ in range(2):
            await registration.invoked()
    assert all(registration.invocations.empty() for registration in registrations)
    for call in calls:
        assert (await call.result()).args == ["waited"]
    assert sum(registration.invocations.qsize() for registration in registrations) == 6


async def test_load_goes_to_whoever_has_least(join):
    procedure = "policies.load"
    busy, idle, caller = [await join(kind, "policies") for kind in ("py-ws-json", "js-ws-cbor", "py-tcp-msgpack")]
    registrations = [await client.register(procedure, {"do": "wait"}) for client in (busy, idle)]
    long_call = await caller.begin(procedure, [400])
    invoked = [asyncio.ensure_future(registration.invoked()) for registration in registrations]
    done, others = await asyncio.wait(invoked, return_when=asyncio.FIRST_COMPLETED)
    other = registrations[invoked.index(*others)]
    for _ in range(4):
        assert (await caller.call(procedure, [0])).args == ["waited"]
        # Whoever counts may hear of the answer a little later than the caller.
        await asyncio.sleep(0.02)
    # The one that has the long call got none of these.
    await others.pop()
    assert other.invocations.qsize() == 3
    assert (await long_call.result()).args == ["waited"]


@pytest.mark.parametrize("kind", ["py-ws-json", "js-ws-cbor"])
async def test_operator_decides_how_calls_are_spread(join, kind):
    """The callees ask for nothing."""
    callees = [await join(kind, "policies") for _ in range(3)]
    for number, callee in enumerate(callees):
        await callee.register("policies.roundrobin", {"do": "say", "args": [number]})
    caller = await join("py-unix-msgpack", "policies")
    got = [(await caller.call("policies.roundrobin")).args[0] for _ in range(6)]
    assert sorted(got[:3]) == [0, 1, 2] and got == got[:3] * 2


async def test_operator_limits_concurrency_and_queue(join):
    """One invocation at a time, two calls that wait, the next is refused."""
    callee, caller = await join("py-ws-json", "policies"), await join("js-ws-cbor", "policies")
    registration = await callee.register("policies.one_at_a_time", {"do": "wait"})
    calls = [await caller.begin("policies.one_at_a_time", [100]) for _ in range(4)]
    with pytest.raises(WampError) as raised:
        await calls.pop().result()
    assert raised.value.uri == "wamp.error.no_available_callee"
    assert registration.invocations.qsize() <= 2
    for call in calls:
        assert (await call.result()).args == ["waited"]


async def test_a_key_has_its_callee(join, uri):
    """Sharded registration; Autobahn|JS passes its options on."""
    for number, kind in enumerate(CALLEES):
        await (await join(kind)).register(uri, {"do": "say", "args": [number]}, invoke="random")
    keys = [{"runmode": "partition", "rkey": f"key {number}"} for number in range(40)]
    owners = []
    for kind in ("js-ws-json", "js-ws-cbor"):
        caller = await join(kind)
        owners.append([(await caller.call(uri, **key)).args[0] for key in keys])
    assert owners[0] == owners[1] and set(owners[0]) == {0, 1, 2, 3}
