"""Autobahn|Python as a client: WebSocket and RawSocket (TCP, Unix), each with JSON, MessagePack and CBOR."""

import asyncio

import txaio

txaio.use_asyncio()

from autobahn.asyncio.rawsocket import WampRawSocketClientFactory  # noqa: E402
from autobahn.asyncio.wamp import ApplicationSession  # noqa: E402
from autobahn.asyncio.websocket import WampWebSocketClientFactory  # noqa: E402
from autobahn.wamp.exception import ApplicationError  # noqa: E402
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer  # noqa: E402
from autobahn.wamp.types import (  # noqa: E402
    CallOptions,
    CallResult,
    ComponentConfig,
    PublishOptions,
    RegisterOptions,
    SubscribeOptions,
)

from .client import Client, Event, Payload, Registration, Subscription, WampError, soon  # noqa: E402

SERIALIZERS = {"json": JsonSerializer, "msgpack": MsgPackSerializer, "cbor": CBORSerializer}


class PythonClient(Client):
    """`transport` is ws, tcp or unix."""

    def __init__(self, name, router, transport, serializer):
        super().__init__(name)
        self.router, self.transport, self.serializer = router, transport, serializer
        self.session = self.wire = None

    async def _join(self, realm):
        loop = asyncio.get_running_loop()
        txaio.config.loop = loop
        self.session = _Session(self, realm)
        serializer = SERIALIZERS[self.serializer]()
        if self.transport == "ws":
            factory = WampWebSocketClientFactory(
                lambda: self.session, url=self.router.ws_url, serializers=[serializer]
            )
            connecting = loop.create_connection(factory, *self.router.ws_address)
        elif self.transport == "tcp":
            factory = WampRawSocketClientFactory(lambda: self.session, serializer)
            connecting = loop.create_connection(factory, *self.router.tcp_address)
        else:
            factory = WampRawSocketClientFactory(lambda: self.session, serializer)
            connecting = loop.create_unix_connection(factory, self.router.unix_path)
        self.wire, _ = await connecting
        await self.session.joined

    async def rejoin(self, realm="realm1"):
        """Leaves the realm and joins again on the same transport."""
        self.session.stay = True
        self.session.leave()
        await soon(self.left, f"{self.name}: GOODBYE")
        loop = asyncio.get_running_loop()
        self.left, self.session.joined, self.session.stay = loop.create_future(), loop.create_future(), False
        self.session.join(realm)
        await soon(self.session.joined, f"{self.name}: WELCOME on the same transport")

    async def _leave(self):
        if self.session.is_attached():
            self.session.leave()
        await self.session.disconnected

    def listen(self, yes: bool):
        """Whether it reads at all."""
        self.wire.resume_reading() if yes else self.wire.pause_reading()

    async def drop(self):
        self.wire.abort()
        await soon(self.session.disconnected, f"{self.name}: connection lost")

    async def _subscribe(self, topic, options):
        subscription = Subscription(self, 0, None)

        def on_event(*args, _details, **kwargs):
            event = Event(
                list(args), kwargs, _details.publication, _details.topic, _details.publisher, bool(_details.retained)
            )
            subscription.events.put_nowait(event)

        handle = await self._asking(
            self.session.subscribe(on_event, topic, options=SubscribeOptions(details_arg="_details", **options))
        )
        subscription.id, subscription.handle = handle.id, handle
        return subscription

    async def _unsubscribe(self, subscription):
        await self._asking(subscription.handle.unsubscribe())

    async def _publish(self, topic, args, kwargs, options):
        publication = self.session.publish(topic, *args, options=PublishOptions(**options), **kwargs)
        return (await self._asking(publication)).id if options["acknowledge"] else None

    async def _register(self, procedure, behaviour, options):
        registration = Registration(self, 0, None)

        async def endpoint(*args, _details, **kwargs):
            registration.invocations.put_nowait(Payload(list(args), kwargs))
            match behaviour["do"]:
                case "echo":
                    return CallResult(*args, **kwargs)
                case "say":
                    return CallResult(*behaviour["args"])
                case "procedure":
                    return _details.procedure
                case "fail":
                    raise ApplicationError(behaviour["error"], *behaviour["args"], **behaviour["kwargs"])
                case "caller":
                    return _details.caller
                case "count":
                    for number in range(args[0] if _details.progress else 0):
                        _details.progress(number, half=number / 2, pad=args[1])
                    return args[0] - 1
                case "wait":
                    await asyncio.sleep(args[0] / 1000)
                    return "waited"
                case "hang" | "stubborn" as what:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        registration.interrupts.put_nowait(None)
                        if what == "stubborn":
                            return "nevertheless"
                        raise

        registration.handle = await self._asking(
            self.session.register(endpoint, procedure, options=RegisterOptions(details_arg="_details", **options))
        )
        registration.id = registration.handle.id
        return registration

    async def _unregister(self, registration):
        await self._asking(registration.handle.unregister())

    async def _call(self, call, args, kwargs, options):
        def on_progress(result):
            call.progress.put_nowait(Payload(list(result.results), dict(result.kwresults)))

        if options.pop("receive_progress", False):
            options["on_progress"] = on_progress
        # With `details` the result keeps its shape instead of being unwrapped.
        call.handle = self.session.call(call.procedure, *args, options=CallOptions(details=True, **options), **kwargs)
        result = await self._asking(call.handle)
        return Payload(list(result.results), dict(result.kwresults))

    async def _cancel(self, call, mode):
        assert mode is None, "Autobahn|Python knows no mode"
        call.handle.cancel()

    async def _asking(self, answer):
        try:
            return await answer
        except ApplicationError as error:
            raise WampError(error.error, error.args, error.kwargs) from None


class _Session(ApplicationSession):
    def __init__(self, client, realm):
        super().__init__(ComponentConfig(realm=realm))
        self.client, self.stay = client, False
        loop = asyncio.get_running_loop()
        self.joined, self.disconnected = loop.create_future(), loop.create_future()

    def onConnect(self):
        authid, _ = self.client.login or (None, None)
        self.join(self.config.realm, authmethods=["ticket"] if authid else None, authid=authid)

    def onChallenge(self, challenge):
        return self.client.login[1]

    def onJoin(self, details):
        self.client.session_id = details.session
        self.client.roles = {
            role: {"features": {name: value for name, value in vars(features).items() if value}}
            for role, features in self._router_roles.items()
        }
        self.joined.set_result(None)

    def onLeave(self, details):
        if not self.joined.done():
            self.joined.set_exception(WampError(details.reason, [details.message]))
        if not self.client.left.done():
            self.client.left.set_result(details.reason)
        if not self.stay:
            self._errback_outstanding_requests(ApplicationError(details.reason, details.message))
            self.disconnect()

    def onDisconnect(self):
        if not self.joined.done():
            self.joined.set_exception(WampError("connection lost before WELCOME"))
        if not self.disconnected.done():
            self.disconnected.set_result(None)
