"""Authentication with the methods that the clients know, in a realm whose users `connectanum hash-secret` and `keygen` made."""

import asyncio
import subprocess
import tempfile
import pathlib

import pytest
import pytest_asyncio
import txaio
from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.wamp import ApplicationSession
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.types import ComponentConfig
from conftest import KINDS
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from harness.autobahn_python import SERIALIZERS
from harness.client import WampError, soon
from harness.node import Node
from harness.router import CannotRun, Router

REALM, PASSWORD = "realm.with.users", "pass wörd"
DENIED = "wamp.error.authentication_denied"
# Method, user: what differs is the form of the secret.
PROOFS = [
    ("ticket", "password"), ("ticket", "random"), ("wampcra", "password"), ("wampcra", "plain"), ("cryptosign", "key"),
]  # fmt: skip


class Realm:
    """A router with a realm with users, each named after its kind of secret."""

    def __init__(self, binary, configuration, logs):
        self.folder = tempfile.TemporaryDirectory(prefix="connectanum-")
        folder = pathlib.Path(self.folder.name)

        def connectanum(*args):
            done = subprocess.run([binary, *args], input=PASSWORD.encode() + b"\n", capture_output=True, check=True)
            return done.stdout.decode()

        hashed = {method: connectanum("hash-secret", "--method", method) for method in ("ticket", "wampcra")}
        random = connectanum("hash-secret", "--method", "ticket", "--kdf", "sha256")
        public = connectanum("keygen", str(folder / "key"))
        self.private = (folder / "key").read_text().strip()
        (folder / "plain").write_text(f"plain:{PASSWORD}\n")
        users = {
            "password": hashed["ticket"] + hashed["wampcra"],
            "random": random,
            "plain": "wampcra_file = 'plain'\n",
            "key": public,
        }
        config = f"[[realm]]\nname = '{REALM}'\n" + "".join(
            f"[[realm.user]]\nauthid = '{name}'\nauthrole = 'role of {name}'\n{secrets}" for name, secrets in users.items()
        )
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
        return self.private if user == "key" else PASSWORD


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


@pytest.mark.parametrize(("method", "user"), PROOFS)
@pytest.mark.parametrize("kind", KINDS)
async def test_right_secrets(login, realm, kind, method, user):
    found = await login(kind, method, user, realm.secret(user))
    assert found == (user, f"role of {user}", method)


@pytest.mark.parametrize(("method", "user"), PROOFS)
@pytest.mark.parametrize("library", ["py", "js"])
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


async def js_login(router, node, transport, serializer, method, authid, secret, realm=REALM):
    to = {
        "ws": {"type": "websocket", "url": router.ws_url},
        "tcp": {"type": "rawsocket", "host": "127.0.0.1", "port": router.tcp_address[1]},
        "unix": {"type": "rawsocket", "path": router.unix_path},
    }[transport]
    found = await node.ask(
        "login", transport=to, serializer=serializer, realm=realm, authmethod=method, authid=authid, secret=secret
    )
    if "reason" in found:
        raise WampError(found["reason"])
    return found["authid"], found["authrole"], found["authmethod"]


async def python_login(router, _node, transport, serializer, method, authid, secret, realm=REALM):
    loop = asyncio.get_running_loop()
    txaio.config.loop = loop
    session, serializer = Session(realm, method, authid, secret), SERIALIZERS[serializer]()
    if transport == "ws":
        factory = WampWebSocketClientFactory(lambda: session, url=router.ws_url, serializers=[serializer])
        await loop.create_connection(factory, *router.ws_address)
    elif transport == "tcp":
        await loop.create_connection(WampRawSocketClientFactory(lambda: session, serializer), *router.tcp_address)
    else:
        await loop.create_unix_connection(WampRawSocketClientFactory(lambda: session, serializer), router.unix_path)
    return await session.found


class Session(ApplicationSession):
    """Autobahn|Python's own cryptosign needs packages that it does not bring, so that signing is done here."""

    def __init__(self, realm, method, authid, secret):
        super().__init__(ComponentConfig(realm=realm))
        self.method, self.user, self.secret = method, authid, secret
        self.found = asyncio.get_running_loop().create_future()

    def onConnect(self):
        extra = None
        if self.method == "cryptosign":
            self.key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.secret))
            extra = {"pubkey": self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()}
        self.join(self.config.realm, authmethods=[self.method], authid=self.user, authextra=extra)

    def onChallenge(self, challenge):
        match challenge.method:
            case "ticket":
                return self.secret
            case "wampcra":
                key = self.secret.encode()
                if "salt" in challenge.extra:
                    salting = [challenge.extra[name] for name in ("salt", "iterations", "keylen")]
                    key = auth.derive_key(key, *salting)
                return auth.compute_wcs(key, challenge.extra["challenge"].encode()).decode()
            case "cryptosign":
                message = bytes.fromhex(challenge.extra["challenge"])
                return self.key.sign(message).hex() + message.hex()

    def onJoin(self, details):
        self.found.set_result((details.authid, details.authrole, details.authmethod))
        self.leave()

    def onLeave(self, details):
        if not self.found.done():
            self.found.set_exception(WampError(details.reason, [details.message]))
        self.disconnect()
