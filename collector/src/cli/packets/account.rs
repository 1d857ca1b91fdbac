//! The accounting file of a capture, and what runs before it have to do with it.
//!
//! Which files a run is of is told by their fingerprints. A file whose calls are in the dataset is refused, unless
//! they may be there twice or are to be replaced; what a run that did not come to its end left of the same files
//! is replaced. Of a file that may be the beginning of
//! a longer one, the calls may be there: it is refused, and replaces nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use twintap_capture::Stats;

use super::outcome::Outcome;
use crate::cli::{UsageError, terminal};
use crate::clock::Clock;
use crate::pipeline::ingest::{CallCounts, Ingested};
use crate::report::figures::count;
use crate::report::rows::time_text;
use crate::sources::capture::{Head, Known};
use crate::sources::live::Told;
use crate::store::accounting::{Accounting, CapturedFile, Figures, PacketFigures, Recorders};
use crate::store::fsck::replaced;
use crate::store::parquet::{remove_run, run_calls, unknown_runs};

/// Why calls are skipped, as the accounting names it.
const METHOD_EXCLUDED: &str = "method_excluded";

/// What to do about files whose calls are in the dataset already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Already {
    /// Nothing is read.
    Refuse,
    /// Their calls are there twice then.
    Add,
    /// What is there of them is removed.
    Replace,
}

/// The accounting file of one capture.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Account {
    data_dir: PathBuf,
    files: Vec<CapturedFile>,
    /// Runs that this one replaces, and why.
    replaced: Vec<(Accounting, Why)>,
    producer_id: [u8; 16],
    clock: Arc<dyn Clock>,
}

