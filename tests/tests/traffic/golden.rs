//! The golden batches of `record/tests/corpus/`, and how to post a batch.

use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use twintap_e2e::{artifacts, http1};
use twintap_record::{CONTENT_TYPE, Message, PATH, RecordBatch};

/// All of them, by the names of their files.
pub(crate) fn batches() -> Vec<(String, RecordBatch)> {
    let folder = artifacts::workspace().join("record/tests/corpus");
    let files = fs::read_dir(folder).expect("the corpus");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "bin"));
    paths.sort();
    let batch = |path: std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let bytes = Bytes::from(fs::read(&path).expect("a batch"));
        (
            name.into_owned(),
            RecordBatch::decode(bytes).expect("a batch"),
        )
    };
    paths.into_iter().map(batch).collect()
}

/// Posts a batch; the answer's status and JSON.
pub(crate) async fn post(address: SocketAddr, batch: impl Into<Bytes>) -> (StatusCode, Value) {
    let headers = [("content-type", CONTENT_TYPE)];
    let answer = http1::request(address, "POST", PATH, &headers, batch.into()).await;
    let (status, body) = answer.expect("the collector answers");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
