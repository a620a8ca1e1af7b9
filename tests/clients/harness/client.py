"""One interface for every client library, so that a scenario is written once and runs with all of them."""

import abc
import asyncio
import dataclasses
from typing import Any

# Longest wait for anything that the router should do at once.
PATIENCE_S = 8.0


async def soon(awaitable, what: str):
    """The result of `awaitable`, or a failure that names what did not happen in time."""
    try:
        return await asyncio.wait_for(awaitable, PATIENCE_S)
    except TimeoutError:
        raise AssertionError(f"{what}: nothing within {PATIENCE_S:.0f} s") from None


class WampError(Exception):
    """An ERROR, or the ABORT of a session."""

    def __init__(self, uri: str, args: list | None = None, kwargs: dict | None = None):
        super().__init__(f"{uri} {args or []} {kwargs or {}}")
        self.uri, self.args_, self.kwargs = uri, list(args or []), dict(kwargs or {})


@dataclasses.dataclass
class Payload:
    """What an event, a call or a result carries."""

    args: list
    kwargs: dict


@dataclasses.dataclass
class Event(Payload):
    """An event as a subscriber got it."""

    publication: int
    topic: str | None


class Subscription:
    """A subscription and the events that arrived for it, in order."""

    def __init__(self, client: "Client", subscription_id: int, handle: Any):
        self.client, self.id, self.handle = client, subscription_id, handle
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def next(self) -> Event:
        return await soon(self.events.get(), f"{self.client.name}: event of subscription {self.id}")

    async def unsubscribe(self):
        await soon(self.client._unsubscribe(self), f"{self.client.name}: UNSUBSCRIBED")


@dataclasses.dataclass
class Registration:
    """A registration of a client."""

    client: "Client"
    id: int
    handle: Any

    async def unregister(self):
        await soon(self.client._unregister(self), f"{self.client.name}: UNREGISTERED")


class Client(abc.ABC):
    """One session of one client library over one transport with one serializer."""

    def __init__(self, name: str):
        self.name = name
        self.session_id: int | None = None
        self.roles: dict[str, dict] = {}
        # The reason of the GOODBYE or ABORT that ended the session.
        self.left: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def announced(self, role: str, feature: str) -> bool:
        """Whether the router's WELCOME announced a feature."""
        return bool(self.roles.get(role, {}).get("features", {}).get(feature))

    async def join(self, realm: str = "realm1") -> "Client":
        await soon(self._join(realm), f"{self.name}: WELCOME")
        return self

    async def leave(self):
        """Says GOODBYE, waits for the router's, closes the transport."""
        await soon(self._leave(), f"{self.name}: GOODBYE")

    async def subscribe(self, topic: str, **options) -> Subscription:
        return await soon(self._subscribe(topic, options), f"{self.name}: SUBSCRIBED")

    async def publish(self, topic: str, args=(), kwargs=None, **options) -> int | None:
        """Publishes, acknowledged unless told otherwise; the publication id if acknowledged."""
        options.setdefault("acknowledge", True)
        return await soon(self._publish(topic, list(args), dict(kwargs or {}), options), f"{self.name}: PUBLISHED")

    async def register(self, procedure: str, behaviour: dict, **options) -> Registration:
        """Registers; `behaviour` is {"do": "echo"}, {"do": "say", "args"}, {"do": "fail", "error", "args", "kwargs"},
        {"do": "procedure"} (answers with the procedure that was called) or {"do": "hang"}."""
        return await soon(self._register(procedure, behaviour, options), f"{self.name}: REGISTERED")

    async def call(self, procedure: str, args=(), kwargs=None) -> Payload:
        """Calls; raises WampError for an ERROR."""
        return await soon(
            self._call(procedure, list(args), dict(kwargs or {})), f"{self.name}: RESULT of {procedure}"
        )

    @abc.abstractmethod
    async def drop(self):
        """Cuts the transport without a word."""

    @abc.abstractmethod
    async def _join(self, realm): ...
    @abc.abstractmethod
    async def _leave(self): ...
    @abc.abstractmethod
    async def _subscribe(self, topic, options) -> Subscription: ...
    @abc.abstractmethod
    async def _unsubscribe(self, subscription): ...
    @abc.abstractmethod
    async def _publish(self, topic, args, kwargs, options) -> int | None: ...
    @abc.abstractmethod
    async def _register(self, procedure, behaviour, options) -> Registration: ...
    @abc.abstractmethod
    async def _unregister(self, registration): ...
    @abc.abstractmethod
    async def _call(self, procedure, args, kwargs) -> Payload: ...
