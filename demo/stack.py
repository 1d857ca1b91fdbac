"""Child processes of the demo: started with a log each, waited for by condition, always stopped.

Every child leads its own process group and is ended by its id: SIGTERM, then SIGKILL to whatever
is left after a grace period. Standard library only.
"""

import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

# The collector writes Parquet before it ends, on a busy machine for some seconds.
STOP_GRACE_S = 60.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.05
LOG_TAIL_LINES = 25


class Failed(Exception):
    """Ends the demo with these words; `log` is shown under them."""

    def __init__(self, words: str, log: pathlib.Path | None = None):
        super().__init__(words)
        self.log = log

    def log_tail(self) -> str:
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"--- last lines of {self.log}", *lines])


class Child:
    def __init__(self, name: str, argv: list[str], log: pathlib.Path, env: dict | None):
        self.name, self.log = name, log
        # A developer's TWINTAP_* settings are not the demo's.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TWINTAP_")}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **(env or {})},
                start_new_session=True,
            )

    def logged(self, prefix: str) -> str | None:
        """The rest of the first logged line that begins with `prefix`, once it is complete."""
        for line in self.log.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith(prefix) and line.endswith("\n"):
                return line.removeprefix(prefix).strip()
        return None

    def stop(self) -> int | None:
        """Ends the whole process group; returns the exit code, None if it had to be killed."""
        self.signal(signal.SIGTERM)
        code = None
        try:
            code = self.process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        self.signal(signal.SIGKILL)
        self.process.wait()
        return code

    def signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


class Stack:
    """Everything that was started; leaving the `with` block stops it, last started first."""

    def __init__(self, log_dir: pathlib.Path):
        self.log_dir = log_dir
        self.children: list[Child] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not leave children behind.
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
        for child in reversed(self.children):
            child.stop()
        for number, handler in before.items():
            signal.signal(number, handler)

    def start(self, name: str, argv: list, env: dict | None = None) -> Child:
        log = self.log_dir / f"{name}.log"
        child = Child(name, [str(arg) for arg in argv], log, env)
        self.children.append(child)
        return child

    def stop(self, child: Child) -> None:
        """Ends one that must end well. Interrupted meanwhile, it is still stopped with the others."""
        code = child.stop()
        self.children.remove(child)
        if code is None:
            raise Failed(f"{child.name} did not end within {STOP_GRACE_S:.0f} s and was killed", child.log)
        if code != 0:
            raise Failed(f"{child.name} ended with exit code {code}", child.log)

    def wait(self, what: str, child: Child, condition, seconds: float = 20.0):
        """Polls until `condition()` is neither None nor False, and returns it."""
        deadline = time.monotonic() + seconds
        while True:
            result = condition()
            if result is not None and result is not False:
                return result
            for other in self.children:
                code = other.process.poll()
                if code is not None:
                    raise Failed(f"{other.name} ended early with exit code {code}", other.log)
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not after {seconds:.0f} s", child.log)
            time.sleep(POLL_S)


def http_get(url: str) -> str | None:
    """The body of a 200 answer, else None."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            return response.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
