"""Makes the interop captures: `python3 tests/interop/make.py [NAME...]`. See README.md here."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import peers
import plan as plans

peers.hpack()
import truth  # noqa: E402, as it imports what the line before it provides

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE.parents[1] / "decode" / "tests" / "cases" / "interop"
SERVER_PORT = 50051
PROXY_PORT = 10000
INSIDE = "INTEROP_INSIDE_NAMESPACE"
CALLS = 200
# Each is captured on both sides of the proxy.
PROXIED_CALLS = 100

# Name: client, proxy, server, MTU of the loopback, what the plan changes.
CAPTURES = {
    "python-python": ("python", None, "python", 1500, {}),
    "js-python": ("js", None, "python", 1500, {}),
    "python-js": ("python", None, "js", 65536, {}),
    "tonic-js": ("tonic", None, "js", 1500, {}),
    "js-tonic": ("js", None, "tonic", 65536, {}),
    "tonic-python": ("tonic", None, "python", 65536, {"header_table_bytes": 512}),
    "go-java": ("go", None, "java", 1500, {}),
    "java-go": ("java", None, "go", 65536, {}),
    "go-python": ("go", None, "python", 65536, {"header_table_bytes": 1024}),
    "python-go": ("python", None, "go", 1500, {}),
    "java-tonic": ("java", None, "tonic", 65536, {}),
    "tonic-java": ("tonic", None, "java", 1500, {"header_table_bytes": 0}),
    "python-envoy-js": ("python", "envoy", "js", 1500, {}),
    "js-envoy-go": ("js", "envoy", "go", 65536, {"header_table_bytes": 1024}),
    "go-envoy-tonic": ("go", "envoy", "tonic", 65536, {}),
}


def enter_namespace():
    """Runs this again in a network namespace of its own, where nothing else is captured."""
    if os.environ.get(INSIDE):
        return
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    environment = {**os.environ, INSIDE: "1"}
    os.execvpe("unshare", [*command, sys.executable, *sys.argv], environment)


def set_mtu(mtu):
    subprocess.run(["ip", "link", "set", "lo", "mtu", str(mtu), "up"], check=True)
    switch = "off" if mtu < 65536 else "on"
    offload = ["tso", switch, "gso", switch, "gro", switch]
    subprocess.run(["ethtool", "-K", "lo", *offload], check=True, capture_output=True)


@contextlib.contextmanager
def running(command, ready, stream, environment=None):
    """A child process that has said that it is ready, ended in the end."""
    pipes = {"stdout": None, "stderr": None, stream: subprocess.PIPE}
    child = subprocess.Popen(command, text=True, env={**os.environ, **(environment or {})}, **pipes)
    said = getattr(child, stream)
    for line in said:
        if ready in line:
            break
    else:
        raise RuntimeError(f"{command[0]} ended before it was ready")
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT if "tcpdump" in command[0] else signal.SIGTERM)
        try:
            child.rest = child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


def record(folder, name):
    """One capture and its truth."""
    client, proxy, server, mtu, changes = CAPTURES[name]
    plan = {**plans.make(name, PROXIED_CALLS if proxy else CALLS), **changes}
    (folder / "plan.json").write_text(plans.to_json(plan))
    plan = json.loads((folder / "plan.json").read_text())
    ports = [PROXY_PORT, SERVER_PORT] if proxy else [SERVER_PORT]
    pcap = folder / f"{name}.pcap"
    logs = folder / "client.jsonl", folder / "server.jsonl"
    tcpdump = ["tcpdump", "-i", "lo", "-n", "-s", "0", "-B", "65536", "--immediate-mode"]
    tcpdump += ["-Z", "root", "-w", str(pcap), " or ".join(f"tcp port {port}" for port in ports)]
    set_mtu(mtu)
    with contextlib.ExitStack() as stack:
        sniffer = stack.enter_context(running(tcpdump, "listening on", "stderr"))
        arguments = [f"127.0.0.1:{SERVER_PORT}", str(folder / "plan.json"), str(logs[1])]
        command, environment = peers.command(server, "server", arguments)
        stack.enter_context(running(command, "listening", "stdout", environment))
        if proxy:
            table_bytes = plan["header_table_bytes"]
            command = peers.proxy(folder, PROXY_PORT, SERVER_PORT, table_bytes)
            stack.enter_context(running(command, "starting workers", "stderr"))
        arguments = [f"127.0.0.1:{ports[0]}", str(folder / "plan.json"), str(logs[0])]
        command, environment = peers.command(client, "client", arguments)
        subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=120)
        time.sleep(0.2)  # The last packets, FIN and RST among them.
    dropped = re.search(r"(\d+) packets? dropped by kernel", sniffer.rest[1])
    if dropped is None or int(dropped[1]) != 0:
        raise RuntimeError(f"packets were dropped: {sniffer.rest[1]}")
    return pcap, *truth.lines(plan, pcap, ports, *logs, bool(proxy))


def keep(name, pcap, lines):
    """Writes both files, compressed, where the tests read them."""
    CASES.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    listed = pcap.with_name(f"{name}.truth.jsonl")
    listed.write_text(text)
    sizes = []
    for source in (pcap, listed):
        target = CASES / f"{source.name}.zst"
        subprocess.run(
            ["zstd", "-q", "-f", "--ultra", "-22", str(source), "-o", str(target)], check=True
        )
        sizes.append(target.stat().st_size)
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CAPTURES))
    parser.add_argument("--keep-going", action="store_true", help="report failures at the end")
    arguments = parser.parse_args()
    names = arguments.names or list(CAPTURES)
    enter_namespace()
    failed = []
    for name in names:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"interop-{name}-"))
        try:
            pcap, lines, counts = record(folder, name)
        except (truth.Disagreement, RuntimeError, subprocess.SubprocessError, KeyError, ValueError) as error:
            print(f"{name}: {error!r} ({folder})", flush=True)
            failed.append(name)
            if not arguments.keep_going:
                return 1
            continue
        sizes = keep(name, pcap, lines)
        shutil.rmtree(folder)
        print(f"{name}: {sizes} bytes, {json.dumps(counts)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
