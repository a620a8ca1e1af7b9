"""Autobahn|Python over TLS: WebSocket and RawSocket on one port, TLS 1.2 and 1.3, new certificates on SIGHUP."""

import asyncio
import signal
import ssl

import pytest
import txaio
from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from harness.autobahn_python import SERIALIZERS, PythonClient, _Session
from harness.secure_router import VERSIONS, SecureRouter, write_certificate

class SecureClient(PythonClient):
    """`transport` is wss or tcps."""

    def __init__(self, name, router, transport, serializer, context):
        super().__init__(name, router, transport, serializer)
        self.context = context

    async def _join(self, realm):
        loop = asyncio.get_running_loop()
        txaio.config.loop = loop
        self.session = _Session(self, realm)
        serializer = SERIALIZERS[self.serializer]()
        if self.transport == "wss":
            url = f"wss://localhost:{self.router.port}/ws"
            factory = WampWebSocketClientFactory(lambda: self.session, url=url, serializers=[serializer])
        else:
            factory = WampRawSocketClientFactory(lambda: self.session, serializer)
        connecting = loop.create_connection(
            factory, "127.0.0.1", self.router.port, ssl=self.context, server_hostname="localhost"
        )
        self.wire, _ = await connecting
        await self.session.joined


@pytest.fixture(scope="module")
def secure_router(request, configuration, logs, tmp_path_factory):
    if configuration == "external":
        pytest.skip("needs a router of its own")
    log = logs / f"tls-{configuration}.log"
    router = SecureRouter(request.config.option.binary, configuration, tmp_path_factory.mktemp("tls"), log)
    yield router
    assert router.stop() == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("serializer", SERIALIZERS)
async def test_both_transports_on_one_port(secure_router, uri, version, serializer):
    context = secure_router.trusting(version)
    clients = [
        await SecureClient(f"py-{transport}", secure_router, transport, serializer, context).join()
        for transport in ("wss", "tcps")
    ]
    large = "x" * 1_000_000
    for callee, caller in (clients, clients[::-1]):
        registration = await callee.register(uri, {"do": "echo"})
        for payload in ("hello", large):
            assert (await caller.call(uri, [payload])).args == [payload]
        await registration.unregister()
    for client in clients:
        await client.leave()


async def test_who_does_not_trust_it_stays_away(secure_router):
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        await SecureClient("py-wss", secure_router, "wss", "json", context).join()


async def test_sighup_brings_a_new_certificate(secure_router, uri):
    def join(context):
        return SecureClient("py-tcps", secure_router, "tcps", "json", context).join()

    old = secure_router.trusting("1.3")
    early = await join(old)
    write_certificate(secure_router.folder, "second")
    secure_router.process.send_signal(signal.SIGHUP)
    # Said at the start, and again.
    secure_router.said("certificate for localhost(?s:.*)(certificate for localhost)")
    late = await join(secure_router.trusting("1.3"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await join(old)
    await early.register(uri, {"do": "echo"})
    assert (await late.call(uri, [1])).args == [1]
    for client in (early, late):
        await client.leave()
