"""The truth about features: for each key that WELCOME may announce, a script that shows that the feature works.

`test_feature_truth.py` runs them. A script gets a `World` to make clients in, and fails by an assertion or a WampError.
"""

import asyncio

import pytest
from harness.client import WampError
from harness.raw import ERROR, RawClient

# (role, key, script): what shows that a feature works; and, for those that the router does not announce, what becomes of
# who uses them nevertheless.
WORKS: list[tuple] = []
ABSENT: list[tuple] = []


def shows(*features):
    """The script below shows that these features work: "dealer.call_timeout"."""

    def decorate(script):
        WORKS.extend((*feature.split("."), script) for feature in features)
        return script

    return decorate


def without(*features):
    """The script below shows what happens as long as these features are not announced."""

    def decorate(script):
        ABSENT.extend((*feature.split("."), script) for feature in features)
        return script

    return decorate


class World:
    """Makes clients of one serializer. Two that are made one after the other are on different shards, if there are several."""

    def __init__(self, router, serializer: str, shards: int, uri: str):
        self.router, self.serializer, self.shards, self.uri = router, serializer, shards, uri
        self.clients: list[RawClient] = []

    async def join(self, realm: str = "realm1", without=()) -> RawClient:
        while True:
            client = await RawClient.connect(self.router, self.serializer)
            await client.join(realm, without)
            here = [other for other in self.clients[-1:] if (other.session - client.session) % self.shards == 0]
            if self.shards == 1 or not here:
                self.clients.append(client)
                return client
            client.drop()

    def close(self):
        for client in self.clients:
            client.drop()


async def refused(awaitable, *uris: str):
    """It is answered with an ERROR of one of these URIs."""
    with pytest.raises(WampError) as raised:
        await awaitable
    assert raised.value.uri in uris, raised.value
    return raised.value


async def failed(client: RawClient, request: int) -> str:
    """The next message is the ERROR of this call; its URI."""
    error = await client.expect(ERROR)
    assert error[2] == request, error
    return error[4]


async def aborted(client: RawClient) -> str:
    """The next message is ABORT, and then the connection ends; its reason."""
    _, _, reason = (await client.expect(3))[:3]
    with pytest.raises(asyncio.IncompleteReadError):
        await asyncio.wait_for(client.receive(), 8)
    return reason
