"""How to build and start each peer. Everything built is in `target/interop`."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "peers"
BUILT = HERE.parents[1] / "target" / "interop"
VENV = pathlib.Path(os.environ.get("TWINTAP_VENV", HERE.parents[1] / ".venv"))


# For what reads captures.
HPACK = BUILT / "python"


def _run(*command, **options):
    subprocess.run(command, check=True, stdout=sys.stderr, **options)


def hpack():
    """Makes python-hyper's HPACK importable."""
    if not HPACK.exists():
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run(*pip, "--target", str(HPACK), "-r", str(HERE / "requirements.txt"))
    sys.path.append(str(HPACK))


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


@functools.cache
def _tonic_binary():
    environment = {**os.environ, "CARGO_TARGET_DIR": str(BUILT / "tonic")}
    _run("cargo", "build", "--locked", "--quiet", cwd=SOURCES / "tonic", env=environment)
    return str(BUILT / "tonic" / "debug" / "twintap-interop-tonic")


def _tonic(role, arguments):
    return [_tonic_binary(), role, *arguments], {}


@functools.cache
def _go_binary():
    binary = BUILT / "go" / "peer"
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Debian's packages of Go libraries are a GOPATH.
    debian = {"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(BUILT / "go-cache")}
    _run("go", "build", "-o", str(binary), "peer.go", cwd=SOURCES / "go", env={**os.environ, **debian})
    return str(binary)


def _go(role, arguments):
    return [_go_binary(), role, *arguments], {}


JARS = (
    "grpc-api grpc-context grpc-core grpc-netty grpc-stub guava gson netty-buffer netty-codec "
    "netty-codec-http netty-codec-http2 netty-common netty-handler netty-resolver "
    "netty-transport perfmark-api opencensus-api failureaccess"
).split()


@functools.cache
def _java_classes():
    folder = BUILT / "java"
    folder.mkdir(parents=True, exist_ok=True)
    jars = [f"/usr/share/java/{jar}.jar" for jar in JARS]
    path = ":".join([str(folder), *jars])
    _run("javac", "-d", str(folder), "-cp", path, str(SOURCES / "java" / "Peer.java"))
    return path


def _java(role, arguments):
    # Debian's Netty lacks what its native transports and Unsafe need on newer JVMs.
    options = ["-Dio.netty.noUnsafe=true", "-Xshare:auto"]
    return ["java", *options, "-cp", _java_classes(), "Peer", role, *arguments], {}


PEERS = {"python": _python, "js": _js, "tonic": _tonic, "go": _go, "java": _java}


def command(name, role, arguments):
    """The command that runs a peer, and its environment."""
    return PEERS[name](role, arguments)


def proxy(folder, port, upstream_port, header_table_bytes):
    """The command that runs Envoy between two peers, which re-encodes every header."""
    config = json.loads((SOURCES / "envoy.json").read_text())
    [listener], [cluster] = (config["static_resources"][key] for key in ("listeners", "clusters"))
    listener["address"]["socket_address"]["port_value"] = port
    [locality] = cluster["load_assignment"]["endpoints"]
    [endpoint] = locality["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = upstream_port
    [chain] = listener["filter_chains"]
    [manager] = chain["filters"]
    options = {"hpack_table_size": header_table_bytes}
    manager["typed_config"]["http2_protocol_options"] = options
    [protocol] = cluster["typed_extension_protocol_options"].values()
    protocol["explicit_http_config"]["http2_protocol_options"] = options
    path = folder / "envoy.json"
    path.write_text(json.dumps(config))
    command = [str(VENV / "bin" / "envoy"), "--concurrency", "1", "--use-dynamic-base-id"]
    return [*command, "--config-path", str(path)]
