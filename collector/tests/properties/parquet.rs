//! Parts of the dataset: an error that names the file, or calls that can be written again.
//!
//! A changed byte is found by the checksum, before anything is decoded. So each input is tried twice:
//! as it is, and with the checksum put right.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use twintap::call::{Call, CallId, Direction, Header, Message};
use twintap::store::parquet::{Dataset, Projection, ReadError, WriteSettings, write_part};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::call::answer;
use super::folder;

/// What stands before the digits of the checksum: its key, and how Thrift says that 16 bytes follow.
const CHECKSUM: &[u8] = b"twintap.xxh3\x18\x10";

/// `bytes` are a file.
pub(crate) fn check(bytes: &[u8]) {
    let folder = folder::temporary();
    let path = place(folder.path());
    std::fs::write(&path, bytes).unwrap();
    let calls = read(folder.path(), &path);
    let sealed = sealed(bytes);
    if sealed != bytes {
        assert!(calls.is_err(), "a changed byte was not found");
        std::fs::write(&path, &sealed).unwrap();
    }
    if let Ok(calls) = read(folder.path(), &path) {
        assert_writable(calls);
    }
}

/// Where the one part is below `root`, whose folders are made.
fn place(root: &Path) -> PathBuf {
    static NAME: OnceLock<PathBuf> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let folder = folder::temporary();
        let path = written(vec![call()], folder.path()).unwrap().remove(0);
        path.strip_prefix(folder.path()).unwrap().to_owned()
    });
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// A call with something in most columns.
pub(crate) fn call() -> Call {
    let header = Header {
        name: "x-a".into(),
        value: "b".into(),
        redacted: false,
    };
    let mut call = Call {
        id: CallId {
            producer_id: [7; 16],
            record_number: 1,
        },
        started_unix_ns: 1_785_578_400_000_000_000,
        request_metadata: vec![header.clone()],
        trailers: vec![header],
        request_id: "f5a88b34-0a41-4bf4-8c3e-0123456789ab".into(),
        ..answer("shop.v1.Shop/Get", b"\x08\x01")
    };
    call.request.messages = vec![Message::default()];
    call
}

/// The files of a part with `calls`.
pub(crate) fn written(calls: Vec<Call>, root: &Path) -> Option<Vec<PathBuf>> {
    let part = write_part(calls, root, Uuid::nil(), &WriteSettings::default()).ok()?;
    Some(part.paths.into_iter().collect())
}

/// The calls below `root`; an error names the file at `path`.
fn read(root: &Path, path: &Path) -> Result<Vec<Call>, ReadError> {
    let calls = || -> Result<Vec<Call>, ReadError> {
        let dataset = Dataset::open(root)?;
        dataset.verify()?;
        let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
        calls.map(|call| call.map(|call| *call)).collect()
    };
    calls().inspect_err(|error| {
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    })
}

/// Panics unless `calls` come back equal from another part: text as far as it is UTF-8, all else exactly. Refused
/// is what no writer of ours has.
pub(crate) fn assert_writable(calls: Vec<Call>) {
    let Some(once) = round_trip(calls.clone()) else {
        return;
    };
    let exact = |calls: Vec<Call>| by_id(calls).into_iter().map(exact).collect::<Vec<_>>();
    assert_eq!(exact(once.clone()), exact(calls));
    let twice = round_trip(once.clone()).unwrap();
    assert_eq!(by_id(twice), by_id(once));
}

/// The same calls, read from a part that was made of them.
fn round_trip(calls: Vec<Call>) -> Option<Vec<Call>> {
    let folder = folder::temporary();
    let paths = written(calls, folder.path())?;
    let read = |path: &PathBuf| read(folder.path(), path).unwrap();
    Some(paths.first().map(read).unwrap_or_default())
}

fn by_id(mut calls: Vec<Call>) -> Vec<Call> {
    calls.sort_by_key(|call| (call.id, call.started_unix_ns));
    calls
}

/// A call without what is text: `name`s, addresses, ids.
fn exact(call: Call) -> Call {
    let without_name = |header| Header {
        name: Bytes::new(),
        ..header
    };
    let blocks = [call.request_metadata, call.response_metadata, call.trailers];
    let [request_metadata, response_metadata, trailers] =
        blocks.map(|block| block.into_iter().map(without_name).collect());
    let without_encoding = |direction| Direction {
        encoding: Bytes::new(),
        ..direction
    };
    Call {
        workload: Arc::default(),
        rpc_method: String::new(),
        authority: Bytes::new(),
        pair_id: Bytes::new(),
        request_id: Bytes::new(),
        request_metadata,
        response_metadata,
        trailers,
        request: without_encoding(call.request),
        response: without_encoding(call.response),
        status_message: Bytes::new(),
        cluster_name: Bytes::new(),
        route_name: Bytes::new(),
        server_address: Bytes::new(),
        client_address: Bytes::new(),
        peer_identity: Bytes::new(),
        response_code_details: Bytes::new(),
        ..call
    }
}

/// The same file with the checksum that it should have, if it has one.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let key = bytes
        .windows(CHECKSUM.len())
        .rposition(|window| window == CHECKSUM);
    let Some(at) = key.map(|at| at + CHECKSUM.len()) else {
        return sealed;
    };
    if let Some(digits) = sealed.get_mut(at..at + 16) {
        digits.fill(b'0');
        let sum = format!("{:016x}", xxh3_64(&sealed));
        sealed[at..at + 16].copy_from_slice(sum.as_bytes());
    }
    sealed
}
