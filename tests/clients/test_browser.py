"""Chromium: the demo page as a user sees it, and Autobahn|JS's browser build."""

import asyncio
import time

import pytest
from conftest import CONFIG, PROJECT, SCRATCH
from harness.client import soon

SCENARIO_S = 40.0


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
    assert_round_trips(await play(browser, "demoSecondWindow", url=router.page_url), 1)


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
        ("login", "joe", "wrong"): "The login failed: the name or the password is wrong",
        ("login", "stranger", "secret"): "The login failed: the name or the password is wrong",
        ("login", "joe", "secret"): "Connected as joe (user)",
        ("login", "plain", "secret"): "Connected as plain (guest)",
        ("login", "plain", ""): "There is no password.",
        ("login", "", ""): "This realm wants a login",
        ("realm1", "", ""): "Connected",
        ("realm1", "joe", "secret"): "This realm knows no login with a password",
    }
    # The example that README names lets Joe in by the same password.
    joe = next(line for line in (PROJECT / "examples/login.toml").read_text().splitlines() if line.startswith("wampcra"))
    assert joe in CONFIG.read_text()
    result = await play(browser, "demoLogins", url=router.page_url, logins=list(tries), screenshots=screenshots)
    for login, (state, notice), expected in zip(tries, result["said"], tries.values(), strict=True):
        assert (state if state.startswith("Connected") else notice).startswith(expected), (login, state, notice)
        if "failed:" in expected:
            assert "wamp.error.authentication_denied" in notice


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
    result = await play(browser, "autobahnInBrowser", url=router.ws_url, serializer=serializer)
    assert result["event"] == {"args": ["Grüße", 1, None], "kwargs": {"nested": [True, {"a": 0.5}]}}
    assert result["result"] == {"args": [42], "kwargs": {"from": "two"}}
    assert result["error"] == "wamp.error.no_such_procedure"
