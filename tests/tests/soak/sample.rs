//! What everything uses and has done, at one moment.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use twintap_e2e::collector::Accounting;
use twintap_e2e::{live, process};

use crate::load::Made;
use crate::mesh::Mesh;

/// One moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) at: Duration,
    pub(crate) made: Made,
    pub(crate) accounting: Accounting,
    pub(crate) collector: Process,
    pub(crate) envoy: Process,
    /// The largest linear memory of a filter.
    pub(crate) vm_bytes: u64,
    pub(crate) journal_files: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) parquet_files: u64,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) rss_bytes: u64,
    /// Open ones, sockets too.
    pub(crate) files: u64,
    pub(crate) threads: u64,
}

impl Process {
    fn of(process: &process::Process) -> Self {
        Self {
            rss_bytes: process.rss_bytes(),
            files: process.open_files(),
            threads: process.threads(),
        }
    }

    fn json(self) -> Value {
        json!({"rss_bytes": self.rss_bytes, "files": self.files, "threads": self.threads})
    }
}

impl Sample {
    pub(crate) async fn take(mesh: &Mesh, at: Duration) -> Self {
        let data_dir = mesh.collector.data_dir();
        let (journal_files, journal_bytes) = journal(&data_dir);
        let memories = mesh.envoy.process.wasm_memories();
        Self {
            at,
            made: mesh.load.made(),
            accounting: mesh.collector.accounting(),
            collector: Process::of(mesh.collector.process()),
            envoy: Process::of(&mesh.envoy.process),
            vm_bytes: memories.into_iter().max().unwrap_or(0),
            journal_files,
            journal_bytes,
            parquet_files: live::parts_count(&data_dir) as u64,
        }
    }

    /// As people read it.
    pub(crate) fn line(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let seconds = self.at.as_secs();
        let (made, figure) = (&self.made, |name: &str| self.accounting.figure(name));
        format!(
            "{}:{:02}:{:02} issued {}, aborted {}, failed {}; stored {}, dropped {}, skipped {}; \
             collector {:.1} MiB, {} files, {} threads; envoy {:.1} MiB, {} files, {} threads, vm {:.1} MiB; \
             journal {:.1} MiB in {} files; parquet {} files",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            made.issued,
            made.aborted,
            made.failed,
            figure("stored"),
            self.accounting.reasons("dropped"),
            self.accounting.reasons("skipped"),
            mib(self.collector.rss_bytes),
            self.collector.files,
            self.collector.threads,
            mib(self.envoy.rss_bytes),
            self.envoy.files,
            self.envoy.threads,
            mib(self.vm_bytes),
            mib(self.journal_bytes),
            self.journal_files,
            self.parquet_files,
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "at_s": self.at.as_secs_f64(),
            "issued": self.made.issued,
            "aborted": self.made.aborted,
            "failed": self.made.failed,
            "observed": self.accounting.figure("observed"),
            "stored": self.accounting.figure("stored"),
            "dropped": self.accounting.figure("dropped"),
            "collector": self.collector.json(),
            "envoy": self.envoy.json(),
            "vm_bytes": self.vm_bytes,
            "journal_files": self.journal_files,
            "journal_bytes": self.journal_bytes,
            "parquet_files": self.parquet_files,
        })
    }
}

/// Files of the journal, and their bytes.
pub(crate) fn journal(data_dir: &Path) -> (u64, u64) {
    let entries = fs::read_dir(data_dir.join("journal")).expect("there is a journal");
    // Segments come and go.
    let sizes = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
}
