"""Autobahn|Python over TLS: WebSocket and RawSocket on one port, TLS 1.2 and 1.3, new certificates on SIGHUP."""

import asyncio
import datetime
import re
import signal
import ssl
import subprocess
import time

import pytest
import txaio
from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from harness.autobahn_python import SERIALIZERS, PythonClient, _Session
from harness.router import REFUSED, START_S, STOP_S

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def write_certificate(folder, name):
    """A certificate for localhost that vouches for itself, and its key, in the files of the router."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(certificate.public_bytes(pem))
    kind = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, kind, serialization.NoEncryption()))


class SecureRouter:
    """A router that speaks TLS, on a port of its own."""

    def __init__(self, binary, configuration, folder, log):
        io, shards = configuration.split("-")
        self.folder, self.log = folder, log
        write_certificate(folder, "first")
        config = folder / "connectanum.toml"
        config.write_text(
            f'[router]\nlisten = ["wss://127.0.0.1:0"]\nio = "{io}"\nshards = {shards}\n'
            '[[tls.certificate]]\nchain = "chain.pem"\nkey = "key.pem"\n'
        )
        with log.open("wb") as output:
            self.process = subprocess.Popen([binary, "--config", config], stdout=output, stderr=subprocess.STDOUT)
        try:
            self.port = int(self.said(r"wss://127\.0\.0\.1:(\d+)/ws"))
        except BaseException:
            self.stop()
            raise

    def said(self, pattern):
        """What the router says once that matches; waits for it."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            output = self.log.read_text(errors="replace")
            if found := re.search(pattern, output):
                return found[1]
            if REFUSED in output:
                pytest.skip(output.strip().splitlines()[-1])
            time.sleep(0.02)
        raise AssertionError(f"{pattern} is not in\n{self.log.read_text()}")

    def trusting(self, version):
        """How a client connects that trusts the certificate of now."""
        context = ssl.create_default_context(cafile=self.folder / "chain.pem")
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()


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
