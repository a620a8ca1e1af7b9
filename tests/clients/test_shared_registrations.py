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
