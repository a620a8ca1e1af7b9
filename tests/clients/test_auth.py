"""Authentication with the methods that the clients know, in a realm whose users `connectanum hash-secret` and `keygen` made."""

import asyncio
import base64
import hmac
import json
import pathlib
import subprocess
import tempfile
import time
from unittest import mock

import argon2.low_level
import pytest
import pytest_asyncio
import txaio
from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.wamp import Session
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth, message
from autobahn.wamp.interfaces import IAuthenticator
from autobahn.wamp.types import Challenge, ComponentConfig
from conftest import KINDS
from harness.autobahn_python import SERIALIZERS
from harness.client import WampError, soon
from harness.node import Node
from harness.router import CannotRun, Router
from harness.secure_router import SecureRouter, write_certificate

JWT_SECRET = "of at least thirty-two characters"
REALM, PASSWORD = "realm.with.users", "pass wörd"
DENIED = "wamp.error.authentication_denied"
# Method, user: what differs is the form of the secret.
PROOFS = [
    ("ticket", "password"), ("ticket", "random"), ("ticket", "token"), ("wampcra", "password"), ("wampcra", "plain"), ("cryptosign", "key"),
]  # fmt: skip
# Autobahn|JS has no SCRAM. Autobahn|Python has `scram`; for the specification's `wamp-scram` there is StandardScram below.
SCRAM_PROOFS = [("scram", "scram"), ("scram", "crossbar"), ("wamp-scram", "scram-argon2"), ("wamp-scram", "scram-pbkdf2")]
LIBRARY_PROOFS = [("py", *proof) for proof in PROOFS + SCRAM_PROOFS] + [("js", *proof) for proof in PROOFS]
KIND_PROOFS = [(kind, *proof) for kind in KINDS for proof in PROOFS + (SCRAM_PROOFS if kind.startswith("py") else [])]


def token(authid):
    """A JSON Web Token."""

    def encode(part):
        return base64.urlsafe_b64encode(part).decode().rstrip("=")

    claims = {"sub": authid, "exp": int(time.time()) + 3600}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{encode(hmac.digest(JWT_SECRET.encode(), signed.encode(), 'sha256'))}"


def crossbar_credential(password):
    """What a node of Crossbar has of a user, made by Autobahn (with less patience)."""
    hash_secret = argon2.low_level.hash_secret
    with mock.patch("argon2.low_level.hash_secret", lambda **how: hash_secret(**how | {"time_cost": 10})):
        credential = auth.derive_scram_credential("joe@example.com", password)
    assert credential["kdf"] == "argon2id-13"
    return credential


def crossbar_secret(password):
    """The same, as CONFIG.md says to write it here."""
    credential = crossbar_credential(password)
    salt, keys = credential["salt"], credential["stored-key"] + credential["server-key"]
    salt, keys = (base64.b64encode(bytes.fromhex(text)).decode().rstrip("=") for text in (salt, keys))
    return f"scram = '$scram-argon2id-13$i={credential['iterations']},m={credential['memory']}${salt}${keys}'\n"


class Realm:
    """A router with a realm with users, each named after its kind of secret."""

    def __init__(self, binary, configuration, logs):
        self.folder = tempfile.TemporaryDirectory(prefix="connectanum-")
        folder = pathlib.Path(self.folder.name)

        def connectanum(*args):
            done = subprocess.run([binary, *args], input=PASSWORD.encode() + b"\n", capture_output=True, check=True)
            return done.stdout.decode()

        def hash_secret(method, *options):
            # Debug builds hash slowly.
            return connectanum("hash-secret", "--method", method, "--iterations", "10", *options)

        small = "--memory", "64"
        random = hash_secret("ticket", "--kdf", "sha256")
        public = connectanum("keygen", str(folder / "key"))
        self.private = (folder / "key").read_text().strip()
        (folder / "plain").write_text(f"plain:{PASSWORD}\n")
        users = {
            "password": hash_secret("ticket", *small) + hash_secret("wampcra"),
            "random": random,
            "plain": "wampcra_file = 'plain'\n",
            "key": public,
            "scram": hash_secret("scram", *small),
            "crossbar": crossbar_secret(PASSWORD),
            "scram-argon2": hash_secret("wamp-scram", *small),
            "scram-pbkdf2": hash_secret("wamp-scram", "--kdf", "pbkdf2"),
        }
        config = f"[[realm]]\nname = '{REALM}'\n" + "".join(
            f"[[realm.user]]\nauthid = '{name}'\nauthrole = 'role of {name}'\n{secrets}" for name, secrets in users.items()
        )
        config += "[[realm.jwt]]\nsecret_file = 'jwt'\nauthrole = 'role of token'\n"
        (folder / "jwt").write_text(JWT_SECRET)
        (folder / "router.toml").write_text(config)

        io, shards = configuration.split("-")
        log = logs / f"auth-{configuration}.log"
        socket = f"{folder}/wamp.sock"
        command = [binary, "--config", folder / "router.toml", "--io", io, "--shards", shards,
                   "--listen", "ws://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--listen", f"unix:{socket}"]  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.router = Router(None, None, socket, process, log, self.folder)
        self.router._wait_until_ready()

    def secret(self, user):
        return {"key": self.private, "token": token(user)}.get(user, PASSWORD)


