//! What rebuilding calls from packets came to: the accounting, what is told, the exit code.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use twintap_capture::Stats;

use super::packet_options::{Format, PacketOptions};
use super::{EXIT_INCOMPLETE, EXIT_IO, UsageError, ingest_summary};
use crate::clock::Clock;
use crate::pipeline::ingest::{CallCounts, Ingested, Output, ParquetOutput, Rotation};
use crate::report::rows::time_text;
use crate::sources::capture::Watched;
use crate::sources::capture::fingerprint;
use crate::sources::live::Told;
use crate::store::accounting::{Accounting, CapturedFile, Figures, PacketFigures};
use crate::store::data_dir::DataDir;
use crate::store::parquet::{WriteSettings, sweep_unfinished};

/// Where calls go, and its lock, to be kept until all is written.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) output: Output,
    pub(super) account: Option<Account>,
    _lock: Option<DataDir>,
}

impl Destination {
    /// Opens what `options` name. `on_published` is told how many calls are in the dataset.
    pub(super) fn open(
        options: &PacketOptions,
        producer_id: [u8; 16],
        clock: &Arc<dyn Clock>,
        rotation: Rotation,
        on_published: impl FnOnce(Account) -> Box<dyn FnMut(u64) + Send>,
    ) -> anyhow::Result<Self> {
        let output = match options.format {
            Format::None => Output::Nowhere,
            Format::Ndjson => Output::Lines(Box::new(std::io::stdout())),
            Format::Parquet => {
                let data_dir = DataDir::open(&options.data_dir)?;
                sweep_unfinished(data_dir.path())
                    .context("failed to remove half-written files of a crash")?;
                let account = Account {
                    data_dir: data_dir.path().to_owned(),
                    files: Vec::new(),
                    producer_id,
                    clock: Arc::clone(clock),
                };
                let output = Output::Parquet(ParquetOutput {
                    data_dir: data_dir.path().to_owned(),
                    settings: WriteSettings::default(),
                    rotation,
                    on_published: on_published(account.clone()),
                });
                return Ok(Self {
                    output,
                    account: Some(account),
                    _lock: Some(data_dir),
                });
            }
        };
        Ok(Self {
            output,
            account: None,
            _lock: None,
        })
    }
}

/// The accounting file of one capture.
#[derive(Clone, Debug)]
pub(super) struct Account {
    data_dir: PathBuf,
    files: Vec<CapturedFile>,
    producer_id: [u8; 16],
    clock: Arc<dyn Clock>,
}

impl Account {
    /// Which files the calls are of. Unless they may come `again`, one whose calls are in the dataset
    /// already is refused.
    pub(super) fn with_files(mut self, files: &[PathBuf], again: bool) -> anyhow::Result<Self> {
        for path in files {
            // One that cannot be read is told of when it is its turn.
            let Ok(Some(fingerprint)) = fingerprint(path) else {
                continue;
            };
            let before = Accounting::find_file(&self.data_dir, &fingerprint)
                .context("failed to read which captures were ingested before")?;
            let file = CapturedFile {
                path: path.display().to_string(),
                fingerprint,
            };
            let is_twice = self
                .files
                .iter()
                .any(|other| other.fingerprint == file.fingerprint);
            let when = match before {
                _ if again => None,
                Some((unix_ns, name)) => Some(format!("at {}, as {name}", time_text(unix_ns))),
                None => is_twice.then(|| "in this very command".to_owned()),
            };
            if let Some(when) = when {
                return Err(UsageError::error(format!(
                    "{} was ingested before ({when}): its calls would be there twice. Use another \
                     --data-dir, or --again",
                    path.display()
                )));
            }
            self.files.push(file);
        }
        Ok(self)
    }

    /// Before the first packet. It is replaced at the end: until then, and if the end never comes, nobody
    /// knows what is missing.
    pub(super) fn begin(&self) -> anyhow::Result<()> {
        self.save(self.accounting(Figures::default(), 1))
    }

    /// While a live capture runs: `published` calls are in the dataset. Those that were not ended or not
    /// written yet are not counted as observed.
    pub(super) fn so_far(
        &self,
        published: u64,
        calls: &CallCounts,
        told: &Told,
    ) -> anyhow::Result<()> {
        let figures = Figures {
            observed: published + calls.excluded,
            recorded: published,
            received: published,
            stored: published,
            published,
            skipped: [("method_excluded".to_owned(), calls.excluded)].into(),
            ..Figures::default()
        };
        let damaged_stretches = told.loss_bursts + calls.with_gap;
        self.save(Accounting {
            is_open: true,
            packets: Some(packet_figures(&told.stats)),
            ..self.accounting(figures, damaged_stretches)
        })
    }

    /// At the end.
    pub(super) fn end(&self, outcome: &Outcome<'_>) -> anyhow::Result<()> {
        let figures = figures(outcome.ingested);
        let told = outcome.live.as_ref();
        self.save(Accounting {
            packets: told.map(|live| packet_figures(&live.told.stats)),
            ..self.accounting(figures, outcome.damaged_stretches())
        })
    }

    fn accounting(&self, figures: Figures, damaged_stretches: u64) -> Accounting {
        let now_unix_ns = self.clock.unix_ns();
        let of_capture =
            Accounting::of_capture(&self.producer_id, figures, damaged_stretches, now_unix_ns);
        Accounting {
            files: self.files.clone(),
            ..of_capture
        }
    }

