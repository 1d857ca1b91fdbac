"""How to build and start each peer. Everything built is in `target/interop`."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "peers"
BUILT = HERE.parents[1] / "target" / "interop"
VENV = pathlib.Path(os.environ.get("TWINTAP_VENV", HERE.parents[1] / ".venv"))


def _run(*command, **options):
    subprocess.run(command, check=True, stdout=sys.stderr, **options)


def _python(role, arguments):
    return [str(VENV / "bin" / "python"), str(SOURCES / "python" / "peer.py"), role, *arguments], {}


@functools.cache
def _node_modules():
    folder = BUILT / "js"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / "js" / name, folder / name)
    if not (folder / "node_modules").exists():
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    return str(folder)


def _js(role, arguments):
    modules = {"INTEROP_NODE_MODULES": _node_modules()}
    return ["node", str(SOURCES / "js" / "peer.mjs"), role, *arguments], modules


PEERS = {"python": _python, "js": _js}


def command(name, role, arguments):
    """The command that runs a peer, and its environment."""
    return PEERS[name](role, arguments)
