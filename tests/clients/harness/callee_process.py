"""A callee in a process of its own, for a test to kill: registers a procedure, says "ready", answers until then."""

import asyncio
import json
import sys

from .autobahn_python import PythonClient
from .router import Router


async def main(ws_url, realm, procedure, behaviour, options):
    client = await PythonClient("process", Router(ws_url, None, None), "ws", "json").join(realm)
    registration = await client.register(procedure, json.loads(behaviour), **json.loads(options))
    print("ready", flush=True)
    await registration.invocations.get()
    print("invoked", flush=True)
    await client.left


asyncio.run(main(*sys.argv[1:]))
