"""Every kind of publisher to every kind of subscriber."""

import asyncio

import pytest
import pytest_asyncio
from conftest import KINDS
from harness.payloads import PAYLOADS, difference


@pytest_asyncio.fixture(scope="session")
async def subscriptions(receivers):
    return {kind: await client.subscribe("test.publish.all") for kind, client in receivers.items()}


@pytest.mark.parametrize("publisher", KINDS)
async def test_payloads_reach_every_client(senders, subscriptions, publisher):
    wrong = []

    async def receive(kind, subscription):
        for name, payload in PAYLOADS.items():
            found = difference(payload, await subscription.next())
            if found:
                wrong.append(f"{publisher} -> {kind}: {name}: {found}")

    receiving = asyncio.gather(*(receive(*item) for item in subscriptions.items()))
    for payload in PAYLOADS.values():
        await senders[publisher].publish("test.publish.all", payload.args, payload.kwargs)
    await receiving
    assert not wrong, "\n".join(wrong)
