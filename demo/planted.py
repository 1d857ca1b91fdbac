"""Holds what the report found against what was planted in the new service.

The differences are read from the dataset that `twintap compare` wrote, by one query in a process
of its own, since DuckDB lives in the virtual environment and the demo runs on any Python.
"""

import json
import pathlib
import subprocess
import sys

PACKAGE = "shop.orders.v1.OrderService"


def found_differences(python: pathlib.Path, data: pathlib.Path) -> list[dict]:
    """One entry per method, place, path and kind, with its number of calls."""
    query = pathlib.Path(__file__).with_name("differences.sql").read_text()
    program = "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))"
    argv = [python, "-c", program, query.replace("{data}", str(data))]
    rows = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    names = ("method", "place", "path", "kind", "calls", "explanation", "old", "new")
    return [dict(zip(names, row)) for row in rows]


def explains(planted: dict, found: dict) -> bool:
    places = [planted, *planted.get("also", [])]
    method = found["method"] == f"{PACKAGE}/{planted['method']}"
    return method and any(
        all(found[key] == place[key] for key in ("place", "path", "kind")) for place in places
    )


def calls(entry: dict, found: list[dict]) -> int:
    return max((f["calls"] for f in found if explains(entry, f)), default=0)


def line(mark: str, entry: dict, count: int) -> None:
    where = f"{entry['method']} {entry['place']} {entry['path']}".strip()
    print(f"  {mark} {entry['id']:<21} {where:<67} {count:>4} calls")


def check(expected: dict, found: list[dict]) -> bool:
    """Prints a line per planted difference, what is known noise, and what nobody planted."""
    missed = 0
    for entry in expected["planted"]:
        count = calls(entry, found)
        missed += count == 0
        line("✓" if count else "✗", entry, count)
    for entry in expected["noise"]:
        if count := calls(entry, found):
            line("~", entry, count)
    known = expected["planted"] + expected["noise"]
    others = [f for f in found if not any(explains(entry, f) for entry in known)]
    for difference in others:
        print(f"  ! nobody planted this: {difference}")
    planted_count = len(expected["planted"])
    print(f"  {planted_count - missed} of {planted_count} planted differences found, ", end="")
    print(f"{len(others)} that nobody planted (~ is noise, see demo/README.md)")
    sys.stdout.flush()
    return not missed and not others
