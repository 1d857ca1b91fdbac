"""`make demo`: an old service, its rewrite, Envoy between them, and what twintap says about it.

    client ──▶ Envoy ─┬─▶ old service (Python)        answers the client
                      ├─▶ new service (Rust)          answers are recorded and thrown away
                      └─▶ twintap serve ──▶ ./twintap-data ──▶ twintap compare

Everything runs on loopback, on free ports, and is stopped again, also on Ctrl-C. Exit codes: 0 the
report found what was planted and nothing else; 1 it did not; 2 something is missing here; 3 a part
failed; 130 interrupted. Standard library only; Python 3.10 or newer.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import planted
from stack import Child, Failed, Stack, http_get

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "demo"
VENV = pathlib.Path(os.environ.get("TWINTAP_VENV", ROOT / ".venv"))
WASM = TARGET / "wasm32-wasip1" / "wasm" / "twintap_filter.wasm"
TWINTAP = TARGET / "debug" / "twintap"
CANDIDATE = TARGET / "debug" / "twintap-demo-candidate"
DESCRIPTORS = WORK / "orders.binpb"
# Says that a data directory was made here, and what was in it at the end: the next run deletes it
# if nothing was recorded there since.
MARKER = "made-by-demo"
PROTOS = [
    "shop/orders/v1/orders.proto",
    # What error details are made of.
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
]
EXIT_DIFFERENCES = 1


def step(words: str) -> None:
    print(f"\n▸ {words}", flush=True)


def note(words: str) -> None:
    print(f"  {words}", flush=True)


def check_tools() -> None:
    """Ends with exit code 2 if something is missing that the demo does not install itself."""
    if sys.version_info < (3, 10):
        sys.exit(missing("Python 3.10 or newer", "run `make demo PYTHON=python3.12`"))
    if shutil.which("cargo") is None:
        sys.exit(missing("cargo", "install Rust from https://rustup.rs"))
    for program in ("python", "envoy"):
        if not (VENV / "bin" / program).exists():
            sys.exit(missing(f"{VENV / 'bin' / program}", "run `make setup`"))


def missing(what: str, remedy: str) -> int:
    print(f"demo: {what} is missing: {remedy}", file=sys.stderr)
    return 2


def build() -> None:
    step("Building the filter module, twintap and the new service (minutes the first time)")
    wasm = ["--target", "wasm32-wasip1", "--profile", "wasm", "-p", "twintap-filter"]
    run(["cargo", "build", "--locked", *wasm])
    run(["cargo", "build", "--locked", "-p", "twintap", "-p", "twintap-demo-candidate"])
    generated = WORK / "gen"
    generated.mkdir(parents=True, exist_ok=True)
    where = "import google.rpc; print(list(google.rpc.__path__)[0])"
    google = subprocess.check_output([VENV / "bin/python", "-c", where], text=True).strip()
    include = ["-I", DEMO / "proto", "-I", pathlib.Path(google).parent.parent]
    protoc = [VENV / "bin/python", "-m", "grpc_tools.protoc", *include]
    run([*protoc, f"--python_out={generated}", f"--grpc_python_out={generated}", PROTOS[0]])
    run([*protoc, f"--descriptor_set_out={DESCRIPTORS}", "--include_imports", *PROTOS])


def run(argv: list) -> None:
    """Runs a command in the foreground; its output is the user's to see."""
    code = subprocess.run([str(arg) for arg in argv], cwd=ROOT).returncode
    if code != 0:
        raise Failed(f"`{' '.join(str(arg) for arg in argv[:3])} ...` failed with {code}")


def spare_recordings(data: pathlib.Path) -> None:
    """Ends the demo where the directory holds what no earlier demo left."""
    marker = data / MARKER
    left = marker.read_text().split() if marker.exists() else []
    is_used = data.exists() and any(data.iterdir())
    if is_used and not (marker.exists() and set(recordings(data)) <= set(left)):
        words = f"demo: {data} holds recordings of yours: choose another directory, DEMO_ARGS='--data DIR'"
        print(words, file=sys.stderr)
        sys.exit(2)


def fresh_data_dir(data: pathlib.Path) -> None:
    """Deletes what an earlier demo left, and nothing else."""
    spare_recordings(data)
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(parents=True, mode=0o700)
    (data / MARKER).touch()


