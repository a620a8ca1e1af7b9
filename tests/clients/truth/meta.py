"""What shows that the meta API works."""

import datetime

from harness.raw import GOODBYE, UNREGISTER, UNREGISTERED, UNSUBSCRIBE, UNSUBSCRIBED

from . import World, refused, shows


async def ask(client, procedure: str, *args, **kwargs):
    """Calls a meta procedure; its one result, or None."""
    result = await client.call(procedure, args, kwargs)
    assert len(result.args) <= 1, result
    return result.args[0] if result.args else None


async def about(client, wanted: int) -> list:
    """The payload of the next event that mentions an id; other tests' sessions come and go meanwhile."""
    while True:
        args = (await client.event()).args
        if wanted in args or any(isinstance(arg, dict) and wanted in arg.values() for arg in args):
            return args


@shows("broker.session_meta_api", "dealer.session_meta_api")
async def sessions_join_and_leave(world: World):
    watcher, other = await world.join(), await world.join()
    await watcher.subscribe("wamp.session.on_join")
    guest = await world.join()
    (details,) = await about(watcher, guest.session)
    for key in ("authid", "authrole", "authmethod", "authprovider"):
        assert details[key] == guest.welcome.get(key, details[key]) and isinstance(details[key], str)
    for asking in (watcher, other, guest):
        assert await ask(asking, "wamp.session.get", guest.session) == details
    assert guest.session in await ask(other, "wamp.session.list")
    assert guest.session in await ask(other, "wamp.session.list", [details["authrole"]])
    assert guest.session not in await ask(other, "wamp.session.list", ["nobody"])
    assert await ask(other, "wamp.session.count") == len(await ask(other, "wamp.session.list"))
    assert await ask(other, "wamp.session.count", ["nobody"]) == 0
    await watcher.subscribe("wamp.session.on_leave")
    guest.drop()
    left = await about(watcher, guest.session)
    assert left == [guest.session, details["authid"], details["authrole"]]
    await refused(ask(other, "wamp.session.get", guest.session), "wamp.error.no_such_session")


@shows("broker.session_meta_api", "dealer.session_meta_api")
async def sessions_are_killed(world: World):
    admin, first, second, third = [await world.join("kill") for _ in range(4)]

    async def alone(count):
        """Those that another test, or `join`, has cut off may still be there for a moment."""
        while await ask(admin, "wamp.session.count") != count:
            pass

    await alone(4)
    await ask(admin, "wamp.session.kill", first.session)
    assert (await first.expect(GOODBYE))[1:] == [{}, "wamp.close.killed"]
    why = {"reason": "test.reason", "message": "for a test"}
    goodbye = [{"message": "for a test"}, "test.reason"]
    killed = await ask(admin, "wamp.session.kill_by_authid", second.welcome["authid"], **why)
    assert second.session in killed and admin.session not in killed
    assert (await second.expect(GOODBYE))[1:] == goodbye
    third = third if third.session not in killed else await world.join("kill")
    await alone(2)
    # Those that are killed, and they alone, are counted; nobody kills itself.
    assert await ask(admin, "wamp.session.kill_by_authrole", third.welcome["authrole"], **why) == 1
    assert (await third.expect(GOODBYE))[1:] == goodbye
    fourth, fifth = await world.join("kill"), await world.join("kill")
    await alone(3)
    assert await ask(admin, "wamp.session.kill_all", **why) == 2
    for client in (fourth, fifth):
        assert (await client.expect(GOODBYE))[1:] == goodbye
    for session in (admin.session, first.session):
        await refused(ask(admin, "wamp.session.kill", session), "wamp.error.no_such_session")
    await refused(ask(admin, "wamp.session.kill", session, reason="not a uri#"), "wamp.error.invalid_uri")
    for args in ([], ["text"]):
        await refused(ask(admin, "wamp.session.kill", *args), "wamp.error.invalid_argument")


