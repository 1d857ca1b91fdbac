//! Ingests captures and tells what was named.

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use twintap::call::{Observer, ServerRoles, Workload};
use twintap::clock::SystemClock;
use twintap::pipeline::ingest::{Ingested, OnProgress, Output, Settings, ingest};
use twintap::sources::capture::Source;
use twintap::sources::capture::learn::Descriptors;
use twintap_decode::link::LinkConfig;
use twintap_filter::methods::{Methods, Names};

/// What came of it.
pub(crate) struct Run {
    pub(crate) ingested: Ingested,
    pub(crate) calls: Vec<Call>,
}

/// One call, as its line says.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) client_port: u16,
    pub(crate) stream_id: u32,
    pub(crate) method: String,
    pub(crate) certainty: String,
}

impl Run {
    /// The names of calls from `client_port`, with their certainty, each once.
    pub(crate) fn names(&self, client_port: u16) -> Vec<(&str, &str)> {
        let calls = self.calls.iter().filter(|it| it.client_port == client_port);
        let mut names: Vec<_> = calls
            .map(|call| (call.method.as_str(), call.certainty.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Of calls from `client_port`, those that were not seen: how many, and how many are inferred.
    pub(crate) fn named(&self, client_port: u16) -> (usize, usize) {
        let calls = self.calls.iter().filter(|it| it.client_port == client_port);
        let unseen: Vec<_> = calls.filter(|call| call.certainty != "seen").collect();
        let inferred = unseen.iter().filter(|call| call.certainty == "inferred");
        (unseen.len(), inferred.count())
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Ingests `captures` in order.
pub(crate) fn run(
    captures: &[&[u8]],
    descriptors: Option<Descriptors>,
    threads_count: usize,
) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let files = captures.iter().enumerate().map(|(index, bytes)| {
        let path = folder.path().join(format!("{index}.pcap"));
        std::fs::write(&path, bytes).unwrap();
        path
    });
    let settings = Settings {
        inputs: files.map(Source::Path).collect(),
        threads_count,
        link: LinkConfig::default(),
        ports: Vec::new(),
        methods: Methods {
            include: Names::EMPTY,
            exclude: Names::EMPTY,
        },
        descriptors,
        observer: Observer {
            producer_id: [7; 16],
            workload: Arc::new(Workload::default()),
            roles: ServerRoles::default(),
            redact_headers: Names::EMPTY,
            redaction_key: None,
        },
        key_log: Arc::default(),
        progress: Arc::default(),
        on_progress: OnProgress(Box::new(|_| {})),
        stop: Arc::new(AtomicBool::new(false)),
        clock: SystemClock::shared(),
    };
    let lines = Lines::default();
    let ingested = ingest(settings, Output::Lines(Box::new(lines.clone()))).unwrap();
    let text = lines.0.lock().unwrap();
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    let calls: Vec<_> = lines
        .map(|line| call(&serde_json::from_slice(line).unwrap()))
        .collect();
    assert_eq!(u64::try_from(calls.len()).unwrap(), ingested.calls.written);
    Run { ingested, calls }
}

fn call(line: &Value) -> Call {
    let number = |key: &str| line[key].as_u64().unwrap_or_default();
    Call {
        client_port: u16::try_from(number("client_port")).unwrap(),
        stream_id: u32::try_from(number("stream_id")).unwrap(),
        method: line["method"].as_str().unwrap_or_default().to_owned(),
        certainty: line["method_certainty"].as_str().unwrap().to_owned(),
    }
}