    fn save(&self, accounting: Accounting) -> anyhow::Result<()> {
        accounting
            .save_capture(&self.data_dir)
            .context("failed to write the accounting")
    }
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) ingested: &'a Ingested,
    /// Were secrets given?
    pub(super) is_key_log_given: bool,
    /// Of a live capture.
    pub(super) live: Option<Live>,
}

/// What else there is to a live capture.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) told: Told,
    /// Why it ended before it was asked to.
    pub(super) broken: Option<String>,
}

impl Outcome<'_> {
    /// Places in the captures where calls may have been that nobody saw.
    fn damaged_stretches(&self) -> u64 {
        let live = self.live.as_ref();
        let live = live.map_or(0, |live| {
            live.told.loss_bursts + u64::from(live.broken.is_some())
        });
        self.ingested.input_errors.len() as u64
            + self.ingested.reader.damages
            + self.ingested.link.broken.total()
            + self.ingested.watched.gaps
            + self.ingested.watched.tls.wanted_unseen
            + live
    }

    /// Warnings and the summary, on standard error.
    pub(super) fn tell(&self, seconds: f64, quiet: bool) {
        let ingested = self.ingested;
        let mut text = String::new();
        for error in &ingested.input_errors {
            text += &format!("twintap: {error}\n");
        }
        for (input, damage) in &ingested.damages {
            text += &format!("twintap: {input}: {damage}\n");
        }
        let told = ingested.damages.len() as u64;
        if let Some(more @ 1..) = ingested.reader.damages.checked_sub(told) {
            text += &format!("twintap: and {more} more damaged records\n");
        }
        if let Some(live) = &self.live {
            text += &live.warnings();
        }
        for nothing in self.nothing() {
            text += &format!("twintap: {nothing}\n");
        }
        if !quiet {
            if let Some(live) = &self.live {
                text += &ingest_summary::captured(&live.told.stats);
            }
            text += &ingest_summary::summary(ingested, seconds);
        }
        // With standard error closed there is nobody to tell.
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
    }

    /// What was asked for and did not come to anything, and why that may be.
    fn nothing(&self) -> Vec<String> {
        let (watched, tls) = (&self.ingested.watched, &self.ingested.watched.tls);
        let mut nothing = Vec::new();
        if watched.streams.calls == 0 {
            let hint = match watched {
                Watched { tcp, .. } if tcp.opened == 0 => {
                    "no TCP connection was seen, look at --port and the filter"
                }
                Watched {
                    encrypted_connections: 1..,
                    ..
                } => "TLS needs --tls-keylog",
                _ => "none of the connections spoke gRPC, as far as was seen",
            };
            nothing.push(format!("no call was found: {hint}"));
        }
        if self.is_key_log_given && tls.decrypted == 0 {
            let hint = match tls.connections {
                0 => "there is no TLS connection",
                _ => {
                    "it has no secret of any of the TLS connections, or they began before the capture"
                }
            };
            nothing.push(format!("--tls-keylog opened nothing: {hint}"));
        }
        nothing
    }

    /// What the summary says, in one number; signals are the caller's to tell.
    pub(super) fn exit_code(&self, strict: bool) -> u8 {
        let (watched, calls) = (&self.ingested.watched, &self.ingested.calls);
        let is_broken = self.live.as_ref().is_some_and(|live| live.broken.is_some());
        let failed = is_broken
            || !self.ingested.input_errors.is_empty()
            || self.ingested.unreadable_inputs > 0;
        let lacks = self.damaged_stretches() > 0
            || watched.unread_bytes > 0
            || watched.streams.given_up > 0
            || calls.incomplete > 0
            || !self.nothing().is_empty();
        if failed {
            EXIT_IO
        } else if strict && lacks {
            EXIT_INCOMPLETE
        } else {
            0
        }
    }
}

impl Live {
    fn warnings(&self) -> String {
        let mut text = String::new();
        if let Some(broken) = &self.broken {
            text += &format!(
                "twintap: {broken}; what came before is kept, what was dropped at the end is not known\n"
            );
        }
        let stats = &self.told.stats;
        if stats.kernel_dropped + stats.own_dropped > 0 {
            text += &format!(
                "twintap: {} packets were dropped because nobody took them in time: use a larger \
                 --buffer-bytes, a narrower filter, or more --threads\n",
                stats.kernel_dropped + stats.own_dropped
            );
        }
        if stats.interface_dropped > 0 {
            text += &format!(
                "twintap: the interface dropped {} packets, perhaps of other traffic\n",
                stats.interface_dropped
            );
        }
        text
    }
}

/// Streams of which too little was captured to be calls are calls lost, as far as anyone knows.
fn figures(ingested: &Ingested) -> Figures {
    let (streams, calls) = (&ingested.watched.streams, &ingested.calls);
    let named = |name: &str, count: u64| (name.to_owned(), count);
    Figures {
        observed: streams.streams,
        recorded: calls.written,
        received: calls.written,
        stored: calls.written,
        published: calls.written,
        dropped: [named("not_captured", streams.given_up)].into(),
        skipped: [
            named("not_grpc", streams.not_grpc),
            named("method_excluded", calls.excluded),
        ]
        .into(),
        ..Figures::default()
    }
}

fn packet_figures(stats: &Stats) -> PacketFigures {
    PacketFigures {
        received: stats.received,
        written: stats.written,
        kernel_dropped: stats.kernel_dropped,
        interface_dropped: stats.interface_dropped,
        own_dropped: stats.own_dropped,
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people, of two digits")]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
