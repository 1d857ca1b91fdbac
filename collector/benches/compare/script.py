"""What teams write by hand: script.py OLD.jsonl NEW.jsonl.

Pairs two logs by trace id, normalises both sides (keys sorted, empty values dropped, order of lists
ignored), and counts calls, methods and reasons that differ. A benchmark's yardstick, not a tool.
"""

import json
import sys
from collections import Counter


def normal(value):
    """The value with keys sorted, empty values dropped and lists ordered."""
    if isinstance(value, dict):
        items = ((key, normal(inner)) for key, inner in value.items())
        return {key: inner for key, inner in sorted(items) if inner not in (None, "", [], {})}
    if isinstance(value, list):
        return sorted((normal(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def load(path):
    calls = {}
    with open(path, encoding="utf-8") as log:
        for line in log:
            call = json.loads(line)
            calls[call["trace_id"]] = call
    return calls


def main(old_path, new_path):
    old, new = load(old_path), load(new_path)
    reasons, methods = Counter(), Counter()
    mismatched = paired = 0
    for trace_id, primary in old.items():
        candidate = new.get(trace_id)
        if candidate is None:
            continue
        paired += 1
        found = [
            f"{side} {part}"
            for side in ("request", "response")
            for part in ("headers", "body")
            if normal(primary[side][part]) != normal(candidate[side][part])
        ]
        if found:
            mismatched += 1
            methods[primary["method"]] += 1
            reasons.update(found)
    json.dump(
        {"paired": paired, "mismatched": mismatched, "methods": methods, "reasons": reasons},
        sys.stdout,
    )


main(*sys.argv[1:])
