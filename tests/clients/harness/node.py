"""A node process that answers requests: one JSON object per line, in both directions."""

import asyncio
import base64
import json
import os
import pathlib

from .client import PATIENCE_S

SCRIPTS = pathlib.Path(__file__).parent.parent / "node"
# A line may carry a large payload in base64.
LINE_BYTES_MAX = 16 * 1024 * 1024
ENDED = {"message": "the node process has ended; what it said is in .test/logs"}


class NodeError(Exception):
    """What a method of the script threw: its message, and the fields that it chose to send along."""

    def __init__(self, error: dict):
        super().__init__(error.get("message") or str(error))
        self.fields = error


class Node:
    """Runs a script of ./node; `notify` gets the lines that answer nothing."""

    def __init__(self, process, notify):
        self.process, self.notify = process, notify
        self.last_id, self.waiting = 0, {}
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, script: str, modules: pathlib.Path, log: pathlib.Path, notify=lambda message: None
    ) -> "Node":
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                "node", str(SCRIPTS / script), limit=LINE_BYTES_MAX, stderr=stderr,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"NODE_PATH": str(modules)},
            )  # fmt: skip
        return cls(process, notify)

    async def ask(self, method: str, timeout_s: float = PATIENCE_S, **params):
        if self.reader.done():
            raise NodeError(ENDED)
        self.last_id += 1
        answer = self.waiting[self.last_id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": self.last_id, "method": method, "params": pack(params)})
        self.process.stdin.write(line.encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise AssertionError(f"node: no answer to {method} within {timeout_s:.0f} s") from None

    async def stop(self):
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self.reader

    async def _read(self):
        while line := await self.process.stdout.readline():
            message = unpack(json.loads(line))
            answer = self.waiting.pop(message.get("id"), None)
            if answer is None:
                self.notify(message)
            elif answer.done():
                pass  # Nobody waits any more.
            elif "error" in message:
                answer.set_exception(NodeError(message["error"]))
            else:
                answer.set_result(message.get("result"))
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_exception(NodeError(ENDED))


def pack(value):
    """Binary values as {"$bytes": base64}."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    return [pack(item) for item in value] if isinstance(value, (list, tuple)) else value


def unpack(value):
    """The inverse of `pack`."""
    if isinstance(value, dict):
        if value.keys() == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: unpack(item) for key, item in value.items()}
    return [unpack(item) for item in value] if isinstance(value, list) else value