@shows("dealer.registration_meta_api")
async def registrations_are_listed(world: World):
    callee, second, asking = [await world.join() for _ in range(3)]
    options = {"match": "prefix", "invoke": "roundrobin"}
    registration = await callee.register(world.uri, **options)
    assert await second.register(world.uri, **options) == registration
    assert registration in (await ask(asking, "wamp.registration.list"))["prefix"]
    assert await ask(asking, "wamp.registration.lookup", world.uri, {"match": "prefix"}) == registration
    assert await ask(asking, "wamp.registration.lookup", world.uri) is None
    assert await ask(asking, "wamp.registration.match", f"{world.uri}.tail") == registration
    assert await ask(asking, "wamp.registration.match", "no.such.procedure") is None
    details = await ask(asking, "wamp.registration.get", registration)
    check_details(details, {"id": registration, "uri": world.uri, **options})
    callees = await ask(asking, "wamp.registration.list_callees", registration)
    assert sorted(callees) == sorted([callee.session, second.session])
    assert await ask(asking, "wamp.registration.count_callees", registration) == 2
    for procedure in ("get", "list_callees", "count_callees"):
        await refused(ask(asking, f"wamp.registration.{procedure}", 2**53), "wamp.error.no_such_registration")
        await refused(ask(asking, f"wamp.registration.{procedure}"), "wamp.error.invalid_argument")


@shows("dealer.registration_meta_api")
async def registrations_come_and_go(world: World):
    callee, second = await world.join(), await world.join()
    watchers = {}
    for what in ("create", "register", "unregister", "delete"):
        watchers[what] = await world.join()
        await watchers[what].subscribe(f"wamp.registration.on_{what}")
    all_ = await world.join()
    await all_.subscribe("wamp.registration.", match="prefix")
    registration = await callee.register(world.uri, invoke="first")
    session, details = await about(watchers["create"], registration)
    assert session == callee.session
    check_details(details, {"id": registration, "uri": world.uri, "match": "exact", "invoke": "first"})
    assert await about(watchers["register"], registration) == [callee.session, registration]
    await second.register(world.uri, invoke="first")
    assert await about(watchers["register"], registration) == [second.session, registration]
    second.request(UNREGISTER, registration)
    await second.expect(UNREGISTERED)
    assert await about(watchers["unregister"], registration) == [second.session, registration]
    callee.drop()
    assert await about(watchers["unregister"], registration) == [callee.session, registration]
    assert await about(watchers["delete"], registration) == [callee.session, registration]
    topics = []
    while "on_delete" not in (topics or [""])[-1]:
        event = await all_.event()
        if registration in event.args or any(isinstance(arg, dict) for arg in event.args):
            topics.append(event.details["topic"].rpartition(".")[2])
    assert topics == ["on_create", "on_register", "on_register", "on_unregister", "on_unregister", "on_delete"]


@shows("dealer.registration_revocation")
async def callees_are_removed(world: World):
    callee, admin = await world.join(), await world.join()
    registration = await callee.register(world.uri)
    await ask(admin, "wamp.registration.remove_callee", registration, callee.session, reason="test.removed")
    _, request, details = await callee.expect(UNREGISTERED)
    assert request == 0 and details == {"registration": registration, "reason": "test.removed"}
    await refused(admin.call(world.uri), "wamp.error.no_such_procedure")
    await refused(
        ask(admin, "wamp.registration.remove_callee", registration, callee.session),
        "wamp.error.no_such_registration",
    )