@pytest.fixture(scope="module")
def realm(request, configuration, logs):
    if configuration == "external":
        pytest.skip("needs a router of its own")
    try:
        realm = Realm(request.config.option.binary, configuration, logs)
    except CannotRun as reason:
        pytest.skip(f"no such router on this machine: {reason}")
    yield realm
    assert realm.router.stop() == 0, realm.router.output()[-4000:]


@pytest_asyncio.fixture(scope="session")
async def node(modules, logs):
    node = await Node.start("auth.js", modules, logs / "auth-node.log")
    yield node
    await node.stop()


@pytest.fixture
def login(realm, node):
    """Comes in, leaves, and returns (authid, authrole, authmethod); raises WampError for an ABORT."""

    async def login(kind, method, authid, secret):
        library, transport, serializer = kind.split("-")
        log_in = python_login if library == "py" else js_login
        return await soon(log_in(realm.router, node, transport, serializer, method, authid, secret), f"{kind}: {method}")

    return login


@pytest.mark.parametrize(("kind", "method", "user"), KIND_PROOFS)
async def test_right_secrets(login, realm, kind, method, user):
    found = await login(kind, method, user, realm.secret(user))
    assert found == (user, f"role of {user}", method)


@pytest.mark.parametrize(("library", "method", "user"), LIBRARY_PROOFS)
async def test_wrong_secrets_and_unknown_users(login, realm, library, method, user):
    right = realm.secret(user)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    for authid, secret in [(user, wrong), ("nobody", right)]:
        with pytest.raises(WampError) as raised:
            await login(f"{library}-ws-json", method, authid, secret)
        assert raised.value.uri == DENIED
    # What is right still is.
    assert (await login(f"{library}-tcp-json", method, user, right))[0] == user


@pytest.mark.parametrize("library", ["py", "js"])
async def test_who_does_not_authenticate_stays_out(login, library):
    with pytest.raises(WampError) as raised:
        await login(f"{library}-ws-json", "anonymous", None, "")
    assert raised.value.uri == "wamp.error.no_matching_auth_method"


@pytest.fixture(scope="module")
def certified(request, configuration, logs, tmp_path_factory):
    """A router that knows the certificate of a device, but not that of a stranger with the same authority."""
    if configuration == "external":
        pytest.skip("needs a router of its own")
    folder = tmp_path_factory.mktemp("certified")
    authority = folder / "authority"
    write_certificate(authority, "authority")
    device, _ = (write_certificate(folder / name, name, authority) for name in ("device", "stranger"))
    more = (
        "[tls]\nclient_certificates = 'optional'\nclient_ca = 'authority/chain.pem'\n"
        f"[[realm]]\nname = '{REALM}'\n[[realm.user]]\nauthid = 'device'\nauthrole = 'role of device'\ntls = '{device}'\n"
    )
    log = logs / f"auth-tls-{configuration}.log"
    router = SecureRouter(request.config.option.binary, configuration, folder, log, more)
    yield router
    assert router.stop() == 0


# Autobahn|JS trusts an authority of ours only together with a certificate of its own, and has no RawSocket over TLS.
@pytest.mark.parametrize(
    ("kind", "who"),
    [(kind, who) for kind in ("py-wss", "py-tcps") for who in ("device", "stranger", None)]
    + [("js-wss", "device"), ("js-wss", "stranger")],
)
async def test_client_certificates(certified, node, kind, who):
    files = [str(certified.folder / who / name) for name in ("chain.pem", "key.pem")] if who else None
    if kind == "js-wss":
        url = f"wss://localhost:{certified.port}/ws"
        ca = str(certified.folder / "chain.pem")
        to = {"type": "websocket", "url": url, "certificate": [ca, *files]}
        asking = js_ask(node, to, "json", REALM, "tls", None, None)
    else:
        asking = show_certificate(certified, kind.endswith("wss"), files)
    if who == "device":
        assert await soon(asking, kind) == ("device", "role of device", "tls")
        return
    with pytest.raises(WampError) as raised:
        await soon(asking, kind)
    assert raised.value.uri == (DENIED if who else "wamp.error.no_matching_auth_method")


