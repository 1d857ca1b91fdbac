"""Prints every row of a data directory's calls dataset as one JSON object per line.

Read with DuckDB from the documented layout alone, as an analyst would. Binary values are printed in
hexadecimal. Messages and most metadata are left out unless --whole is given: lengths, counts and
digests are there. --columns names others, as SQL does. A dataset without files has no rows.
"""

import datetime
import json
import pathlib
import sys

import duckdb


def plain(value):
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


LEFT_OUT = """exclude (
    request_metadata, response_metadata, response_trailers,
    response_metadata_map, response_trailers_map, request_messages, response_messages
)"""

# Python's DuckDB needs another package for times with a zone.
REPLACED = "replace (epoch_us(started_at) as started_at)"


def main() -> None:
    pattern = "calls/v1/*/*/*.parquet"
    if not any(pathlib.Path(sys.argv[1]).glob(pattern)):
        return
    dataset = f"{sys.argv[1]}/{pattern}"
    flags = sys.argv[2:]
    columns = f"* {'' if '--whole' in flags else LEFT_OUT} {REPLACED}"
    if "--columns" in flags:
        columns = flags[flags.index("--columns") + 1]
    connection = duckdb.connect()
    connection.execute("set threads to 1; set timezone = 'UTC'")
    cursor = connection.execute(
        f"""
        select {columns}
        from read_parquet(?, hive_partitioning = true)
        """,
        [dataset],
    )
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(1000):
        for row in rows:
            print(json.dumps({name: plain(value) for name, value in zip(names, row)}))


if __name__ == "__main__":
    main()
