"""Reads a dataset with DuckDB and pyarrow and compares it with what the test wrote.

Usage: check_dataset.py DATA_DIR EXPECTED_JSON DATASET_MD

EXPECTED_JSON holds the described columns and every call, as `tests/dataset/engines.rs` writes them.
"""

import datetime
import json
import pathlib
import re
import sys

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

DATA, EXPECTED, DOCUMENT = (pathlib.Path(argument) for argument in sys.argv[1:4])
EXPECT = json.loads(EXPECTED.read_text())
FILES = sorted(DATA.glob("calls/v1/dt=*/hh=*/part-*.parquet"))
CALLS = f"read_parquet('{DATA}/calls/v1/*/*/*.parquet', hive_partitioning = true)"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
BLOOM_FILTERED = {"pair_id", "request_id", "trace_id"}



def required(name, data_type):
    return pa.field(name, data_type, nullable=False)


HEADER = pa.struct([required("name", pa.string()), required("value", pa.binary()),
                    required("redacted", pa.bool_())])
MESSAGE = pa.struct([pa.field("offset_ns", pa.int64()), required("compressed", pa.bool_()),
                     required("declared_bytes", pa.int64()), required("digest", pa.int64()),
                     required("bytes", pa.binary())])
ARROW_TYPES = {
    "bool": pa.bool_(), "int32": pa.int32(), "int64": pa.int64(), "string": pa.string(),
    "binary": pa.binary(), "fixed[16]": pa.binary(16),
    "timestamp(us, UTC)": pa.timestamp("us", tz="UTC"),
    "map<string, string>": pa.map_(pa.string(), required("value", pa.string())),
    "list<struct<name: string, value: binary, redacted: bool>>": pa.list_(required("element", HEADER)),
    "list<struct<offset_ns: int64?, compressed: bool, declared_bytes: int64, digest: int64, bytes: binary>>":
        pa.list_(required("element", MESSAGE)),
}
DUCKDB_TYPES = {
    "bool": "BOOLEAN", "int32": "INTEGER", "int64": "BIGINT", "string": "VARCHAR",
    "binary": "BLOB", "fixed[16]": "BLOB", "timestamp(us, UTC)": "TIMESTAMP WITH TIME ZONE",
    "map<string, string>": "MAP(VARCHAR, VARCHAR)",
    "list<struct<name: string, value: binary, redacted: bool>>":
        'STRUCT("name" VARCHAR, "value" BLOB, redacted BOOLEAN)[]',
    "list<struct<offset_ns: int64?, compressed: bool, declared_bytes: int64, digest: int64, bytes: binary>>":
        'STRUCT(offset_ns BIGINT, compressed BOOLEAN, declared_bytes BIGINT, digest BIGINT, "bytes" BLOB)[]',
}


def same(what, found, expected):
    assert found == expected, f"{what}:\n  found    {found}\n  expected {expected}"


def pyarrow_types_and_field_ids():
    for path in FILES:
        schema = pq.ParquetFile(path).schema_arrow
        same("column names", schema.names, [column["name"] for column in EXPECT["columns"]])
        for number, (field, column) in enumerate(zip(schema, EXPECT["columns"]), start=1):
            same(f"type of {field.name}", field.type, ARROW_TYPES[column["type"].removesuffix("?")])
            same(f"nullability of {field.name}", field.nullable, column["type"].endswith("?"))
            same(f"field id of {field.name}", field_id(field), number)
        nested = schema.field("request_messages").type.value_field
        first = 1000 + 10 * field_id(schema.field("request_messages"))
        ids = [field_id(nested)] + [field_id(field) for field in nested.type]
        same("nested field ids", ids, list(range(first, first + 6)))


def field_id(field):
    return int(field.metadata[b"PARQUET:field_id"])


def duckdb_types():
    described = duckdb.sql(f"DESCRIBE SELECT * EXCLUDE (dt, hh) FROM {CALLS}").fetchall()
    found = {name: data_type for name, data_type, *_ in described}
    same("DuckDB columns", list(found), [column["name"] for column in EXPECT["columns"]])
    for column in EXPECT["columns"]:
        expected = DUCKDB_TYPES[column["type"].removesuffix("?")]
        same(f"DuckDB type of {column['name']}", found[column["name"]].replace('"', ""), expected.replace('"', ""))


def every_value():
    tables = pa.concat_tables(pq.ParquetFile(path).read() for path in FILES)
    arrow = {row["record_number"]: row for row in tables.to_pylist()}
    # As microseconds: DuckDB's own conversion to Python wants pytz.
    result = duckdb.sql(f"SELECT * EXCLUDE (dt, hh) REPLACE (epoch_us(started_at) AS started_at) FROM {CALLS}")
    names = [column[0] for column in result.description]
    ducks = {row["record_number"]: row for row in (dict(zip(names, row)) for row in result.fetchall())}
    same("numbers of rows", (len(arrow), len(ducks)), (len(EXPECT["calls"]), len(EXPECT["calls"])))
    for call in EXPECT["calls"]:
        number = call["record_number"]
        for engine, row in (("pyarrow", arrow[number]), ("DuckDB", ducks[number])):
            for name, expected in call.items():
                same(f"{engine} {name} of call {number}", plain(name, row[name]), expected)


