"""What WELCOME announces is true: each feature is used, message by message, with each serializer; each that is not
announced is refused or ignored as documented. The scripts are in `truth/`."""

import pytest
import pytest_asyncio
from truth import ABSENT, WORKS, World, absent, broker, dealer, meta

assert all((absent, broker, dealer, meta)), "they fill WORKS and ABSENT"

# The keys of the specification and of other routers, for which nothing may be left open.
KEYS = {
    "broker": {
        "publisher_exclusion", "subscriber_blackwhite_listing", "publisher_identification", "publication_trustlevels",
        "pattern_based_subscription", "shareded_subscriptions", "subscription_meta_api", "subscription_revocation",
        "event_history", "event_retention", "session_meta_api", "payload_passthru_mode", "payload_transparency",
        "payload_encryption_cryptobox", "x_acknowledged_event_delivery", "reflection",
    },
    "dealer": {
        "progressive_call_results", "progressive_call_invocations", "call_timeout", "call_canceling",
        "caller_identification", "call_trustlevels", "pattern_based_registration", "shared_registration",
        "sharded_registration", "registration_meta_api", "registration_revocation", "call_reroute", "session_meta_api",
        "testament_meta_api", "payload_passthru_mode", "payload_transparency", "payload_encryption_cryptobox",
        "reflection",
    },
}  # fmt: skip
SERIALIZERS = ["json", "msgpack", "cbor"]


def name(part):
    return part.__name__ if callable(part) else part


@pytest_asyncio.fixture
async def world(router, configuration, serializer, uri):
    world = World(router, serializer, int(configuration.partition("-")[2] or 1), uri)
    yield world
    world.close()


def announced(welcome):
    return {
        (role, key) for role, value in welcome["roles"].items() for key, yes in value["features"].items() if yes
    }


@pytest.mark.parametrize("serializer", SERIALIZERS)
async def test_nothing_is_announced_or_left_out_without_a_script(world, serializer):
    offered = announced((await world.join()).welcome)
    known = {(role, key) for role, keys in KEYS.items() for key in keys}
    shown = {(role, key) for role, key, _ in WORKS}
    refused = {(role, key) for role, key, _ in ABSENT}
    assert not offered - known and not offered - shown, f"announced without a script: {offered - (known & shown)}"
    assert not known - offered - refused, f"not announced, and no script for that: {known - offered - refused}"


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("role, key, script", WORKS, ids=name)
async def test_announced_feature_works(world, serializer, role, key, script):
    if (role, key) not in announced((await world.join()).welcome):
        pytest.skip(f"the router does not announce {key}")
    await script(world)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("role, key, script", ABSENT, ids=name)
async def test_feature_that_is_not_announced(world, serializer, role, key, script):
    if (role, key) in announced((await world.join()).welcome):
        pytest.skip(f"the router announces {key}")
    await script(world)
