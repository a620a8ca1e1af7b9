"""A client of which a test writes every message itself, for what client libraries do not do or do not show.

RawSocket over TCP, with any serializer. Messages are lists as in the specification; what arrives is taken in order.
"""

import asyncio
import base64
import dataclasses
import itertools
import json

import cbor2
import msgpack

from .client import WampError, soon

HELLO, WELCOME, ABORT, GOODBYE, ERROR = 1, 2, 3, 6, 8
PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT = 16, 17, 32, 33, 34, 35, 36
CALL, CANCEL, RESULT = 48, 49, 50
REGISTER, REGISTERED, UNREGISTER, UNREGISTERED, INVOCATION, INTERRUPT, YIELD = 64, 65, 66, 67, 68, 69, 70

# Everything that a client may announce; the keys of broker and dealer are checked by test_feature_truth.py.
ROLES = {
    "publisher": {
        "publisher_identification", "subscriber_blackwhite_listing", "publisher_exclusion", "shareded_subscriptions",
        "payload_passthru_mode",
    },
    "subscriber": {
        "publisher_identification", "publication_trustlevels", "pattern_based_subscription", "shareded_subscriptions",
        "subscription_revocation", "payload_passthru_mode",
    },
    "caller": {
        "progressive_call_results", "progressive_call_invocations", "call_canceling", "caller_identification",
        "sharded_registration", "payload_passthru_mode",
    },
    "callee": {
        "progressive_call_results", "progressive_call_invocations", "call_timeout", "call_canceling",
        "caller_identification", "call_trustlevels", "pattern_based_registration", "shared_registration",
        "sharded_registration", "registration_revocation", "call_reroute", "payload_passthru_mode",
    },
}  # fmt: skip

# By name: the number in the handshake, encoder, decoder.
SERIALIZERS = {
    "json": (1, lambda message: json.dumps(message).encode(), json.loads),
    "msgpack": (2, msgpack.packb, msgpack.unpackb),
    "cbor": (3, cbor2.dumps, cbor2.loads),
}


@dataclasses.dataclass
class Received:
    """What follows the ids in EVENT, INVOCATION, RESULT; `id` is the publication, the invocation, or the request."""

    id: int
    details: dict
    args: list
    kwargs: dict


class RawClient:
    """A connection, and on it at most one session."""

    def __init__(self, serializer: str, reader, writer):
        self.serializer, self.reader, self.writer = serializer, reader, writer
        self.requests = itertools.count(1)
        self.session = 0
        self.welcome: dict = {}

    @classmethod
    async def connect(cls, router, serializer: str) -> "RawClient":
        reader, writer = await asyncio.open_connection(*router.tcp_address)
        hello = bytes([0x7F, 0xF0 | SERIALIZERS[serializer][0], 0, 0])
        writer.write(hello)
        assert await soon(reader.readexactly(4), "RawSocket handshake") == hello
        return cls(serializer, reader, writer)

    async def join(self, realm: str = "realm1", without=()) -> "RawClient":
        """Joins with every role and feature but those in `without`."""
        roles = {
            role: {"features": {key: True for key in sorted(keys) if key not in without}}
            for role, keys in ROLES.items()
        }
        self.send(HELLO, realm, {"roles": roles})
        _, self.session, self.welcome = await self.expect(WELCOME)
        return self

    def drop(self):
        """Cuts the connection without a word."""
        self.writer.transport.abort()

    def send(self, *message):
        body = SERIALIZERS[self.serializer][1](list(message))
        self.writer.write(len(body).to_bytes(4, "big") + body)

    async def receive(self) -> list:
        head = await self.reader.readexactly(4)
        return SERIALIZERS[self.serializer][2](await self.reader.readexactly(int.from_bytes(head, "big")))

    async def expect(self, code: int) -> list:
        """The next message, which has to be of this type; raises WampError for an ERROR instead."""
        message = await soon(self.receive(), f"message of type {code}")
        if message[0] == ERROR and code != ERROR:
            raise WampError(message[4], *message[5:])
        assert message[0] == code, f"wanted a message of type {code}, got {message}"
        return message

    def request(self, code: int, *rest) -> int:
        """Sends a message that begins with a new request id, and does not wait for its answer."""
        request = next(self.requests)
        self.send(code, request, *rest)
        return request

    # What tests do most. All raise WampError for an ERROR.

    async def subscribe(self, topic: str, **options) -> int:
        self.request(SUBSCRIBE, options, topic)
        return (await self.expect(SUBSCRIBED))[2]

    async def publish(self, topic: str, args=(), **options) -> int:
        self.request(PUBLISH, {"acknowledge": True, **options}, topic, list(args))
        return (await self.expect(PUBLISHED))[2]

    async def register(self, procedure: str, **options) -> int:
        self.request(REGISTER, options, procedure)
        return (await self.expect(REGISTERED))[2]

    def begin(self, procedure: str, args=(), kwargs=None, **options) -> int:
        """Calls, and does not wait."""
        return self.request(CALL, options, procedure, list(args), kwargs or {})

    async def call(self, procedure: str, args=(), kwargs=None, **options) -> Received:
        return await self.result(self.begin(procedure, args, kwargs, **options))

    async def result(self, request: int) -> Received:
        """The next RESULT, which has to be of this call."""
        result = received(await self.expect(RESULT))
        assert result.id == request, result
        return result

    async def event(self) -> Received:
        message = await self.expect(EVENT)
        return received([*message[:1], *message[2:]])

    async def invocation(self) -> Received:
        message = await self.expect(INVOCATION)
        return received([*message[:2], *message[3:]])

    def answer(self, invocation: Received, args=(), **options):
        self.send(YIELD, invocation.id, options, list(args))

    def fail(self, invocation: Received, error: str, args=(), **details):
        self.send(ERROR, INVOCATION, invocation.id, details, error, list(args))

    def binary(self, value: bytes):
        """A binary value as this client's serializer writes it."""
        return "\0" + base64.b64encode(value).decode() if self.serializer == "json" else value


def received(message: list) -> Received:
    _, id_, details, args, kwargs = [*message, *[[], {}][len(message) - 3 :]]
    return Received(id_, details, args, kwargs)
