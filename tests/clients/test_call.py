"""Every kind of caller to every kind of callee."""

import asyncio

import pytest
import pytest_asyncio
from conftest import KINDS
from harness.client import Payload, WampError
from harness.payloads import PAYLOADS, difference

REFUSAL = Payload(["no", b"\x00\xff", {"why": "Grüße"}], {"code": 42, "list": [1, None]})


@pytest_asyncio.fixture(scope="session")
async def callees(receivers):
    for kind, client in receivers.items():
        await client.register(f"test.echo.{kind}", {"do": "echo"})
        await client.register(
            f"test.fail.{kind}",
            {"do": "fail", "error": "test.error.refused", "args": REFUSAL.args, "kwargs": REFUSAL.kwargs},
        )


@pytest.mark.parametrize("caller", KINDS)
async def test_every_callee_echoes_payloads(senders, callees, caller):
    wrong = []

    async def call(callee):
        for name, payload in PAYLOADS.items():
            result = await senders[caller].call(f"test.echo.{callee}", payload.args, payload.kwargs)
            found = difference(payload, result, result=True)
            if found:
                wrong.append(f"{caller} -> {callee}: {name}: {found}")

    await asyncio.gather(*(call(callee) for callee in KINDS))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("caller", KINDS)
async def test_errors_of_every_callee_arrive(senders, callees, caller):
    wrong = []
    for callee in KINDS:
        with pytest.raises(WampError) as raised:
            await senders[caller].call(f"test.fail.{callee}")
        assert raised.value.uri == "test.error.refused"
        found = difference(REFUSAL, Payload(raised.value.args_, raised.value.kwargs))
        if found:
            wrong.append(f"{caller} -> {callee}: {found}")
    assert not wrong, "\n".join(wrong)
