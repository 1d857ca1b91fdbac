"""Prints producer, record number and mark of every call in a data directory, one per line.

DuckDB reads the dataset from its documented layout. pyarrow reads every value of every file, and must
find as many rows. A file that either cannot read ends this with an error that names it.
"""

import pathlib
import sys

import duckdb
import pyarrow.parquet


def main() -> None:
    folder = pathlib.Path(sys.argv[1], "calls", "v1")
    files = sorted(folder.glob("*/*/*.parquet"))
    if not files:
        return
    rows = 0
    for file in files:
        try:
            with pyarrow.parquet.ParquetFile(file) as part:
                rows += part.read(use_threads=False).num_rows
        except Exception as error:
            sys.exit(f"{file}: {error}")
    connection = duckdb.connect()
    connection.execute("set threads to 1; set timezone = 'UTC'")
    cursor = connection.execute(
        """
        select producer_id, record_number, request_metadata_map['x-mark']
        from read_parquet(?, hive_partitioning = true)
        """,
        [str(folder / "*/*/*.parquet")],
    )
    found = 0
    while batch := cursor.fetchmany(10000):
        found += len(batch)
        for producer, number, mark in batch:
            if isinstance(producer, bytes | bytearray):
                producer = producer.hex()
            if isinstance(mark, list):
                mark = mark[0] if mark else ""
            sys.stdout.write(f"{str(producer).replace('-', '')} {number} {mark}\n")
    if found != rows:
        sys.exit(f"DuckDB finds {found} calls, pyarrow {rows}")


if __name__ == "__main__":
    main()
