"""The clients that the README shows, as a reader would copy them."""

import asyncio
import os
import re
import sys

import pytest
from conftest import PROJECT

EXIT_S = 20.0
SAID = ["event: Hello!", "2 + 3 = 5"]


@pytest.mark.parametrize("language, command", [("js", ["node", "-"]), ("python", [sys.executable, "-"])])
async def test_client_to_copy(router, modules, language, command):
    source = snippet(language, "ws://127.0.0.1:8080/ws", router.ws_url)
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"NODE_PATH": str(modules)},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(EXIT_S):
            stdout, stderr = (text.decode() for text in await process.communicate(source.encode()))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{stdout}\n{stderr}"
    assert [line for line in stdout.splitlines() if line in SAID] == SAID, f"{stdout}\n{stderr}"
    assert "Traceback" not in stderr, stderr


def snippet(language, url, here):
    """The README's one block of code in this language, for the router under test."""
    readme = (PROJECT / "README.md").read_text()
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert block.count(url) == 1, block
    return block.replace(url, here)