@shows("broker.subscription_meta_api")
async def subscriptions_are_listed(world: World):
    subscriber, second, asking = [await world.join() for _ in range(3)]
    prefix = await subscriber.subscribe(world.uri, match="prefix")
    exact = await subscriber.subscribe(f"{world.uri}.exact")
    await second.subscribe(world.uri, match="prefix")
    lists = await ask(asking, "wamp.subscription.list")
    assert prefix in lists["prefix"] and exact in lists["exact"] and prefix not in lists["exact"]
    assert await ask(asking, "wamp.subscription.lookup", world.uri, {"match": "prefix"}) == prefix
    assert await ask(asking, "wamp.subscription.lookup", world.uri) is None
    assert sorted(await ask(asking, "wamp.subscription.match", f"{world.uri}.exact")) == sorted([prefix, exact])
    details = await ask(asking, "wamp.subscription.get", prefix)
    check_details(details, {"id": prefix, "uri": world.uri, "match": "prefix"})
    subscribers = await ask(asking, "wamp.subscription.list_subscribers", prefix)
    assert sorted(subscribers) == sorted([subscriber.session, second.session])
    assert await ask(asking, "wamp.subscription.count_subscribers", prefix) == 2
    for procedure in ("get", "list_subscribers", "count_subscribers"):
        await refused(ask(asking, f"wamp.subscription.{procedure}", 2**53), "wamp.error.no_such_subscription")
        await refused(ask(asking, f"wamp.subscription.{procedure}"), "wamp.error.invalid_argument")


@shows("broker.subscription_meta_api")
async def subscriptions_come_and_go(world: World):
    subscriber, second, watcher = [await world.join() for _ in range(3)]
    await watcher.subscribe("wamp.subscription.", match="prefix")
    subscription = await subscriber.subscribe(world.uri)
    await second.subscribe(world.uri)
    second.request(UNSUBSCRIBE, subscription)
    await second.expect(UNSUBSCRIBED)
    got = []

    async def until(last):
        while not got or got[-1][0] != last:
            event = await watcher.event()
            session, what = event.args
            if what == subscription or isinstance(what, dict) and what["id"] == subscription:
                got.append((event.details["topic"].rpartition(".")[2], session, what))

    # Of two sessions that go at the same time either may be the first.
    await until("on_unsubscribe")
    subscriber.drop()
    await until("on_delete")
    check_details(got[0][2], {"id": subscription, "uri": world.uri, "match": "exact"})
    assert [(topic, session) for topic, session, _ in got] == [
        ("on_create", subscriber.session), ("on_subscribe", subscriber.session), ("on_subscribe", second.session),
        ("on_unsubscribe", second.session), ("on_unsubscribe", subscriber.session),
        ("on_delete", subscriber.session),
    ]  # fmt: skip


@shows("dealer.testament_meta_api")
async def testaments(world: World):
    for end in ("cut", "goodbye", "kill"):
        watcher, testator, admin = [await world.join() for _ in range(3)]
        await watcher.subscribe(world.uri)
        for number, scope in enumerate(("destroyed", "detached", "destroyed")):
            assert await ask(testator, "wamp.session.add_testament", world.uri, [number], {}, scope=scope) is None
        await ask(testator, "wamp.session.add_testament", world.uri, ["for nobody"], {},
                  publish_options={"eligible": []})  # fmt: skip
        match end:
            case "cut":
                testator.drop()
            case "goodbye":
                testator.send(GOODBYE, {}, "wamp.close.normal")
            case "kill":
                await ask(admin, "wamp.session.kill", testator.session)
        # Those for detached come first, each kind in its order.
        assert [(await watcher.event()).args for _ in range(3)] == [[1], [0], [2]], end
    flushing = await world.join()
    await ask(flushing, "wamp.session.add_testament", world.uri, ["flushed"], {})
    await ask(flushing, "wamp.session.add_testament", world.uri, ["left"], {}, scope="detached")
    await ask(flushing, "wamp.session.flush_testaments")
    flushing.drop()
    assert (await watcher.event()).args == ["left"]
    for args in ([], [1], [world.uri, "text"], [world.uri, [], "text"]):
        await refused(ask(admin, "wamp.session.add_testament", *args), "wamp.error.invalid_argument")
    await admin.publish(world.uri, ["end"])
    assert (await watcher.event()).args == ["end"]


def check_details(details: dict, wanted: dict):
    """The details of a subscription or registration, whose time has to be a date of ISO 8601 about now."""
    created = datetime.datetime.fromisoformat(details["created"])
    assert abs(datetime.datetime.now(datetime.UTC) - created) < datetime.timedelta(minutes=5)
    assert {key: details[key] for key in wanted} == wanted
