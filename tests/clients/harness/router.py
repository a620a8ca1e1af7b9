"""The router under test: one process on free ports, its output in a log file."""

import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

START_S = 20.0
# GOODBYE to all, a bounded drain, exit.
STOP_S = 10.0
# What the router says where glommio cannot run at all; whatever else stops it is a failure.
REFUSED = "error: glommio cannot run here"


class CannotRun(Exception):
    """This machine cannot run the router so; the text says why."""


class Router:
    """Addresses of a router; `Router.start` runs one, `Router.external` takes one that runs already."""

    def __init__(self, ws_url, tcp_address, unix_path, process=None, log=None, folder=None):
        self.ws_url, self.tcp_address, self.unix_path = ws_url, tcp_address, unix_path
        self.process, self.log, self.folder = process, log, folder

    @property
    def ws_address(self):
        host, port = re.match(r"ws://([^:/]+):(\d+)", self.ws_url).groups()
        return host, int(port)

    @property
    def page_url(self):
        """Where the demo page is."""
        return "http://{}:{}/".format(*self.ws_address)

    @classmethod
    def external(cls, ws_url, tcp_address, unix_path):
        host, port = tcp_address.rsplit(":", 1)
        return cls(ws_url, (host, int(port)), unix_path)

    @classmethod
    def start(cls, binary: pathlib.Path, config: pathlib.Path, io: str, shards: int, log: pathlib.Path) -> "Router":
        # A Unix socket's path may have about 100 bytes, so it lies in /tmp and not below the project.
        folder = tempfile.TemporaryDirectory(prefix="connectanum-")
        unix_path = f"{folder.name}/wamp.sock"
        command = [str(binary), "serve", "--config", str(config), "--io", io, "--shards", str(shards), "--listen", "ws://127.0.0.1:0",
                   "--listen", "tcp://127.0.0.1:0", "--listen", f"unix:{unix_path}"]  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        router = cls(None, None, unix_path, process, log, folder)
        try:
            router._wait_until_ready()
        except BaseException:
            router.stop()
            raise
        return router

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            output = self.output()
            if self.process.poll() is not None:
                if REFUSED in output:
                    raise CannotRun(output.strip().splitlines()[-1])
                raise AssertionError(f"the router ended with code {self.process.returncode}:\n{output}")
            ws, tcp = (re.search(rf"{scheme}://127\.0\.0\.1:([1-9]\d*)", output) for scheme in ("ws", "tcp"))
            if ws and tcp:
                self.ws_url = f"ws://127.0.0.1:{ws[1]}/ws"
                self.tcp_address = ("127.0.0.1", int(tcp[1]))
                if self._accepts():
                    return
            time.sleep(0.02)
        raise AssertionError(f"the router was not ready within {START_S:.0f} s:\n{self.output()}")

    def _accepts(self):
        try:
            for address in (self.ws_address, self.tcp_address):
                socket.create_connection(address, timeout=1).close()
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.unix_path)
            return True
        except OSError:
            return False

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def terminate(self):
        """SIGTERM, as a supervisor would."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(STOP_S)

    def stop(self) -> int | None:
        """Ends the process if it runs; the exit code, or None if it had to be killed."""
        code = None
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()
        return code