def plain(name, value):
    """A value as EXPECTED_JSON writes it: bytes in hex, times in ISO 8601, maps as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if name == "started_at" and isinstance(value, int):
        value = EPOCH + datetime.timedelta(microseconds=value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if name.endswith("_map"):
        return dict(value)
    if isinstance(value, dict):
        return {key: plain(key, nested) for key, nested in value.items()}
    if isinstance(value, list):
        return [plain(name, nested) for nested in value]
    return value


def time_prunes_files():
    day, hour = EXPECT["prune"]["dt"], EXPECT["prune"]["hh"]
    # Not count(*), which DuckDB answers from footers without reading anything.
    query = f"SELECT count(DISTINCT record_number) FROM {CALLS} WHERE dt = '{day}' AND hh = '{hour}'"
    plan = "\n".join(text for _, text in duckdb.sql(f"EXPLAIN ANALYZE {query}").fetchall())
    opened = re.search(r"Total Files Read:\s*(\d+)", plan) or re.search(r"Scanning Files:\s*(\d+)/", plan)
    assert opened, plan
    same("files opened", int(opened[1]), EXPECT["prune"]["files"])
    same("rows of the hour", duckdb.sql(query).fetchall()[0][0], EXPECT["prune"]["rows"])


def bloom_filters_and_their_answers():
    for path in FILES:
        columns = duckdb.sql(f"""SELECT path_in_schema, bloom_filter_offset IS NOT NULL
                                 FROM parquet_metadata('{path}')""").fetchall()
        filtered = {name for name, has_filter in columns if has_filter}
        same("columns with bloom filter", filtered, BLOOM_FILTERED)
        known = duckdb.sql(f"SELECT pair_id FROM '{path}' LIMIT 1").fetchall()[0][0]
        for value, excluded in ((known, False), ("no-such-pair", True)):
            probe = duckdb.sql(f"SELECT bool_and(bloom_filter_excludes) FROM parquet_bloom_probe('{path}', 'pair_id', '{value}')")
            same(f"bloom filter excludes {value}", probe.fetchall()[0][0], excluded)


def page_index_order_codec_and_metadata():
    for path in FILES:
        metadata = pq.ParquetFile(path).metadata
        same("schema version", metadata.metadata[b"twintap.schema_version"], b"1")
        assert metadata.metadata[b"twintap.writer"].startswith(b"twintap ")
        for group_index in range(metadata.num_row_groups):
            group = metadata.row_group(group_index)
            assert group.num_rows <= EXPECT["row_group_rows_max"]
            order = [(column.column_index, column.descending, column.nulls_first) for column in group.sorting_columns]
            same("sorting columns", order, [(0, False, False), (1, False, False)])
            for column in (group.column(index) for index in range(group.num_columns)):
                same(f"codec of {column.path_in_schema}", column.compression, "ZSTD")
                assert column.has_offset_index, column.path_in_schema
                is_nested = "." in column.path_in_schema
                same(f"column index of {column.path_in_schema}", column.has_column_index, not is_nested)
                # Of what is nested, those by which a reader sees that there is nothing to read.
                field = column.path_in_schema.split(".")[-1]
                has_statistics = not is_nested or field in ("redacted", "compressed", "offset_ns")
                same(f"statistics of {column.path_in_schema}", column.is_stats_set, has_statistics)
        keys = pq.ParquetFile(path).read(["pair_bucket", "pair_id"]).to_pylist()
        keys = [(row["pair_bucket"], row["pair_id"]) for row in keys]
        same("row order", keys, sorted(keys))


def other_datasets():
    for dataset in ("pairs", "differences"):
        path = next(DATA.glob(f"{dataset}/v1/run=*/part-0.parquet"))
        file = pq.ParquetFile(path)
        for field, column in zip(file.schema_arrow, EXPECT[dataset]["columns"], strict=True):
            same(f"{dataset} column", field.name, column["name"])
            same(f"type of {field.name}", field.type, ARROW_TYPES[column["type"].removesuffix("?")])
        same(f"rows of {dataset}", file.metadata.num_rows, EXPECT[dataset]["rows"])
        runs = duckdb.sql(f"SELECT DISTINCT run_id, run::VARCHAR FROM read_parquet('{path}', hive_partitioning = true)").fetchall()
        same("run ids", runs, [(EXPECT["run"], EXPECT["run"])])
    orphans = duckdb.sql(f"""SELECT count(*) FROM read_parquet('{DATA}/differences/*/*/*.parquet') d
        ANTI JOIN {CALLS} c ON c.producer_id = d.primary_producer_id AND c.record_number = d.primary_record_number""")
    same("differences without their call", orphans.fetchall()[0][0], 0)


def folders_while_files_are_written():
    for dataset, rows in (("calls", len(EXPECT["calls"])), ("pairs", EXPECT["pairs"]["rows"])):
        folder = DATA / dataset / "v1"
        assert list(folder.rglob(".*.tmp")), f"nothing is being written in {folder}"
        same(f"rows below {folder}", pa.dataset.dataset(folder, partitioning="hive").count_rows(), rows)


def documented_queries():
    connection = duckdb.connect()
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        for statement in filter(str.strip, block.split(";")):
            statement = statement.replace("twintap-data/", f"{DATA}/").replace("2026-11-21", EXPECT["prune"]["dt"])
            if statement.lstrip().startswith("CREATE"):
                connection.execute(statement)
            else:
                rows = connection.execute(f"SELECT count(*) FROM ({statement})").fetchall()[0][0]
                assert rows > 0, f"no rows:\n{statement}"


assert FILES, f"no parts below {DATA}"
for check in (pyarrow_types_and_field_ids, duckdb_types, every_value, time_prunes_files,
              bloom_filters_and_their_answers, page_index_order_codec_and_metadata, other_datasets,
              folders_while_files_are_written, documented_queries):
    check()
    print(f"ok {check.__name__}")
