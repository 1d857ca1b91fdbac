//! What the client sends and the server answers, and the log of what happened.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tonic::metadata::{
    AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataKey, BinaryMetadataValue, KeyAndValueRef,
    MetadataMap,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Names and values; those of `-bin` names are base64.
pub(crate) type Pairs = Vec<(String, String)>;

/// See `plan.py`.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) methods: HashMap<String, String>,
    pub(crate) connections: usize,
    pub(crate) gzip_connection: usize,
    pub(crate) phases: usize,
    pub(crate) workers_per_connection: usize,
    pub(crate) max_age_ms: u64,
    pub(crate) pause_ms: u64,
    pub(crate) header_table_bytes: u32,
    pub(crate) calls: Vec<Call>,
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) kind: String,
    pub(crate) action: String,
    pub(crate) phase: usize,
    pub(crate) connection: usize,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) metadata: Pairs,
    pub(crate) request: Vec<String>,
    pub(crate) answer: Answer,
}

/// What the server answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) headers: Pairs,
    pub(crate) response: Vec<String>,
    pub(crate) trailers: Pairs,
    pub(crate) status: i32,
    pub(crate) message: String,
    pub(crate) details: Option<String>,
}

/// Messages of the plan.
pub(crate) fn messages(encoded: &[String]) -> Result<Vec<Bytes>, Error> {
    let decoded = encoded
        .iter()
        .map(|message| Ok(STANDARD.decode(message)?.into()));
    decoded.collect()
}

/// Metadata of the plan. Secrets must never be indexed.
pub(crate) fn add_metadata(target: &mut MetadataMap, pairs: &Pairs) -> Result<(), Error> {
    for (name, value) in pairs {
        if name.ends_with("-bin") {
            let key: BinaryMetadataKey = name.parse()?;
            target.append_bin(
                key,
                BinaryMetadataValue::from_bytes(&STANDARD.decode(value)?),
            );
        } else {
            let key: AsciiMetadataKey = name.parse()?;
            let mut value: AsciiMetadataValue = value.parse()?;
            value.set_sensitive(name == "authorization");
            target.append(key, value);
        }
    }
    Ok(())
}

/// Metadata as it is logged.
pub(crate) fn pairs(metadata: &MetadataMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let entries = metadata.iter().map(|entry| match entry {
        KeyAndValueRef::Ascii(key, value) => (key.to_string(), text(value.as_encoded_bytes())),
        KeyAndValueRef::Binary(key, value) => (key.to_string(), text(value.as_encoded_bytes())),
    });
    entries.collect()
}

/// Length and digest of each message.
pub(crate) fn digests(messages: &[Bytes]) -> Value {
    let digest = |message: &Bytes| {
        let sha = Sha256::digest(message);
        let sha: String = sha
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({"len": message.len(), "sha": sha})
    };
    messages.iter().map(digest).collect()
}

/// JSON lines.
#[derive(Debug)]
pub(crate) struct Log(Mutex<File>);

impl Log {
    pub(crate) fn create(path: &str) -> Result<Self, Error> {
        Ok(Self(Mutex::new(File::create(path)?)))
    }

    pub(crate) fn write(&self, line: &Value) {
        if let Ok(mut file) = self.0.lock()
            && let Err(error) = writeln!(file, "{line}")
        {
            eprintln!("failed to log: {error}");
        }
    }
}