def recordings(data: pathlib.Path) -> list[str]:
    """Everything recorded calls are kept in: Parquet parts, and journal segments not yet written."""
    kept = [*data.glob("calls/**/*.parquet"), *data.glob("journal/*")]
    return sorted(str(path.relative_to(data)) for path in kept)


def own(data: pathlib.Path) -> None:
    """Notes what this demo recorded, so that the next one may delete it."""
    (data / MARKER).write_text("\n".join(recordings(data)) + "\n")


def start_services(stack: Stack) -> dict[str, str]:
    """Starts old and new service; returns the port of each."""
    old = stack.start(
        "old-service",
        [VENV / "bin/python", DEMO / "primary/server.py", "127.0.0.1:0"],
        env={"PYTHONPATH": str(WORK / "gen")},
    )
    new = stack.start("new-service", [CANDIDATE, "127.0.0.1:0"])
    return {
        name: stack.wait(f"{name} service listens", child, lambda: child.logged("listening on "))
        .rpartition(":")[2]
        for name, child in (("old", old), ("new", new))
    }


def start_collector(stack: Stack, data: pathlib.Path) -> tuple[Child, str]:
    """Starts `twintap serve`; returns it and its port."""
    flags = ["--listen", "127.0.0.1:0", "--data-dir", data, "--set", "log_format=json"]
    collector = stack.start("collector", [TWINTAP, "serve", *flags])

    def port() -> str | None:
        found = re.search(r'"address":"[^"]*:(\d+)"', collector.log.read_text(errors="replace"))
        return found and found.group(1)

    found = stack.wait("collector listens", collector, port)
    ready = f"http://127.0.0.1:{found}/readyz"
    stack.wait("collector is ready", collector, lambda: http_get(ready))
    return collector, found


def envoy_config(ports: dict[str, str]) -> pathlib.Path:
    """envoy/mirror.yaml with the demo's ports: what stands there is replaced, word by word."""
    replaced = {
        "port_value: 10000": "port_value: 0",
        "port_value: 9901": "port_value: 0",
        "port_value: 50051": f"port_value: {ports['old']}",
        "port_value: 50052": f"port_value: {ports['new']}",
        "port_value: 9090": f"port_value: {ports['collector']}",
        "target/wasm32-wasip1/wasm/twintap_filter.wasm": str(WASM),
    }
    text = (ROOT / "envoy" / "mirror.yaml").read_text()
    for words, by in replaced.items():
        if words not in text:
            raise Failed(f"envoy/mirror.yaml has no `{words}` to replace")
        text = text.replace(words, by)
    path = WORK / "mirror.yaml"
    path.write_text(text)
    return path


def start_envoy(stack: Stack, ports: dict[str, str]) -> tuple[str, str]:
    """Starts Envoy; returns the address of its admin endpoint and of its listener."""
    admin_file = WORK / "envoy-admin"
    admin_file.unlink(missing_ok=True)
    flags = ["--concurrency", "2", "--admin-address-path", admin_file, "--use-dynamic-base-id"]
    envoy = stack.start("envoy", [VENV / "bin/envoy", "-c", envoy_config(ports), *flags])
    stack.wait("Envoy starts", envoy, lambda: admin_file.exists() and admin_file.read_text())
    admin = admin_file.read_text().strip()
    stack.wait("Envoy is ready", envoy, lambda: http_get(f"http://{admin}/ready"))
    listeners = json.loads(http_get(f"http://{admin}/listeners?format=json") or "{}")
    socket = listeners["listener_statuses"][0]["local_address"]["socket_address"]
    return admin, f"127.0.0.1:{socket['port_value']}"


def drive(target: str, count: int, rate: float) -> dict:
    """Runs the client in the foreground; returns how many calls it made, by method."""
    summary = WORK / "client.json"
    argv = [VENV / "bin/python", DEMO / "client.py", "--target", target, "--summary", summary]
    env = {**os.environ, "PYTHONPATH": str(WORK / "gen")}
    argv = [*argv, "--count", str(count), "--rate", str(rate)]
    if subprocess.run([str(arg) for arg in argv], env=env).returncode != 0:
        raise Failed("the client noticed the mirror, or failed", WORK / "envoy.log")
    return json.loads(summary.read_text())["issued"]


