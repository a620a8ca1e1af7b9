"""One interface for every client library, so that a scenario is written once and runs with all of them."""

import abc
import asyncio
import dataclasses
from typing import Any

# Longest wait for anything that the router should do at once.
PATIENCE_S = 8.0


async def soon(awaitable, what: str, patience_s: float = PATIENCE_S):
    """The result of `awaitable`, or a failure that names what did not happen in time."""
    try:
        return await asyncio.wait_for(awaitable, patience_s)
    except TimeoutError:
        raise AssertionError(f"{what}: nothing within {patience_s:.0f} s") from None


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
    publisher: int | None = None
    retained: bool = False


class Subscription:
    """A subscription and the events that arrived for it, in order."""

    def __init__(self, client: "Client", subscription_id: int, handle: Any):
        self.client, self.id, self.handle = client, subscription_id, handle
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        # The reason of the router that took it away; Autobahn|JS alone tells.
        self.revoked: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def next(self) -> Event:
        return await soon(self.events.get(), f"{self.client.name}: event of subscription {self.id}")

    async def until(self, wanted) -> Event:
        """The first event that is wanted; those before it are dropped."""
        while not wanted(event := await self.next()):
            pass
        return event

    async def unsubscribe(self):
        await soon(self.client._unsubscribe(self), f"{self.client.name}: UNSUBSCRIBED")


class Registration:
    """A registration of a client, the invocations that arrived for it, and those of them that were interrupted."""

    def __init__(self, client: "Client", registration_id: int, handle: Any):
        self.client, self.id, self.handle = client, registration_id, handle
        self.invocations: asyncio.Queue[Payload] = asyncio.Queue()
        # What Autobahn|Python alone can do.
        self.interrupts: asyncio.Queue[None] = asyncio.Queue()
        # The reason of the router that took it away; Autobahn|JS alone tells.
        self.revoked: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def invoked(self) -> Payload:
        return await soon(self.invocations.get(), f"{self.client.name}: INVOCATION of registration {self.id}")

    async def interrupted(self):
        await soon(self.interrupts.get(), f"{self.client.name}: INTERRUPT of registration {self.id}")

    async def unregister(self):
        await soon(self.client._unregister(self), f"{self.client.name}: UNREGISTERED")


class Call:
    """A call under way."""

    def __init__(self, client: "Client", procedure: str, handle: Any):
        self.client, self.procedure, self.handle = client, procedure, handle
        self.progress: asyncio.Queue[Payload] = asyncio.Queue()
        self.ending: asyncio.Future | None = None

    async def progressed(self) -> Payload:
        return await soon(self.progress.get(), f"{self.client.name}: progressive RESULT of {self.procedure}")

    async def result(self, patience_s: float = PATIENCE_S) -> Payload:
        """The final result; raises WampError for an ERROR."""
        return await soon(self.ending, f"{self.client.name}: RESULT of {self.procedure}", patience_s)

    async def cancel(self, mode: str | None = None):
        """Sends CANCEL. Autobahn|Python knows no mode and then waits for nothing more; Autobahn|JS takes "kill" only: of the
        ERROR that answers another one at once it dies."""
        await self.client._cancel(self, mode)


class Client(abc.ABC):
    """One session of one client library over one transport with one serializer."""

    def __init__(self, name: str):
        self.name = name
        self.session_id: int | None = None
        # An authid and its ticket; without one it comes as anybody.
        self.login: tuple[str, str] | None = None
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
        {"do": "procedure"} (answers with the procedure that was called), {"do": "caller"} (answers with the session that
        called), {"do": "count"} (its argument says how many progressive results it counts to; the result is the last),
        {"do": "wait"} (answers after so many milliseconds), {"do": "hang"}, or {"do": "stubborn"} (hangs, and answers
        when it is interrupted)."""
        return await soon(self._register(procedure, behaviour, options), f"{self.name}: REGISTERED")

    async def call(self, procedure: str, args=(), kwargs=None, **options) -> Payload:
        """Calls; raises WampError for an ERROR."""
        return await (await self.begin(procedure, args, kwargs, **options)).result()

    async def begin(self, procedure: str, args=(), kwargs=None, **options) -> Call:
        """Calls and does not wait; `options` are receive_progress, timeout, and with Autobahn|JS any other."""
        call = Call(self, procedure, None)
        call.ending = asyncio.ensure_future(self._call(call, list(args), dict(kwargs or {}), options))
        # Nobody need wait for its end.
        call.ending.add_done_callback(lambda ending: ending.cancelled() or ending.exception())
        # What ends the call may be the next to run: the request leaves first.
        await asyncio.sleep(0)
        return call

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
    async def _call(self, call: Call, args, kwargs, options) -> Payload: ...
    @abc.abstractmethod
    async def _cancel(self, call: Call, mode): ...
