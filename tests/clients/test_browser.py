"""Chromium: the demo page as a user sees it, and Autobahn|JS's browser build."""

import asyncio
import time

import pytest
from conftest import CONFIG, PROJECT, SCRATCH
from harness.client import soon
from harness.secure_router import SecureRouter

SCENARIO_S = 40.0
EXAMPLE = PROJECT / "examples/login.toml"
WRONG = "The login failed: the name or the password is wrong"


@pytest.fixture
def screenshots(configuration):
    folder = SCRATCH / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"demo-{configuration}")


async def play(browser, scenario, **params):
    result = await browser.ask(scenario, timeout_s=SCENARIO_S, **params)
    assert not result["complaints"], "\n".join(result["complaints"])
    return result


def assert_round_trips(result, count):
    assert len(result["roundTrips"]) == count
    assert all(0 < ms < 5000 for ms in result["roundTrips"]), result["roundTrips"]


async def test_demo_two_clients_in_one_page(browser, router, screenshots):
    result = await play(browser, "demoOnePage", url=router.page_url, screenshots=screenshots)
    assert_round_trips(result, 2)
    assert len(set(result["sessions"])) == 2 and all(session.isdigit() for session in result["sessions"])
    assert result["overflows"] == [0, 0, 0, 0], "the page is wider than its window"


async def test_demo_two_pages(browser, router, screenshots):
    assert_round_trips(await play(browser, "demoTwoPages", url=router.page_url, screenshots=screenshots), 2)


async def test_demo_opens_a_second_window(browser, router):
    result = await play(browser, "demoSecondWindow", url=router.page_url, login={"realm": "policies"})
    assert_round_trips(result, 1)
    assert (result["state"], result["messages"]) == ("Connected", 0)
    assert result["url"] == f"{router.page_url}?realm=policies#connect"


async def test_demo_opens_a_second_window_with_its_login(browser, router):
    login = {"realm": "login", "authid": "joe", "password": "secret"}
    result = await play(browser, "demoSecondWindow", url=router.page_url, login=login)
    assert_round_trips(result, 1)
    assert result["state"] == "Connected as joe (user)"
    # A question and its answer, once.
    assert (result["messages"], result["again"], result["reloaded"]) == (2, "silence", "disconnected")
    assert result["url"] == f"{router.page_url}?realm=login"


async def test_demo_pings_continuously(browser, router):
    result = await play(browser, "demoPings", url=router.page_url)
    for p50, p90, p99, most in result["percentiles"]:
        assert 0 < p50 <= p90 <= p99 <= most < 5000, result["percentiles"]
    assert result["drawn"] > 50, "the plot is empty"


async def test_demo_says_why_the_router_refused(browser, router):
    result = await play(browser, "demoRefused", url=router.page_url)
    assert "wamp.error.no_such_realm" in result["notice"]


async def test_demo_login(browser, router, screenshots):
    tries = {
        ("login", "joe", "wrong"): WRONG,
        ("login", "stranger", "secret"): WRONG,
        ("login", "joe", "secret"): "Connected as joe (user)",
        ("login", "plain", "secret"): "Connected as plain (guest)",
        ("login", "plain", ""): "There is no password.",
        ("login", "", ""): "This realm wants a login",
        ("realm1", "", ""): "Connected",
        ("realm1", "joe", "secret"): "This realm knows no login with a password",
    }
    # The example that README names lets Joe in by the same password.
    joe = next(line for line in EXAMPLE.read_text().splitlines() if line.startswith("wampcra"))
    assert joe in CONFIG.read_text()
    said = await log_in(browser, router.page_url, tries, screenshots=screenshots)
    assert all("wamp.error.authentication_denied" in notice for _, notice in said if "failed:" in notice)


async def test_demo_has_no_login_where_the_browser_has_no_cryptography(browser, router):
    url = "http://far.test:{}/".format(router.ws_address[1])
    tries = {
        ("login", "joe", "secret"): "Browsers can log in by https or on localhost only: open this page so.",
        ("login", "", ""): "This realm wants a login",
        ("realm1", "", ""): "Connected",
    }
    await log_in(browser, url, tries)


async def log_in(browser, url, tries, **more):
    """Tries each login, one after the other in one page; returns what the page has said, its state and its notice."""
    result = await play(browser, "demoLogins", url=url, logins=list(tries), **more)
    assert result["endpoint"] == f"{url.replace('http', 'ws', 1)}ws"
    for login, (state, notice), expected in zip(tries, result["said"], tries.values(), strict=True):
        assert (state if state.startswith("Connected") else notice).startswith(expected), (login, state, notice)
    return result["said"]


async def test_demo_knows_again_who_has_logged_in(browser, router):
    result = await play(browser, "demoKnownAgain", url=router.page_url, realm="cookies", login=["joe", "secret"])
    stranger, login, known, logged_out = result["said"]
    for said in (stranger, logged_out):
        assert said[0] == said[2] == "Not connected" and "This realm wants a login" in said[1], said
    for said in (login, known):
        assert said == ["Connected as joe (user)", ""] * 2
    (cookie,) = result["cookies"]
    assert cookie["name"] == "connectanum" and len(cookie["value"]) == 32
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and not cookie["secure"]
    assert 6 * 86400 < cookie["expires"] - time.time() <= 7 * 86400
    assert result["seen"] == "", "scripts have no use of it"


async def test_demo_says_that_the_router_went_away(browser, start_router, tmp_path):
    router = start_router("demo")
    flag = tmp_path / "connected"
    try:
        playing = asyncio.ensure_future(play(browser, "demoUntilRouterGoes", url=router.page_url, flag=str(flag)))

        async def connected():
            while not flag.exists() and not playing.done():
                await asyncio.sleep(0.02)

        await soon(connected(), "the page connects")
        router.terminate()
        assert "wamp.close.system_shutdown" in (await playing)["gone"]
    finally:
        router.stop()


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
async def test_autobahn_js_in_the_browser(browser, router, serializer):
    await play_autobahn(browser, url=router.ws_url, serializer=serializer)


async def play_autobahn(browser, **params):
    result = await play(browser, "autobahnInBrowser", **params)
    assert result["event"] == {"args": ["Grüße", 1, None], "kwargs": {"nested": [True, {"a": 0.5}]}}
    assert result["result"] == {"args": [42], "kwargs": {"from": "two"}}
    assert result["error"] == "wamp.error.no_such_procedure"


@pytest.fixture
def secure_router(request, configuration, logs, tmp_path):
    if configuration == "external":
        pytest.skip("needs a router of its own")
    example = EXAMPLE.read_text()
    more = example[example.index("[[realm]]") :].replace("[[realm]]", "[[realm]]\nanonymous_role = 'anonymous'", 1)
    log = logs / f"browser-tls-{configuration}.log"
    router = SecureRouter(request.config.option.binary, configuration, tmp_path, log, more)
    yield router
    assert router.stop() == 0


async def test_demo_over_tls(browser, secure_router):
    url = f"https://localhost:{secure_router.port}/"
    assert "ERR_CERT_AUTHORITY_INVALID" in (await play(browser, "demoUntrusted", url=url))["refusal"]
    tries = {
        ("realm1", "joe", "wrong"): WRONG,
        ("realm1", "joe", "secret"): "Connected as joe (user)",
    }
    await log_in(browser, url, tries, trusting=True)


async def test_autobahn_js_over_tls(browser, secure_router):
    url = f"wss://localhost:{secure_router.port}/ws"
    certificate = [str(secure_router.folder / name) for name in ("chain.pem", "key.pem")]
    await play_autobahn(browser, url=url, serializer="cbor", certificate=certificate, trusting=True)