def metric(text: str, name: str) -> int | None:
    """A counter or gauge out of an exposition in text form."""
    found = re.search(rf"^{re.escape(name)}:? (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def drain(stack: Stack, collector: Child, admin: str, port: str) -> int:
    """Waits until every call has ended and the collector has stored every record of it."""

    def ended() -> bool:
        stats = http_get(f"http://{admin}/stats?filter=upstream_rq_active") or ""
        names = [f"cluster.{name}.upstream_rq_active" for name in ("old", "new")]
        return all(metric(stats, name) == 0 for name in names)

    stack.wait("all mirrored calls end", collector, ended)

    def stored() -> int | None:
        stats = http_get(f"http://{admin}/stats?filter=twintap_records_total") or ""
        recorded = metric(stats, "wasmcustom.twintap_records_total")
        metrics = http_get(f"http://127.0.0.1:{port}/metrics") or ""
        durable = metric(metrics, 'twintap_records_total{outcome="stored"}')
        return recorded if recorded and recorded == durable else None

    return stack.wait("the collector has every record", collector, stored)


def report(data: pathlib.Path) -> None:
    """Runs `twintap compare`, whose exit code 1 means here that all is as planted."""
    argv = [os.path.relpath(path) for path in (TWINTAP, data, DESCRIPTORS)]
    argv = [argv[0], "compare", argv[1], "--descriptors", argv[2]]
    note(f"$ {' '.join(argv)}\n")
    code = subprocess.run(argv).returncode
    if code != EXIT_DIFFERENCES:
        raise Failed(f"twintap compare ended with exit code {code} instead of 1 (differences)")


def what_next(data: pathlib.Path) -> None:
    shown = os.path.relpath(data)
    python = os.path.relpath(VENV / "bin/python")
    step("What to try next")
    query = (
        "SELECT split_part(rpc_method, '/', 2) AS method, role, status_name, count(*) AS calls, "
        "round(median(response_end_ns) / 1e6, 2) AS median_ms "
        f"FROM '{shown}/calls/v1/**/*.parquet' GROUP BY ALL ORDER BY ALL"
    )
    note("the recorded calls, in DuckDB:")
    print(f'\n{python} -c "import duckdb; duckdb.sql(\\"{query}\\").show()"\n')
    note("the planted differences, one by one: demo/README.md")
    note("Envoy's configuration, to copy: envoy/mirror.yaml")


def demo(args: argparse.Namespace) -> int:
    data = pathlib.Path(args.data).resolve()
    spare_recordings(data)
    build()
    started = time.monotonic()
    fresh_data_dir(data)
    try:
        code = record_and_compare(args, data)
    finally:
        own(data)
    what_next(data)
    print(f"\n{'Done' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s.")
    return code


def record_and_compare(args: argparse.Namespace, data: pathlib.Path) -> int:
    """The demo proper; everything it starts has ended when it returns."""
    with Stack(WORK) as stack:
        step("Starting old service, new service, collector and Envoy")
        ports = start_services(stack)
        collector, ports["collector"] = start_collector(stack, data)
        admin, target = start_envoy(stack, ports)
        note(f"Envoy {target}, old :{ports['old']}, new :{ports['new']}, logs in {WORK}")

        step("Calling the old service through Envoy, which mirrors every call to the new one")
        issued = drive(target, args.count, args.rate)

        step("Waiting until every record is durable, then writing Parquet")
        stored = drain(stack, collector, admin, ports["collector"])
        stack.stop(collector)
        note(f"{sum(issued.values())} calls made, {stored} records stored (both sides)")

    step("twintap compare")
    report(data)
    step("Against the list of planted differences (demo/planted.json)")
    expected = json.loads((DEMO / "planted.json").read_text())
    found = planted.found_differences(VENV / "bin/python", data)
    return 0 if planted.check(expected, found) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default=str(ROOT / "twintap-data"), help="data directory to make")
    parser.add_argument("--count", type=int, default=3600, help="calls to make")
    parser.add_argument("--rate", type=float, default=200.0, help="calls per second")
    args = parser.parse_args()
    check_tools()
    WORK.mkdir(parents=True, exist_ok=True)
    # A polite kill, or a terminal that is closed, ends the demo as Ctrl-C does: children are stopped on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return demo(args)
    except Failed as failure:
        print(f"\ndemo: {failure}\n{failure.log_tail()}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything it started is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
