"""A realm with roles: denials as clients see them, and disclosure that nobody has asked for."""

import pytest
from harness.client import WampError

KINDS = ["py-ws-json", "py-tcp-msgpack", "py-unix-cbor", "js-ws-cbor"]
NOT_AUTHORIZED = "wamp.error.not_authorized"


@pytest.mark.parametrize("kind", KINDS)
async def test_denials(join, kind):
    client = await join(kind, "roles")
    for uri in ("test.secret", "test.secret.there", "elsewhere", "wamp.session.count"):
        for asking in (client.call(uri), client.publish(uri), client.subscribe(uri), client.register(uri, {"do": "echo"})):
            with pytest.raises(WampError) as refused:
                await asking
            # What is reserved is so for everybody.
            reserved = uri.startswith("wamp.") and refused.value.uri == "wamp.error.invalid_uri"
            assert refused.value.uri == NOT_AUTHORIZED or reserved
    with pytest.raises(WampError) as refused:
        await client.subscribe("test", match="prefix")
    assert refused.value.uri == NOT_AUTHORIZED


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_allowed_works(join, uri, kind):
    callee, caller = await join(kind, "roles"), await join("py-ws-msgpack", "roles")
    await callee.register(uri, {"do": "echo"})
    assert (await caller.call(uri, [1])).args == [1]
    subscription = await callee.subscribe(uri)
    await caller.publish(uri, [2])
    assert (await subscription.next()).args == [2]


@pytest.mark.parametrize("kind", KINDS)
async def test_disclosure(join, uri, kind):
    known = uri.replace("test.", "test.known.", 1)
    callee, caller = await join(kind, "roles"), await join("py-ws-json", "roles")
    subscriptions = {topic: await callee.subscribe(topic) for topic in (uri, known)}
    await callee.register(known, {"do": "caller"})
    assert (await caller.call(known)).args == [caller.session_id]
    for topic, publisher in ((uri, None), (known, caller.session_id)):
        await caller.publish(topic)
        assert (await subscriptions[topic].next()).publisher == publisher