async def show_certificate(router, websocket, files):
    loop = asyncio.get_running_loop()
    txaio.config.loop = loop
    session, serializer = Login(REALM, "tls", None, None), SERIALIZERS["cbor"]()
    url = f"wss://localhost:{router.port}/ws"
    factory = (
        WampWebSocketClientFactory(lambda: session, url=url, serializers=[serializer])
        if websocket
        else WampRawSocketClientFactory(lambda: session, serializer)
    )
    context = router.trusting("1.3")
    if files:
        context.load_cert_chain(*files)
    await loop.create_connection(factory, "127.0.0.1", router.port, ssl=context, server_hostname="localhost")
    return await session.found


async def js_login(router, node, transport, serializer, method, authid, secret, realm=REALM):
    to = {
        "ws": {"type": "websocket", "url": router.ws_url},
        "tcp": {"type": "rawsocket", "host": "127.0.0.1", "port": router.tcp_address[1]},
        "unix": {"type": "rawsocket", "path": router.unix_path},
    }[transport]
    return await js_ask(node, to, serializer, realm, method, authid, secret)


async def js_ask(node, to, serializer, realm, method, authid, secret):
    found = await node.ask(
        "login", transport=to, serializer=serializer, realm=realm, authmethod=method, authid=authid, secret=secret
    )
    if "reason" in found:
        raise WampError(found["reason"])
    return found["authid"], found["authrole"], found["authmethod"]


async def python_login(router, _node, transport, serializer, method, authid, secret, realm=REALM):
    loop = asyncio.get_running_loop()
    txaio.config.loop = loop
    session, serializer = Login(realm, method, authid, secret), SERIALIZERS[serializer]()
    if transport == "ws":
        factory = WampWebSocketClientFactory(lambda: session, url=router.ws_url, serializers=[serializer])
        await loop.create_connection(factory, *router.ws_address)
    elif transport == "tcp":
        await loop.create_connection(WampRawSocketClientFactory(lambda: session, serializer), *router.tcp_address)
    else:
        await loop.create_unix_connection(WampRawSocketClientFactory(lambda: session, serializer), router.unix_path)
    return await session.found


class Login(Session):
    """Comes in by one of Autobahn's own authenticators, and leaves."""

    def __init__(self, realm, method, authid, secret):
        super().__init__(ComponentConfig(realm=realm))
        self.found = asyncio.get_running_loop().create_future()
        name = {"cryptosign": "privkey", "wampcra": "secret", "ticket": "ticket"}.get(method, "password")
        proof = {} if method in ("anonymous", "tls") else {"authid": authid, name: secret}
        own = {our.name: our for our in (StandardScram, ByCertificate)}.get(method)
        self.add_authenticator(own(**proof) if own else auth.create_authenticator(method, **proof))

    def on_join(self, details):
        self.found.set_result((details.authid, details.authrole, details.authmethod))
        self.leave()

    def on_leave(self, details):
        if not self.found.done():
            self.found.set_exception(WampError(details.reason, [details.message]))
        self.disconnect()


class StandardScram(auth.AuthScram):
    """WAMP-SCRAM as the specification has it, by Autobahn's authenticator, which implements a draft: the names, the salted
    password, the channel's part of what is signed and the nonce in AUTHENTICATE are others there."""

    name = "wamp-scram"

    def on_challenge(self, session, challenge):
        extra = challenge.extra | {"channel_binding": base64.b64encode(b"n,,").decode()}
        if extra["kdf"] == "argon2id13":
            extra["kdf"] = "argon2id-13"
        if extra["memory"] is None:
            del extra["memory"]
        send = session._transport.send

        def send_with_nonce(sent):
            if isinstance(sent, message.Authenticate):
                sent.extra = {"nonce": extra["nonce"]}
            send(sent)

        session._transport.send = send_with_nonce
        hash_argon2 = auth._hash_argon2id13_secret
        hashes = {
            "_hash_argon2id13_secret": lambda *how: base64.b64decode(hash_argon2(*how) + b"="),
            "_hash_pbkdf2_secret": lambda password, salt, n: auth.pbkdf2(password, base64.b64decode(salt), n),
        }
        with mock.patch.multiple(auth, **hashes):
            return super().on_challenge(session, Challenge("scram", extra))

    def on_welcome(self, session, authextra):
        return super().on_welcome(session, {"scram_server_signature": authextra["verifier"]})


class ByCertificate(auth.AuthAnonymous):
    """The certificate says it all."""

    name = "tls"


for our in (StandardScram, ByCertificate):
    IAuthenticator.register(our)
