"""A procedure that knows the users, written with Autobahn|Python as for Crossbar.io, in a realm of its own."""

import asyncio

import pytest
import pytest_asyncio
import txaio
from autobahn.asyncio.wamp import ApplicationSession
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import ComponentConfig
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from harness.client import WampError, soon
from harness.node import Node
from test_auth import crossbar_credential, js_login, python_login

REALM, PASSWORD, KEY = "dynamic", "pass wörd", "5a" * 32
DENIED, FAILED = "wamp.error.authentication_denied", "wamp.error.authentication_failed"
SALTING = {"salt": "salt123", "iterations": 100, "keylen": 16}
PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(KEY)).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
USERS = {
    ("ticket", "ann"): PASSWORD,
    ("wampcra", "ann"): PASSWORD,
    ("wampcra", "salted"): PASSWORD,
    ("wampcra", "to be salted"): PASSWORD,
    ("cryptosign", "ann"): KEY,
    ("scram", "ann"): PASSWORD,
}


class Authenticator(ApplicationSession):
    def onJoin(self, details):
        self.joined.set_result(self)

    async def authenticate(self, realm, authid, details):
        assert realm == REALM and details["authmethod"] and details["session"] and details["transport"]["peer"]
        if authid == "broken":
            return 7
        if (details["authmethod"], authid) not in USERS:
            raise ApplicationError("com.example.no_such_user", f"could not authenticate {authid}")
        if details["authmethod"] == "ticket":
            if details["ticket"] != PASSWORD:
                raise ApplicationError("com.example.invalid_ticket", "that is not the ticket")
            return "user"
        secrets = {
            "ann": {"secret": PASSWORD},
            "salted": {"secret": auth.derive_key(PASSWORD.encode(), *SALTING.values()).decode(), **SALTING},
            "to be salted": {"secret": PASSWORD, **SALTING},
        }[authid]
        if details["authmethod"] == "scram":
            secrets = crossbar_credential(PASSWORD)
        if details["authmethod"] == "cryptosign":
            secrets = {"pubkey": PUBLIC.hex()}
        return {"role": "user", "extra": {"told": authid}, **secrets}


@pytest_asyncio.fixture
async def authenticator(router):
    txaio.config.loop = asyncio.get_running_loop()
    session = Authenticator(ComponentConfig(realm="authenticators"))
    session.joined = asyncio.get_running_loop().create_future()
    factory = WampWebSocketClientFactory(lambda: session, url=router.ws_url)
    await asyncio.get_running_loop().create_connection(factory, *router.ws_address)
    await soon(session.joined, "the authenticator's session")
    await session.register(session.authenticate, "com.example.authenticate")
    yield session
    if session.is_attached():
        await session.leave()


@pytest_asyncio.fixture(scope="session")
async def node(modules, logs):
    node = await Node.start("auth.js", modules, logs / "dynamic-auth-node.log")
    yield node
    await node.stop()


@pytest.fixture
def login(router, node, configuration):
    if configuration == "external":
        pytest.skip("needs a router with such a realm")

    async def login(library, transport, serializer, *who):
        log_in = python_login if library == "py" else js_login
        return await soon(log_in(router, node, transport, serializer, *who, realm=REALM), f"{library}: {who}")

    return login


KINDS = [("py", "ws", "json"), ("py", "tcp", "msgpack"), ("js", "ws", "cbor"), ("js", "tcp", "json")]


@pytest.mark.parametrize(("method", "user"), USERS)
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
async def test_right_wrong_and_unknown(login, authenticator, kind, method, user):
    if (kind[0], method) == ("js", "scram"):
        pytest.skip("Autobahn|JS has no SCRAM")
    right = USERS[method, user]
    assert await login(*kind, method, user, right) == (user, "user", method)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    for authid, secret in [(user, wrong), ("nobody", right)]:
        with pytest.raises(WampError) as raised:
            await login(*kind, method, authid, secret)
        assert raised.value.uri == DENIED
    assert (await login(*kind, method, user, right))[0] == user


@pytest.mark.parametrize("library", ["py", "js"])
async def test_an_authenticator_that_talks_nonsense_or_is_not_there(login, authenticator, library):
    with pytest.raises(WampError) as raised:
        await login(library, "ws", "json", "ticket", "broken", PASSWORD)
    assert raised.value.uri == FAILED
    await authenticator.leave()
    with pytest.raises(WampError) as raised:
        await login(library, "ws", "json", "ticket", "ann", PASSWORD)
    assert raised.value.uri == FAILED
