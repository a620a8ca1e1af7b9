"""Fixtures: the router in each configuration, every kind of client, the browser; and how results are shown.

A test file is one area of behaviour. A new one needs no registration anywhere: its tests take the fixtures below and run
in every configuration.
"""

import contextlib
import itertools
import pathlib
import traceback

import pytest
import pytest_asyncio
from harness.autobahn_js import JsClient, JsHost
from harness.autobahn_python import PythonClient
from harness.node import Node
from harness.router import CannotRun, Router

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parents[1]
SCRATCH = PROJECT / ".test"
CONFIG = HERE / "router.toml"
CONFIGURATIONS = ["glommio-1", "glommio-4", "epoll-1", "epoll-4"]

# Library, transport, serializer. Autobahn|JS speaks RawSocket with JSON only.
KINDS = [
    f"py-{transport}-{serializer}"
    for transport in ("ws", "tcp", "unix")
    for serializer in ("json", "msgpack", "cbor")
]
KINDS += ["js-ws-json", "js-ws-msgpack", "js-ws-cbor", "js-tcp-json", "js-unix-json"]


def pytest_addoption(parser):
    group = parser.getgroup("router")
    group.addoption(
        "--binary", type=pathlib.Path, default=PROJECT / "target/debug/connectanum", help="the router's binary"
    )
    group.addoption(
        "--only", action="append", choices=CONFIGURATIONS, help="run this configuration only (repeatable)"
    )
    group.addoption(
        "--external",
        metavar="WS_URL,TCP,UNIX",
        help="test a router that runs already: ws://127.0.0.1:8080/ws,127.0.0.1:8081,/tmp/wamp.sock",
    )


def pytest_generate_tests(metafunc):
    if "configuration" in metafunc.fixturenames:
        names = ["external"] if metafunc.config.option.external else metafunc.config.option.only or CONFIGURATIONS
        metafunc.parametrize("configuration", names, scope="session")


@pytest.fixture(scope="session")
def modules():
    """Where the node packages are."""
    return SCRATCH / "node/node_modules"


@pytest.fixture(scope="session")
def logs():
    folder = SCRATCH / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def start_router(request, logs, configuration):
    """Starts a router of the current configuration, with a log of its own."""

    def start(log_name):
        if configuration == "external":
            pytest.skip("needs a router of its own")
        io, shards = configuration.split("-")
        try:
            return Router.start(
                request.config.option.binary, CONFIG, io, int(shards), logs / f"{log_name}-{configuration}.log"
            )
        except CannotRun as reason:
            pytest.skip(f"no {io} on this machine: {reason}")

    return start


@pytest.fixture(scope="session")
def router(request, configuration, start_router):
    """The router that all tests of a configuration share. It must end well, too."""
    if configuration == "external":
        yield Router.external(*request.config.option.external.split(","))
        return
    router = start_router("router")
    request.config.stash[ROUTER] = router
    yield router
    died = router.process.poll() is not None
    code = router.stop()
    del request.config.stash[ROUTER]
    assert not died and code == 0, (
        f"the router {'died' if died else 'ended'} with code {code}:\n{router.output()[-4000:]}"
    )


@pytest_asyncio.fixture(scope="session")
async def js_host(modules, logs):
    host = JsHost()
    await host.start(modules, logs / "node.log")
    yield host
    await host.stop()


@pytest_asyncio.fixture(scope="session")
async def browser(modules, logs):
    """Chromium, driven by node/browser.js."""
    node = await Node.start("browser.js", modules, logs / "browser.log")
    yield node
    await node.stop()


@pytest.fixture(scope="session")
def new_client(js_host, router):
    """Makes a client of a kind that has not joined yet."""
    numbers = itertools.count(1)

    def new(kind):
        library, transport, serializer = kind.split("-")
        name = f"{kind}#{next(numbers)}"
        if library == "py":
            return PythonClient(name, router, transport, serializer)
        return JsClient(name, js_host, router, transport, serializer)

    return new


@pytest_asyncio.fixture
async def join(new_client):
    """Joins clients for one test: `await join(kind)`. Those that are still there leave at its end."""
    async with contextlib.AsyncExitStack() as leaving:

        async def join(kind, realm="realm1", login=None):
            client = new_client(kind)
            client.login = login
            await client.join(realm)
            leaving.push_async_callback(leave_if_there, client)
            return client

        yield join


async def leave_if_there(client):
    if not client.left.done():
        await client.leave()


@pytest_asyncio.fixture(scope="session")
async def senders(new_client):
    """One joined client of each kind, by kind: publishers and callers of the tests where all talk to all."""
    async with everyone(new_client) as clients:
        yield clients


@pytest_asyncio.fixture(scope="session")
async def receivers(new_client):
    """Another one of each kind: their subscribers and callees."""
    async with everyone(new_client) as clients:
        yield clients


@contextlib.asynccontextmanager
async def everyone(new_client):
    clients = {kind: await new_client(kind).join() for kind in KINDS}
    yield clients
    for client in clients.values():
        await leave_if_there(client)


@pytest.fixture
def uri(request):
    """A URI of its own for each test, so that no test hears another."""
    return f"test.{request.node.originalname.removeprefix('test_')}.n{next(URIS)}"


ROUTER = pytest.StashKey[Router]()
URIS = itertools.count(1)


def pytest_report_teststatus(report, config):
    if report.passed and report.when == "call":
        return "passed", ".", "ok"
    if report.failed:
        return "failed", "F", "FAIL" if report.when == "call" else f"FAIL in {report.when}"
    return None


def pytest_runtest_setup(item):
    """When the router is dead, each test that is left would only wait for it."""
    router = item.config.stash.get(ROUTER, None)
    if router and router.process.poll() is not None:
        pytest.fail(f"the router has died with code {router.process.returncode}, see {router.log}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows our own frames, and what the router said. (pytest's own formatting parses sources, which the parser
    of Python 3.11 sometimes does not survive.)"""
    report = (yield).get_result()
    router = item.config.stash.get(ROUTER, None)
    if report.failed and call.excinfo:
        frames = [frame for frame in traceback.extract_tb(call.excinfo.tb) if frame.filename.startswith(str(HERE))]
        report.longrepr = "".join(traceback.format_list(frames)) + call.excinfo.exconly()
    if report.failed and router:
        report.sections.append((f"the router's output, {router.log}", router.output()[-4000:]))


def pytest_unconfigure(config):
    """The last line of all."""
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    count = {key: len(stats.get(key, ())) for key in ("passed", "failed", "error", "skipped")}
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"{count['passed']} passed, {count['failed'] + count['error']} failed{skipped}")
