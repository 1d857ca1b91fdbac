"""Prints every value of every Parquet file under the given folders, and all that their footers say.

Binary values are written as they are, one value a line, so that whoever searches the output searches
what is stored, decompressed.
"""

import pathlib
import sys

import pyarrow.parquet


def write(value) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            write(name)
            write(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            write(inner)
    elif isinstance(value, bytes):
        sys.stdout.buffer.write(value + b"\n")
    elif value is not None:
        sys.stdout.buffer.write(str(value).encode() + b"\n")


def footer(metadata) -> None:
    write(metadata.metadata or {})
    for row_group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            statistics = metadata.row_group(row_group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                write([statistics.min_raw, statistics.max_raw])


def main() -> None:
    for folder in sys.argv[1:]:
        for path in sorted(pathlib.Path(folder).rglob("*.parquet")):
            file = pyarrow.parquet.ParquetFile(path)
            footer(file.metadata)
            for batch in file.iter_batches():
                write(batch.to_pylist())


if __name__ == "__main__":
    main()
