"""Callees that are lost without a word: no call after that is lost with them."""

import asyncio
import contextlib
import json
import pathlib
import sys

import pytest_asyncio
from harness.client import WampError, soon

HERE = pathlib.Path(__file__).parent


@pytest_asyncio.fixture
async def start_callee(router):
    """Starts callees in processes of their own."""
    processes = []

    async def start(procedure, behaviour, realm="realm1", **options):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "harness.callee_process", router.ws_url, realm, procedure, json.dumps(behaviour),
            json.dumps(options), cwd=HERE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        assert await soon(process.stdout.readline(), "the process registers") == b"ready\n"
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_killed_callee_of_a_shared_registration(join, uri, start_callee):
    """Of the calls under way those at the killed callee fail; each later one is answered by another."""
    process = await start_callee(uri, {"do": "wait"}, invoke="roundrobin")
    for kind in ("py-ws-msgpack", "js-ws-cbor"):
        await (await join(kind)).register(uri, {"do": "wait"}, invoke="roundrobin")
    callers = [await join(kind) for kind in ("py-tcp-json", "js-ws-json")]
    calls = [await caller.begin(uri, [300]) for caller in callers for _ in range(3)]
    assert await soon(process.stdout.readline(), "the process is called") == b"invoked\n"
    process.kill()
    errors = []
    for call in calls:
        try:
            assert (await call.result()).args == ["waited"]
        except WampError as error:
            errors.append(error.uri)
    # It had one of them at least, and would have had every third.
    assert errors in (["wamp.error.canceled"], ["wamp.error.canceled"] * 2)
    for _ in range(6):
        for caller in callers:
            assert (await caller.call(uri, [0])).args == ["waited"]


async def test_call_of_a_killed_callee_goes_to_another_if_the_operator_wants_so(join, start_callee):
    procedure = "policies.rerouted"
    process = await start_callee(procedure, {"do": "hang"}, "policies")
    standby = await join("js-ws-cbor", "policies")
    await standby.register(procedure, {"do": "echo"}, invoke="first")
    call = await (await join("py-ws-json", "policies")).begin(procedure, ["payload"], {"key": b"\x00\xff"})
    assert await soon(process.stdout.readline(), "the process is called") == b"invoked\n"
    process.kill()
    result = await call.result()
    assert result.args == ["payload"] and result.kwargs == {"key": b"\x00\xff"}
