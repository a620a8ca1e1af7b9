"""Autobahn|Python is known again by its cookie, where it brings it along as a browser does."""

import asyncio

import pytest
import txaio
from autobahn.asyncio.wamp import ApplicationSession
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.types import CloseDetails, ComponentConfig
from harness.autobahn_python import SERIALIZERS
from harness.client import WampError, soon

REALM = "cookies"


class Session(ApplicationSession):
    def __init__(self, methods):
        super().__init__(ComponentConfig(realm=REALM))
        self.methods = methods
        self.found = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def onConnect(self):
        self.join(REALM, authmethods=self.methods, authid="joe")

    def onChallenge(self, challenge):
        return auth.compute_wcs(b"secret", challenge.extra["challenge"].encode()).decode()

    def onJoin(self, details):
        self.found.set_result((details.authid, details.authrole, details.authmethod, details.authprovider))

    def onLeave(self, details: CloseDetails):
        if not self.found.done():
            self.found.set_exception(WampError(details.reason))
        self.ended.set_result(details.reason)
        self.disconnect()


async def connect(router, serializer, methods, cookie=None):
    """A session, and the cookie that came with the WebSocket."""
    loop = asyncio.get_running_loop()
    txaio.config.loop = loop
    session = Session(methods)
    headers = {"Cookie": f"theme=dark; {cookie}"} if cookie else {}
    factory = WampWebSocketClientFactory(
        lambda: session, url=router.ws_url, serializers=[SERIALIZERS[serializer]()], headers=headers
    )
    _, protocol = await loop.create_connection(factory, *router.ws_address)
    found = await soon(session.found, f"a session by {methods}")
    set_cookie = protocol.http_headers.get("set-cookie")
    return session, found, set_cookie and set_cookie.split(";")[0]


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
async def test_known_again_until_logged_out(router, serializer):
    both = ["cookie", "wampcra"]
    first, found, cookie = await connect(router, serializer, both)
    assert found == ("joe", "user", "wampcra", "static")
    again, found, other = await connect(router, serializer, both, cookie)
    assert found == ("joe", "user", "cookie", "cookie") and other is None
    with pytest.raises(WampError) as raised:
        await connect(router, serializer, ["cookie"])
    assert raised.value.uri == "wamp.error.no_matching_auth_method"

    again.leave("wamp.close.logout")
    assert await soon(again.ended, "the answer to GOODBYE") == "wamp.close.goodbye_and_out"
    assert await soon(first.ended, "the end of the first session") == "wamp.close.logout"
    anew, found, other = await connect(router, serializer, both, cookie)
    assert found[2] == "wampcra" and other not in (None, cookie)
    anew.leave()
    await soon(anew.ended, "the answer to GOODBYE")
