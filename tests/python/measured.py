"""Runs a program to its end, and writes what it took to a file, as JSON: `measured.py FILE PROGRAM ARGUMENT...`.

The kernel counts: the peak of memory also of its last moment, which nobody may see who looks now and then.
"""

import json
import os
import sys


def main() -> None:
    file, *program = sys.argv[1:]
    child = os.posix_spawn(program[0], program, os.environ)
    _, status, usage = os.wait4(child, 0)
    took = {"peak_kib": usage.ru_maxrss, "cpu_s": usage.ru_utime + usage.ru_stime}
    with open(file, "w", encoding="utf-8") as out:
        json.dump(took, out)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
