//! Data directories with recorded calls, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use tempfile::TempDir;
use twintap::call::{Call, CallId, Direction, End, Message, Position, Role, Status};
use twintap::store::parquet::{WriteSettings, write_part};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// Start of the first call: 2026-08-01T10:00:00Z.
const START_NS: u64 = 1_785_578_400_000_000_000;

/// A data directory that is removed when dropped.
pub(crate) struct Recording {
    folder: TempDir,
    parts: u128,
}

impl Recording {
    pub(crate) fn new() -> Self {
        let recording = Self::copied();
        std::fs::write(recording.path().join("twintap.json"), "{\"format\":1}").unwrap();
        recording
    }

    /// As [`Self::new`], but a folder that no collector made.
    pub(crate) fn copied() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            parts: 0,
        }
    }

    /// Adds one part with `calls`.
    pub(crate) fn part(mut self, calls: Vec<Call>) -> Self {
        self.parts += 1;
        let id = Uuid::from_u128(self.parts);
        write_part(calls, self.folder.path(), id, &WriteSettings::default()).unwrap();
        self
    }

    /// Adds the collector's accounting with that many calls dropped by the filter.
    pub(crate) fn dropped(self, calls: u64) -> Self {
        let producer = |byte: u8| {
            let mut producer = figures(0);
            producer["producer_id"] = format!("{byte:02x}").repeat(16).into();
            producer["first_seen_unix_ns"] = 0.into();
            producer["last_seen_unix_ns"] = 0.into();
            producer
        };
        // All that any test makes calls of.
        let producers: Vec<_> = (0..=u8::MAX).map(producer).collect();
        let accounting = serde_json::json!({
            "version": 1, "written_unix_ns": 0, "forgotten_count": 0, "damaged_stretches": 0,
            "producers": producers, "forgotten": figures(0), "total": figures(calls),
        });
        std::fs::write(self.path().join("accounting.json"), accounting.to_string()).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `twintap compare` on it.
    pub(crate) fn compare(&self, arguments: &[&str]) -> Output {
        twintap(Some(self.path()), arguments)
    }

    /// Runs `twintap show PAIR` on it.
    pub(crate) fn show(&self, pair: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_twintap"))
            .args(["show", pair])
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Files below `dataset`.
    pub(crate) fn files(&self, dataset: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().join(dataset)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    found.push(path)
                }
            }
        }
        found
    }
}

fn figures(dropped: u64) -> serde_json::Value {
    let mut figures = serde_json::json!({ "dropped": { "buffer_full": dropped }, "skipped": {} });
    for name in [
        "observed",
        "in_flight",
        "recorded",
        "refused",
        "undelivered",
        "pending",
        "received",
        "duplicates",
        "quarantined",
        "stored",
        "published",
        "journaled",
        "batches",
        "batches_retried",
        "host_errors",
    ] {
        figures[name] = 0.into();
    }
    figures
}

/// Runs the program.
pub(crate) fn twintap(data_dir: Option<&Path>, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twintap"))
        .arg("compare")
        .args(data_dir)
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// `count` calls from number `from`, both sides; every `differing`-th answer differs.
pub(crate) fn calls(from: u64, count: u64, differing: u64) -> Vec<Call> {
    (from..from + count)
        .flat_map(|number| {
            let new = if differing > 0 && number % differing == 0 {
                "BERLIN"
            } else {
                "Berlin"
            };
            [
                call(number, Role::Primary, "Berlin"),
                call(number, Role::Candidate, new),
            ]
        })
        .collect()
}

/// One side of call `number`, answering `text` in field 1.
pub(crate) fn call(number: u64, role: Role, text: &str) -> Call {
    let message = |text: &str| {
        let mut bytes = vec![0x0a, u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        Direction {
            body_bytes: bytes.len() as u64 + 5,
            body_digest: Some(xxh3_64(&bytes)),
            messages: vec![Message {
                declared_bytes: u32::try_from(bytes.len()).unwrap(),
                bytes: bytes.into(),
                ..Message::default()
            }],
            messages_count: Some(1),
            end_stream: true,
            ..Direction::default()
        }
    };
    Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number + 1,
        },
        role,
        position: Position::Upstream,
        rpc_method: "shop.v1.Shop/GetItem".to_owned(),
        started_unix_ns: START_NS + number * 1_000_000,
        pair_id: Bytes::from(format!("pair-{number}")),
        attempt: Some(1),
        request: message(&number.to_string()),
        response: message(text),
        status: Some(Status::OK),
        http_status: Some(200),
        end: End::Complete,
        sampled_ppm: 1_000_000,
        ..Call::default()
    }
}
