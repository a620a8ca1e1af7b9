"""Autobahn|JS as a client: sessions that live in a node process (node/wamp.js)."""

import itertools

from .client import Client, Event, Payload, Registration, Subscription, WampError
from .node import Node, NodeError


class JsHost:
    """The node process and the clients in it."""

    def __init__(self):
        self.node: Node | None = None
        self.clients: dict[int, "JsClient"] = {}

    async def start(self, modules, log):
        self.node = await Node.start("wamp.js", modules, log, self._on_message)

    async def stop(self):
        await self.node.stop()

    def _on_message(self, message):
        client = self.clients.get(message["client"])
        if client:
            client.on_message(message)


class JsClient(Client):
    """`transport` is ws (any serializer), tcp or unix (JSON: the library's RawSocket knows no other)."""

    def __init__(self, name, host, router, transport, serializer):
        super().__init__(name)
        self.host, self.router, self.transport, self.serializer = host, router, transport, serializer
        self.subscriptions: dict[int, Subscription] = {}
        self.registrations: dict[int, Registration] = {}
        self.calls = {}
        self.numbers = itertools.count(1)
        self.key = len(host.clients) + 1
        host.clients[self.key] = self

    def on_message(self, message):
        match message["notify"]:
            case "event":
                event = Event(
                    message["args"], message["kwargs"], message["publication"], message["topic"],
                    message.get("publisher"), message["retained"],
                )  # fmt: skip
                self._subscription(message["handle"]).events.put_nowait(event)
            case "invocation":
                self.registrations[message["handle"]].invocations.put_nowait(
                    Payload(message["args"], message["kwargs"])
                )
            case "progress":
                self.calls[message["handle"]].progress.put_nowait(Payload(message["args"], message["kwargs"]))
            case "unsubscribed":
                self._subscription(message["handle"]).revoked.set_result(message.get("reason"))
            case "unregistered":
                self.registrations[message["handle"]].revoked.set_result(message.get("reason"))
            case "left":
                if not self.left.done():
                    self.left.set_result(message["reason"])

    async def _join(self, realm):
        transport = {
            "ws": lambda: {"type": "websocket", "url": self.router.ws_url},
            "tcp": lambda: {
                "type": "rawsocket",
                "host": self.router.tcp_address[0],
                "port": self.router.tcp_address[1],
            },
            "unix": lambda: {"type": "rawsocket", "path": self.router.unix_path},
        }[self.transport]()
        joined = await self._ask("join", realm=realm, transport=transport, serializer=self.serializer, login=self.login)
        self.session_id, self.roles = joined["session"], joined["roles"]

    async def _leave(self):
        await self._ask("leave")

    async def drop(self):
        raise NotImplementedError("Autobahn|JS has no way to cut its transport")

    async def _subscribe(self, topic, options):
        subscription = self._subscription(next(self.numbers))
        subscribed = await self._ask("subscribe", handle=subscription.handle, topic=topic, options=options)
        subscription.id = subscribed["id"]
        return subscription

    def _subscription(self, handle):
        if handle not in self.subscriptions:
            self.subscriptions[handle] = Subscription(self, 0, handle)
        return self.subscriptions[handle]

    async def _unsubscribe(self, subscription):
        await self._ask("unsubscribe", handle=subscription.handle)

    async def _publish(self, topic, args, kwargs, options):
        return await self._ask("publish", topic=topic, args=args, kwargs=kwargs, options=options)

    async def _register(self, procedure, behaviour, options):
        registration = Registration(self, 0, next(self.numbers))
        self.registrations[registration.handle] = registration
        registered = await self._ask(
            "register", handle=registration.handle, procedure=procedure, behaviour=behaviour, options=options
        )
        registration.id = registered["id"]
        return registration

    async def _unregister(self, registration):
        await self._ask("unregister", handle=registration.handle)

    async def _call(self, call, args, kwargs, options):
        call.handle = next(self.numbers)
        self.calls[call.handle] = call
        answer = await self._ask(
            "call", handle=call.handle, procedure=call.procedure, args=args, kwargs=kwargs, options=options
        )
        return Payload(**answer)

    async def _cancel(self, call, mode):
        await self._ask("cancel", handle=call.handle, options={"mode": mode} if mode else {})

    async def _ask(self, method, **params):
        try:
            return await self.host.node.ask(method, client=self.key, **params)
        except NodeError as error:
            if "uri" in error.fields:
                raise WampError(error.fields["uri"], error.fields["args"], error.fields["kwargs"]) from None
            raise
