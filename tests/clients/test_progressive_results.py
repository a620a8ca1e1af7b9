"""Progressive call results between all libraries."""

import pytest
from harness.client import Payload

# Caller and callee: each library with itself and with the other, on several transports and serializers.
PAIRS = [
    ("py-ws-json", "py-tcp-msgpack"), ("py-unix-cbor", "py-ws-cbor"), ("js-ws-cbor", "js-tcp-json"),
    ("py-tcp-json", "js-ws-msgpack"), ("js-unix-json", "py-ws-msgpack"),
]  # fmt: skip


@pytest.mark.parametrize("caller, callee", PAIRS)
async def test_progressive_results(join, uri, caller, callee):
    caller, callee = await join(caller), await join(callee)
    await callee.register(uri, {"do": "count"})
    call = await caller.begin(uri, [100, "pad"], receive_progress=True)
    assert (await call.result()).args == [99]
    # They have come in their order, and all before the result.
    got = [call.progress.get_nowait() for _ in range(100)]
    assert got == [Payload([number], {"half": number / 2, "pad": "pad"}) for number in range(100)]
    assert call.progress.empty()


@pytest.mark.parametrize("caller, callee", PAIRS)
async def test_who_does_not_ask_gets_the_result_alone(join, uri, caller, callee):
    caller, callee = await join(caller), await join(callee)
    await callee.register(uri, {"do": "count"})
    assert (await caller.call(uri, [5, ""])).args == [4]


@pytest.mark.parametrize("caller, callee", PAIRS)
async def test_results_of_several_calls_do_not_mix(join, uri, caller, callee):
    caller, callee = await join(caller), await join(callee)
    await callee.register(uri, {"do": "count"})
    calls = [await caller.begin(uri, [10 + number, number], receive_progress=True) for number in range(5)]
    for number, call in enumerate(calls):
        assert (await call.result()).args == [9 + number]
        got = [call.progress.get_nowait() for _ in range(10 + number)]
        assert [(*payload.args, payload.kwargs["pad"]) for payload in got] == [(n, number) for n in range(10 + number)]


@pytest.mark.parametrize("callee", ["py-ws-msgpack", "js-ws-cbor"])
async def test_a_slow_consumer_gets_a_long_stream_to_its_end(join, uri, callee):
    caller, other, callee = await join("py-ws-cbor"), await join("py-tcp-json"), await join(callee)
    await callee.register(uri, {"do": "count"})
    # Some megabytes: more than may wait for a connection before the router stops reading from it.
    call = await caller.begin(uri, [1000, "x" * 4000], receive_progress=True)
    assert (await call.progressed()).args == [0]
    caller.listen(False)
    # Meanwhile the callee answers others.
    assert (await other.call(uri, [1, ""])).args == [0]
    caller.listen(True)
    assert (await call.result()).args == [999]
    assert [call.progress.get_nowait().args for _ in range(999)] == [[number] for number in range(1, 1000)]
