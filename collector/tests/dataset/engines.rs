//! DuckDB and pyarrow see what was written; the Python side is `tests/python/check_dataset.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use twintap::call::{Call, Header, Message, pair_bucket};
use twintap::store::parquet::{
    ColumnDescription, DifferencesWriter, PairsWriter, WriteSettings, describe_calls,
    describe_differences, describe_pairs, write_part,
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{results, samples, venv};

const CALLS_COUNT: u64 = 60;
const RESULTS_COUNT: u64 = 12;

#[test]
fn duckdb_and_pyarrow_read_types_values_and_indexes() {
    let root = tempfile::tempdir().unwrap();
    let settings = WriteSettings {
        row_group_rows_max: 16,
        ..WriteSettings::default()
    };
    let calls = samples::calls(CALLS_COUNT);
    let (first, second) = calls.split_at(30);
    let mut files = Vec::new();
    for part in [first, second] {
        let written = write_part(part, root.path(), Uuid::now_v7(), &settings);
        files.extend(written.unwrap().paths);
    }
    let run = Uuid::now_v7();
    let mut pairs = PairsWriter::create(root.path(), run).unwrap();
    let mut differences = DifferencesWriter::create(root.path(), run).unwrap();
    for number in 0..RESULTS_COUNT {
        pairs.push(results::pair(number)).unwrap();
        differences.push(results::difference(number)).unwrap();
    }
    pairs.finish().unwrap();
    differences.finish().unwrap();
    // What another run is writing is in nobody's way.
    let _unfinished = PairsWriter::create(root.path(), Uuid::now_v7()).unwrap();
    fs::write(files[0].with_file_name(".part-0.parquet.tmp"), "half").unwrap();

    // Of the samples, five start before ten o'clock: in the first part only.
    let expected = json!({
        "columns": columns(&describe_calls()),
        "calls": calls.iter().map(expected).collect::<Vec<_>>(),
        "row_group_rows_max": 16,
        "prune": { "dt": "2026-11-21", "hh": "09", "files": 1, "rows": 5 },
        "run": run.to_string(),
        "pairs": { "columns": columns(&describe_pairs()), "rows": RESULTS_COUNT },
        "differences": { "columns": columns(&describe_differences()), "rows": RESULTS_COUNT },
    });
    let expected_path = root.path().join("expected.json");
    fs::write(&expected_path, expected.to_string()).unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dataset.md");
    venv::run(
        "check_dataset.py",
        &[root.path(), &expected_path, &document],
    );
}

#[test]
fn the_document_describes_the_columns() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dataset.md");
    let document = fs::read_to_string(path).unwrap();
    let tables = [
        ("calls", describe_calls()),
        ("pairs", describe_pairs()),
        ("differences", describe_differences()),
    ];
    let sections = tables.map(|(name, columns)| format!("## `{name}`\n\n{}", table(&columns)));
    let missing: Vec<_> = sections
        .iter()
        .filter(|section| !document.contains(*section))
        .collect();
    for section in &missing {
        println!("{section}");
    }
    assert!(missing.is_empty(), "docs/dataset.md should say the above");
}

fn table(columns: &[ColumnDescription]) -> String {
    let rows = columns.iter().map(|column| {
        format!(
            "| `{}` | {} | {} |\n",
            column.name,
            column.data_type.replace('<', "\\<"),
            column.meaning
        )
    });
    "| column | type | meaning |\n| --- | --- | --- |\n".to_owned() + &rows.collect::<String>()
}

fn columns(columns: &[ColumnDescription]) -> Vec<Value> {
    columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.data_type }))
        .collect()
}