impl Account {
    /// Of a run that writes to `data_dir`.
    pub(in crate::cli) fn new(
        data_dir: &Path,
        producer_id: [u8; 16],
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            files: Vec::new(),
            replaced: Vec::new(),
            producer_id,
            clock: Arc::clone(clock),
        }
    }

    /// Which files the calls are of, and what becomes of those whose calls are in the dataset `already`.
    /// What an interrupted run left of them is replaced in any case.
    pub(in crate::cli) fn with_files(
        mut self,
        files: &[PathBuf],
        already: Already,
    ) -> anyhow::Result<Self> {
        let runs = Accounting::of_captures(&self.data_dir)
            .context("failed to read which captures were ingested before")?;
        let adds = already == Already::Add;
        if !adds {
            refuse_unknown(&self.data_dir, &runs)?;
        }
        let mut given: Vec<Given> = Vec::new();
        for path in files {
            // One that cannot be read is told of when it is its turn.
            let Ok(Some(head)) = Head::read(path) else {
                continue;
            };
            let Some(fingerprint) = head.fingerprint() else {
                continue;
            };
            let file = CapturedFile {
                path: path.display().to_string(),
                fingerprint,
            };
            let mut others = given.iter().map(|other| &other.file);
            let twin = others.find_map(|other| Some((other, head.knows(&other.fingerprint)?)));
            if let Some((other, known)) = twin.filter(|_| !adds) {
                return Err(given_twice(&file, other, known));
            }
            let before = runs.iter().flat_map(|run| &run.files);
            let known =
                before.filter_map(|before| Some((before, head.knows(&before.fingerprint)?)));
            given.push(Given {
                known: known
                    .map(|(before, known)| (before.clone(), known))
                    .collect(),
                file,
            });
        }
        for run in &runs {
            let calls_left = || calls_left(&self.data_dir, run);
            match check_before(run, &given, already, calls_left) {
                Ok(Before::Replaced(why)) if why == Why::Partial || !adds => {
                    self.replaced.push((run.clone(), why));
                }
                Err(error) if !adds => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        if already == Already::Replace && self.replaced.is_empty() {
            let dir = self.data_dir.display();
            terminal::tell(format_args!("--replace: {dir} has no calls of these files"));
        }
        self.files = given.into_iter().map(|given| given.file).collect();
        Ok(self)
    }

    /// Can what this run writes be found by the next one?
    pub(in crate::cli) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Before the first packet. It is replaced at the end: until then, and if the end never comes, nobody
    /// knows what is missing.
    pub(in crate::cli) fn begin(&self) -> anyhow::Result<()> {
        self.save(Accounting {
            is_partial: true,
            ..self.accounting(Figures::default(), 1)
        })?;
        // Only now, so that whatever happens something says that calls are missing.
        let mut replaced = self.replaced.iter();
        replaced.try_for_each(|(run, why)| self.replace(run, *why))
    }

    fn replace(&self, run: &Accounting, why: Why) -> anyhow::Result<()> {
        let when = time_text(run.written_unix_ns);
        for id in run.producer_ids() {
            let removed = remove_run(&self.data_dir, id).with_context(|| {
                format!("failed to remove what is left of the ingest of {when}")
            })?;
            replaced(&self.data_dir, id)
                .context("failed to account for what was moved aside of a run that is replaced")?;
            let calls = removed.calls;
            let text = match why {
                Why::Lacking => format!(
                    "of the {} calls of an ingest of these files (at {when}) {calls} are left: this one \
                     replaces them",
                    run.total.published
                ),
                Why::Asked => format!(
                    "an ingest of these files (at {when}) is replaced: its {} are removed",
                    count(calls, "call")
                ),
                Why::Empty | Why::Partial if removed.files == 0 => continue,
                Why::Empty | Why::Partial => format!(
                    "an ingest of these files did not end (at {when}): this one replaces the {calls} \
                     calls that it left"
                ),
            };
            terminal::tell(text);
        }
        run.remove_capture(&self.data_dir)
            .context("failed to remove the accounting of a run that is replaced")
    }

    /// While a live capture runs: `published` calls are in the dataset. Those that were not ended or not
    /// written yet are not counted as observed.
    pub(in crate::cli) fn so_far(
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
            skipped: [(METHOD_EXCLUDED.to_owned(), calls.excluded)].into(),
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
    pub(in crate::cli) fn end(&self, outcome: &Outcome<'_>) -> anyhow::Result<()> {
        let figures = figures(outcome.ingested);
        let told = outcome.live.as_ref();
        // A pipe that is stopped was a capture that ended.
        let is_partial = outcome.ingested.is_stopped && !self.files.is_empty();
        let damaged_stretches = outcome.damaged_stretches() + u64::from(is_partial);
        let accounting = Accounting {
            packets: told.map(|live| packet_figures(&live.told.stats)),
            is_partial,
            ..self.accounting(figures, damaged_stretches)
        };
        // Nothing could be read: there is nothing to account for.
        if told.is_none() && outcome.ingested.reader.packets == 0 && damaged_stretches == 0 {
            return accounting
                .remove_capture(&self.data_dir)
                .context("failed to remove the accounting of an ingest that read nothing");
        }
        self.save(accounting)
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

/// A file, and those of earlier runs that it, or its beginning, is.
struct Given {
    file: CapturedFile,
    known: Vec<(CapturedFile, Known)>,
}

impl Given {
    fn known(&self, file: &CapturedFile) -> Option<Known> {
        let mut known = self.known.iter();
        known
            .find(|(known, _)| known.fingerprint == file.fingerprint)
            .map(|(_, known)| *known)
    }
}

/// Refuses to add to calls of captures of which no accounting file knows: they may be those of the files given.
fn refuse_unknown(data_dir: &Path, runs: &[Accounting]) -> anyhow::Result<()> {
    let unknown = unknown_runs(data_dir, Recorders::of(runs).ids())
        .context("failed to look for calls of other captures")?;
    let Some(first) = unknown.files.first() else {
        return Ok(());
    };
    let others = match unknown.files.len() {
        1 => String::new(),
        files => format!(" and {} more", count(files as u64 - 1, "file")),
    };
    Err(UsageError::error(format!(
        "{} has {} of a capture whose accounting file is gone ({}{others}): whether the captures given are that \
         one is not known, and its calls would be there twice. Move these files away, use another --data-dir, \
         or --again, which adds to them",
        data_dir.display(),
        count(unknown.calls, "call"),
        first.display(),
    )))
}

/// Why `file` is not ingested beside `other`, which is given too.
fn given_twice(file: &CapturedFile, other: &CapturedFile, known: Known) -> anyhow::Error {
    let (path, other) = (&file.path, &other.path);
    UsageError::error(match known {
        Known::Whole => format!(
            "{path} is given twice: its calls would be there twice. Give it once, or use --again"
        ),
        Known::Head | Known::Beginning => format!(
            "{path} begins with all that {other} has, or with as much of it as is compared: its calls would be \
             there twice. Give the longer one, or use --again"
        ),
        Known::FirstPacket => format!(
            "{path} begins with the same packet as {other}, which is longer; what follows is not compared. If it \
             is the beginning of that, its calls would be there twice: give the longer one. If not, use --again"
        ),
    })
}

/// Calls that are left of `run`.
fn calls_left(data_dir: &Path, run: &Accounting) -> anyhow::Result<u64> {
    let ids = run.producer_ids();
    let calls: Result<Vec<u64>, _> = ids.map(|id| run_calls(data_dir, id)).collect();
    let calls = calls.context("failed to look what is left of an earlier ingest")?;
    Ok(calls.into_iter().sum())
}

/// Why an earlier run makes way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It found nothing.
    Empty,
    /// It did not come to its end.
    Partial,
    /// Some of its calls are gone, or cannot be read.
    Lacking,
    /// The user wants it.
    Asked,
}

/// What becomes of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It is removed.
    Replaced(Why),
    /// It was of other files; or it was of others too, and found nothing.
    Kept,
}

/// What becomes of `run`, of whose calls so many are left, in favour of one of the files `given`?
fn check_before(
    run: &Accounting,
    given: &[Given],
    already: Already,
    calls_left: impl FnOnce() -> anyhow::Result<u64>,
) -> anyhow::Result<Before> {
    let known = run.files.iter().flat_map(|file| {
        let given = given.iter();
        given.filter_map(move |given| Some((file, given, given.known(file)?)))
    });
    // What is sure is told first.
    let Some((file, given_file, known)) = known.min_by_key(|(_, _, known)| *known) else {
        return Ok(Before::Kept);
    };
    let path = &given_file.file.path;
    let before = format!("(at {}, as {})", time_text(run.written_unix_ns), file.path);
    let is_empty = run.total.published == 0;
    let what = match known {
        Known::Whole => path.clone(),
        Known::Head => format!("{path}, or its beginning,"),
        Known::Beginning => format!("the beginning of {path}"),
        Known::FirstPacket if is_empty && !run.is_partial => return Ok(Before::Kept),
        Known::FirstPacket => return Err(begins_alike(path, &before, run.is_partial)),
    };
    let why = match (run.is_partial, is_empty) {
        (true, _) => Some(Why::Partial),
        (false, true) => Some(Why::Empty),
        (false, false) if already == Already::Replace => Some(Why::Asked),
        (false, false) if calls_left()? < run.total.published => Some(Why::Lacking),
        (false, false) => None,
    };
    let is_given = |file: &CapturedFile| {
        let mut known = given.iter().filter_map(|given| given.known(file));
        known.any(|known| known != Known::FirstPacket)
    };
    let other = run.files.iter().find(|file| !is_given(file));
    let (how, other, gone) = match (why, other) {
        (Some(why), None) => return Ok(Before::Replaced(why)),
        (Some(Why::Empty), Some(_)) => return Ok(Before::Kept),
        (None, _) => return Err(there_twice(&what, &before, run)),
        (Some(Why::Partial), Some(other)) => ("in part", other, ""),
        (Some(Why::Lacking), Some(other)) => ("before", other, ", and some of the calls are gone"),
        (Some(Why::Asked), Some(other)) => ("before", other, ""),
    };
    let other = &other.path;
    let again = match already {
        Already::Replace => "with --replace",
        _ => "again",
    };
    Err(UsageError::error(format!(
        "{path} was ingested {how} {before}, together with {other}{gone}: ingest all of its files {again}, which \
         replaces what is there of them. Or use another --data-dir, or --again, which adds to it"
    )))
}

/// Why a capture is not ingested whose calls are there.
fn there_twice(what: &str, before: &str, run: &Accounting) -> anyhow::Error {
    let excluded = run.total.skipped.get(METHOD_EXCLUDED).copied();
    let (without, twice) = match excluded.unwrap_or(0) {
        0 => (String::new(), "its calls"),
        excluded => (
            format!(
                ", but for {} of methods that were left out then (--include-method, --exclude-method)",
                count(excluded, "call")
            ),
            "calls that it took",
        ),
    };
    UsageError::error(format!(
        "{what} was ingested before {before}{without}: {twice} would be there twice. Use --replace to remove \
         them first, another --data-dir, or --again"
    ))
}

/// Why the capture at `path` is not ingested, of whose first packet a longer one was.
fn begins_alike(path: &str, before: &str, is_partial: bool) -> anyhow::Error {
    let (how, then) = match is_partial {
        true => (
            " in part",
            "ingest that one again, which replaces what is there of it",
        ),
        false => ("", "leave it out"),
    };
    UsageError::error(format!(
        "{path} begins with the same packet as a longer capture that was ingested{how} before {before}; whether \
         what follows is equal is not known. If it is the beginning of that, its calls would be there twice: \
         {then}. If not, use another --data-dir, or --again"
    ))
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
            named(METHOD_EXCLUDED, calls.excluded),
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
