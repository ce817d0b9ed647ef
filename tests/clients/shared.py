"""What the clients share: tokens, and how one is run."""

import asyncio
import os
import subprocess
import sys
import traceback
from importlib.metadata import version

SERVER = os.environ["CHAT_URL"]
API = f"{SERVER}/api/v1/chat"


def token(user):
    """A token as the server's owner hands it out."""
    command = [os.environ["CHAT_SERVER"], "token", "--user", user, "--data", os.environ["CHAT_DATA"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def headers(user):
    return {"Authorization": f"Bearer {token(user)}"}


def client(name, flow):
    """Runs the flow of a client, a package, and prints what it did or why it failed."""
    try:
        did = asyncio.run(asyncio.wait_for(flow(), 60))
    except BaseException:
        traceback.print_exc()
        print(f"FAILED {name} {version(name)}", file=sys.stderr)
        sys.exit(1)
    print(f"ok {name} {version(name)} {did}", flush=True)


def equal(have, want):
    assert have == want, f"{have!r} is not {want!r}"