/// The row of `call`, written out once more by hand: bytes in hex, times in ISO 8601.
fn expected(call: &Call) -> Value {
    let started = jiff::Timestamp::from_nanosecond(i128::from(call.started_unix_ns)).unwrap();
    let mut row = json!({
        "pair_bucket": pair_bucket(call),
        "pair_id": text(&call.pair_id),
        "request_id": text(&call.request_id),
        "trace_id": call.trace_id.map(|id| hex(&id)),
        "producer_id": hex(&call.id.producer_id),
        "record_number": call.id.record_number,
        "role": if call.id.record_number.is_multiple_of(2) { "primary" } else { "candidate" },
        "position": "upstream",
        "service": call.workload.service,
        "workload_name": call.workload.workload_name,
        "pod_name": call.workload.pod_name,
        "pod_namespace": call.workload.pod_namespace,
        "node_id": call.workload.node_id,
        "app_version": call.workload.app_version,
        "recorder_version": call.workload.recorder_version,
        "rpc_method": call.rpc_method,
        "authority": text(&call.authority),
        "started_at": started.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "started_ns_rest": call.started_unix_ns % 1000,
        "duration_ns": call.timing.duration_ns,
        "request_end_ns": call.timing.request_end_ns,
        "response_headers_ns": call.timing.response_headers_ns,
        "response_end_ns": call.timing.response_end_ns,
        "attempt": call.attempt,
        "status_code": call.status.map(|status| status.0),
        "status_name": if call.id.record_number.is_multiple_of(2) { "OK" } else { "NOT_FOUND" },
        "status_message": text(&call.status_message),
    });
    let rest = json!({
        "status_details": (!call.status_details.is_empty()).then(|| hex(&call.status_details)),
        "http_status": call.http_status,
        "trailers_only": call.trailers_only,
        "end": "complete",
        "request_metadata": metadata(&call.request_metadata),
        "response_metadata": metadata(&call.response_metadata),
        "response_trailers": metadata(&call.trailers),
        "request_metadata_map": metadata_map(&call.request_metadata),
        "response_metadata_map": metadata_map(&call.response_metadata),
        "response_trailers_map": metadata_map(&call.trailers),
        "request_messages": messages(&call.request.messages),
        "response_messages": messages(&call.response.messages),
        "request_messages_count": call.request.messages_count,
        "response_messages_count": call.response.messages_count,
        "request_body_bytes": call.request.body_bytes,
        "response_body_bytes": call.response.body_bytes,
        "request_body_digest": call.request.body_digest.map(u64::cast_signed),
        "response_body_digest": call.response.body_digest.map(u64::cast_signed),
        "request_truncated": call.request.truncated,
        "response_truncated": call.response.truncated,
        "request_end_stream": call.request.end_stream,
        "response_end_stream": call.response.end_stream,
        "request_encoding": text(&call.request.encoding),
        "response_encoding": text(&call.response.encoding),
        "incomplete": call.incomplete,
        "cluster_name": text(&call.cluster_name),
        "route_name": text(&call.route_name),
        "server_address": text(&call.server_address),
        "client_address": text(&call.client_address),
        "peer_identity": text(&call.peer_identity),
        "response_flags": call.response_flags,
        "response_code_details": text(&call.response_code_details),
        "sampled_ppm": call.sampled_ppm,
        "rpc_method_certainty": "seen",
        "status_certainty": "seen",
        "gap": call.gap,
        "stream_id": call.stream_id,
    });
    let fields = |value: Value| -> Map<String, Value> { serde_json::from_value(value).unwrap() };
    let mut all = fields(row.take());
    all.extend(fields(rest));
    assert_eq!(all.len(), describe_calls().len(), "every column is checked");
    Value::Object(all)
}

fn text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn metadata(headers: &[Header]) -> Value {
    let headers = headers.iter().map(|header| {
        json!({ "name": text(&header.name), "value": hex(&header.value), "redacted": header.redacted })
    });
    headers.collect()
}

fn metadata_map(headers: &[Header]) -> BTreeMap<String, String> {
    let mut map = BTreeMap::<String, String>::new();
    for header in headers {
        let value = String::from_utf8_lossy(&header.value).into_owned();
        map.entry(String::from_utf8_lossy(&header.name).into_owned())
            .and_modify(|joined| *joined = format!("{joined}, {value}"))
            .or_insert(value);
    }
    map
}

fn messages(messages: &[Message]) -> Value {
    let messages = messages.iter().map(|message| {
        json!({
            "offset_ns": message.offset_ns,
            "compressed": message.compressed,
            "declared_bytes": message.declared_bytes,
            "digest": xxh3_64(&message.bytes).cast_signed(),
            "bytes": hex(&message.bytes),
        })
    });
    messages.collect()
}
