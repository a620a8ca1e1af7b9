"""What shows that the dealer's features work."""

import asyncio
import time

from harness.raw import CALL, CANCEL, INTERRUPT, UNREGISTER, UNREGISTERED

from . import World, aborted, failed, refused, shows


@shows("dealer.progressive_call_results")
async def progressive_call_results(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    request = caller.begin(world.uri, [3], receive_progress=True)
    invocation = await callee.invocation()
    assert invocation.details["receive_progress"] is True
    callee.answer(invocation, ["first"], progress=True)
    callee.answer(invocation, progress=True)
    for args in (["first"], []):
        result = await caller.result(request)
        assert result.details["progress"] is True and result.args == args
    callee.answer(invocation, ["last"])
    result = await caller.result(request)
    assert not result.details.get("progress") and result.args == ["last"]
    # Late ones are dropped, and so are those that nobody asked for.
    callee.answer(invocation, ["late"], progress=True)
    request = caller.begin(world.uri)
    invocation = await callee.invocation()
    assert "receive_progress" not in invocation.details
    callee.answer(invocation, ["unasked"], progress=True)
    callee.answer(invocation, ["only"])
    assert (await caller.result(request)).args == ["only"]


@shows("dealer.progressive_call_invocations")
async def progressive_call_invocations(world: World):
    callee, other, caller = [await world.join() for _ in range(3)]
    await callee.register(world.uri, invoke="roundrobin")
    await other.register(world.uri, invoke="roundrobin")
    request = caller.begin(world.uri, [0], progress=True, disclose_me=True, receive_progress=True)
    first = await callee.invocation()
    assert first.details["progress"] is True and first.details["caller"] == caller.session and first.args == [0]
    # The results may begin before the parameters end.
    callee.answer(first, ["early"], progress=True)
    assert (await caller.result(request)).args == ["early"]
    for number in (1, 2):
        caller.send(CALL, request, {"progress": True}, world.uri, [number])
        invocation = await callee.invocation()
        assert invocation.id == first.id and invocation.details["progress"] is True and invocation.args == [number]
    caller.send(CALL, request, {}, world.uri, [3])
    last = await callee.invocation()
    assert last.id == first.id and not last.details.get("progress") and last.args == [3]
    callee.answer(last, ["sum"])
    result = await caller.result(request)
    assert not result.details.get("progress") and result.args == ["sum"]
    # The callee may end it before the caller does; what comes then is dropped.
    request = caller.begin(world.uri, progress=True)
    other.answer(await other.invocation(), ["enough"])
    assert (await caller.result(request)).args == ["enough"]
    caller.send(CALL, request, {"progress": True}, world.uri, ["more"])
    caller.send(CALL, request, {}, world.uri, ["last"])
    request = caller.begin(world.uri)
    callee.answer(await callee.invocation(), ["next"])
    assert (await caller.result(request)).args == ["next"]


@shows("dealer.progressive_call_invocations")
async def progressive_call_invocations_need_both_sides(world: World):
    plain, caller = await world.join(without=["progressive_call_invocations"]), await world.join()
    await plain.register(world.uri)
    await refused(caller.call(world.uri, progress=True), "wamp.error.feature_not_supported")
    plain.begin(world.uri, progress=True)
    assert await aborted(plain) == "wamp.error.protocol_violation"


@shows("dealer.call_timeout")
async def call_timeout(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    await callee.register(f"{world.uri}.forwarded", forward_timeout=True)
    started = time.monotonic()
    request = caller.begin(world.uri, timeout=150)
    invocation = await callee.invocation()
    assert "timeout" not in invocation.details
    assert await failed(caller, request) == "wamp.error.timeout"
    assert 0.14 < time.monotonic() - started < 5
    interrupt = await callee.expect(INTERRUPT)
    assert interrupt[1] == invocation.id and interrupt[2]["mode"] == "killnowait"
    callee.answer(invocation, ["late"])
    # In time it is an ordinary call; zero is no timeout.
    for timeout in (5000, 0):
        request = caller.begin(world.uri, timeout=timeout)
        callee.answer(await callee.invocation(), ["in time"])
        assert (await caller.result(request)).args == ["in time"]
    # The callee may want to see to it itself.
    request = caller.begin(f"{world.uri}.forwarded", timeout=10)
    invocation = await callee.invocation()
    assert invocation.details["timeout"] == 10
    await asyncio.sleep(0.05)
    callee.fail(invocation, "wamp.error.timeout")
    assert await failed(caller, request) == "wamp.error.timeout"


@shows("dealer.call_timeout")
async def call_timeout_of_progressive_results_is_between_them(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    request = caller.begin(world.uri, timeout=200, receive_progress=True)
    invocation = await callee.invocation()
    for number in range(4):
        await asyncio.sleep(0.08)
        callee.answer(invocation, [number], progress=True)
        assert (await caller.result(request)).args == [number]
    assert await failed(caller, request) == "wamp.error.timeout"


@shows("dealer.call_timeout")
async def call_timeout_of_a_callee_that_cannot_be_interrupted(world: World):
    callee, caller = await world.join(without=["call_canceling"]), await world.join()
    await callee.register(world.uri)
    request = caller.begin(world.uri, timeout=20)
    invocation = await callee.invocation()
    assert await failed(caller, request) == "wamp.error.timeout"
    callee.answer(invocation, ["late"])
    request = caller.begin(world.uri)
    callee.answer(await callee.invocation(), ["next"])
    assert (await caller.result(request)).args == ["next"]


@shows("dealer.call_canceling")
async def call_canceling(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)

    async def begun():
        return caller.begin(world.uri), await callee.invocation()

    # killnowait, which is the default: both at once.
    for options in ({"mode": "killnowait"}, {}):
        request, invocation = await begun()
        caller.send(CANCEL, request, options)
        assert await failed(caller, request) == "wamp.error.canceled"
        assert (await callee.expect(INTERRUPT))[:2] == [INTERRUPT, invocation.id]
        callee.answer(invocation, ["too late"])
    # skip: the callee is not told.
    request, invocation = await begun()
    caller.send(CANCEL, request, {"mode": "skip"})
    assert await failed(caller, request) == "wamp.error.canceled"
    callee.answer(invocation, ["too late"])
    # kill: the callee has the last word.
    for answer in ("result", "error"):
        request, invocation = await begun()
        caller.send(CANCEL, request, {"mode": "kill"})
        assert (await callee.expect(INTERRUPT))[:2] == [INTERRUPT, invocation.id]
        if answer == "result":
            callee.answer(invocation, ["finished"])
            assert (await caller.result(request)).args == ["finished"]
        else:
            callee.fail(invocation, "wamp.error.canceled")
            assert await failed(caller, request) == "wamp.error.canceled"
    # What is over cannot be canceled, and does no harm.
    caller.send(CANCEL, request, {"mode": "killnowait"})
    request, invocation = await begun()
    callee.answer(invocation, ["next"])
    assert (await caller.result(request)).args == ["next"]


@shows("dealer.call_canceling")
async def call_canceling_needs_the_callee(world: World):
    callee, caller = await world.join(without=["call_canceling"]), await world.join()
    await callee.register(world.uri)
    for mode in ("kill", "killnowait", "skip"):
        request = caller.begin(world.uri)
        invocation = await callee.invocation()
        caller.send(CANCEL, request, {"mode": mode})
        assert await failed(caller, request) == "wamp.error.canceled"
        callee.answer(invocation, ["too late"])


@shows("dealer.call_canceling")
async def callers_that_leave_interrupt(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    caller.begin(world.uri)
    invocation = await callee.invocation()
    caller.drop()
    interrupt = await callee.expect(INTERRUPT)
    assert interrupt[1] == invocation.id and interrupt[2]["mode"] == "killnowait"


@shows("dealer.caller_identification")
async def caller_identification(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    await callee.register(f"{world.uri}.disclosed", disclose_caller=True)
    for procedure, options in ((world.uri, {"disclose_me": True}), (f"{world.uri}.disclosed", {})):
        caller.begin(procedure, **options)
        details = (await callee.invocation()).details
        assert details["caller"] == caller.session
        assert details["caller_authid"] == caller.welcome["authid"]
        assert details["caller_authrole"] == caller.welcome["authrole"]
    caller.begin(world.uri)
    assert "caller" not in (await callee.invocation()).details


@shows("dealer.call_trustlevels")
async def call_trustlevels(world: World):
    callee, caller = await world.join("policies"), await world.join("policies")
    for prefix, level in (("trusted", 7), ("distrusted", 0), ("other", None)):
        await callee.register(f"{prefix}.{world.uri}")
        request = caller.begin(f"{prefix}.{world.uri}")
        invocation = await callee.invocation()
        assert invocation.details.get("trustlevel") == level, invocation
        callee.answer(invocation)
        await caller.result(request)


@shows("dealer.pattern_based_registration")
async def pattern_based_registration(world: World):
    exact, prefix, wildcard, caller = [await world.join() for _ in range(4)]
    await exact.register(f"{world.uri}.a.b")
    await prefix.register(f"{world.uri}.a", match="prefix")
    await wildcard.register(f"{world.uri}..c", match="wildcard")
    for tail, callee in (("a.b", exact), ("a.x", prefix), ("z.c", wildcard), ("a.c", prefix)):
        request = caller.begin(f"{world.uri}.{tail}")
        invocation = await callee.invocation()
        assert callee is exact or invocation.details["procedure"] == f"{world.uri}.{tail}"
        callee.answer(invocation, [tail])
        assert (await caller.result(request)).args == [tail]
    await refused(caller.call(f"{world.uri}.z.z"), "wamp.error.no_such_procedure")


async def called(caller, callees, procedure: str, **options) -> int:
    """Which callee gets the next call."""
    request = caller.begin(procedure, **options)
    waiting = [asyncio.ensure_future(callee.invocation()) for callee in callees]
    done, others = await asyncio.wait(waiting, timeout=8, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    assert len(done) == 1, f"{len(done)} callees got it"
    number = waiting.index(*done)
    callees[number].answer(done.pop().result(), [number])
    assert (await caller.result(request)).args == [number]
    return number


@shows("dealer.shared_registration")
async def shared_registration(world: World):
    callees, caller = [await world.join() for _ in range(3)], await world.join()
    for policy, wanted in (
        ("first", [0, 0, 0]), ("last", [2, 2, 2]), ("roundrobin", [0, 1, 2, 0, 1, 2]), ("random", None),
    ):  # fmt: skip
        procedure = f"{world.uri}.{policy}"
        registrations = {await callee.register(procedure, invoke=policy) for callee in callees}
        assert len(registrations) == 1
        got = [await called(caller, callees, procedure) for _ in wanted or range(60)]
        assert got == wanted if wanted else set(got) == {0, 1, 2}
        await refused(caller.register(procedure, invoke="single"), "wamp.error.procedure_already_exists")
    await callees[0].register(world.uri)
    await refused(caller.register(world.uri), "wamp.error.procedure_already_exists")


@shows("dealer.sharded_registration")
async def sharded_registration(world: World):
    callees, callers = [await world.join() for _ in range(3)], [await world.join() for _ in range(2)]
    for callee in callees:
        registration = await callee.register(world.uri, invoke="roundrobin")

    async def owners(callees):
        keys = [{"runmode": "partition", "rkey": f"key {number}"} for number in range(30)]
        by_caller = [[await called(caller, callees, world.uri, **key) for key in keys] for caller in callers]
        assert by_caller[0] == by_caller[1]
        return by_caller[0]

    before = await owners(callees)
    assert set(before) == {0, 1, 2}
    # Only the keys of the one that leaves move.
    leaving = callees.pop()
    leaving.request(UNREGISTER, registration)
    await leaving.expect(UNREGISTERED)
    after = await owners(callees)
    assert set(after) == {0, 1} and all(old in (new, 2) for old, new in zip(before, after))
    await refused(callers[0].call(world.uri, runmode="partition"), "wamp.error.invalid_argument")


@shows("dealer.registration_revocation")
async def registration_revocation(world: World):
    old, deaf, new = await world.join(), await world.join(without=["registration_revocation"]), await world.join()
    registration = await old.register(world.uri)
    await new.register(world.uri, force_reregister=True)
    _, request, details = await old.expect(UNREGISTERED)
    assert request == 0 and details["registration"] == registration
    request = old.begin(world.uri)
    new.answer(await new.invocation(), ["new"])
    assert (await old.result(request)).args == ["new"]
    # Who did not announce it is not told: its next message is the answer to its own call.
    await deaf.register(f"{world.uri}.deaf")
    await new.register(f"{world.uri}.deaf", force_reregister=True)
    request = deaf.begin(f"{world.uri}.deaf")
    new.answer(await new.invocation(), ["new"])
    assert (await deaf.result(request)).args == ["new"]


@shows("dealer.call_reroute")
async def call_reroute(world: World):
    one, two, caller = [await world.join() for _ in range(3)]
    for policy, order in (("roundrobin", [one, two]), ("first", [one, two]), ("last", [two, one])):
        for callee in (one, two):
            await callee.register(f"{world.uri}.{policy}", invoke=policy)
        request = caller.begin(f"{world.uri}.{policy}", ["payload"])
        order[0].fail(await order[0].invocation(), "wamp.error.unavailable")
        invocation = await order[1].invocation()
        assert invocation.args == ["payload"]
        order[1].answer(invocation, ["rerouted"])
        assert (await caller.result(request)).args == ["rerouted"]
    request = caller.begin(f"{world.uri}.first")
    for callee in (one, two):
        callee.fail(await callee.invocation(), "wamp.error.unavailable")
    assert await failed(caller, request) == "wamp.error.no_available_callee"
    await one.register(world.uri)
    request = caller.begin(world.uri)
    one.fail(await one.invocation(), "wamp.error.unavailable")
    assert await failed(caller, request) == "wamp.error.no_available_callee"


PPT = {"ppt_scheme": "x_test", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "key1"}


def ppt(details: dict) -> dict:
    return {key: value for key, value in details.items() if key.startswith("ppt_")}


@shows("dealer.payload_passthru_mode")
async def payload_passthru_of_calls(world: World):
    callee, caller = await world.join(), await world.join()
    await callee.register(world.uri)
    payload = caller.binary(bytes(range(256)))
    request = caller.begin(world.uri, [payload], **PPT)
    invocation = await callee.invocation()
    assert ppt(invocation.details) == PPT and invocation.args == [payload]
    callee.answer(invocation, [payload], ppt_scheme="mqtt")
    result = await caller.result(request)
    assert ppt(result.details) == {"ppt_scheme": "mqtt"} and result.args == [payload]
    request = caller.begin(world.uri, [payload], **PPT)
    callee.fail(await callee.invocation(), "test.error", [payload], **PPT)
    error = await caller.expect(8)
    assert ppt(error[3]) == PPT and error[4:6] == ["test.error", [payload]]


@shows("dealer.payload_passthru_mode")
async def payload_passthru_of_calls_needs_all_sides(world: World):
    plain, caller = await world.join(without=["payload_passthru_mode"]), await world.join()
    await plain.register(world.uri)
    payload = [caller.binary(b"payload")]
    await refused(caller.call(world.uri, payload, **PPT), "wamp.error.feature_not_supported")
    plain.begin(world.uri, payload, **PPT)
    assert await aborted(plain) == "wamp.error.protocol_violation"
