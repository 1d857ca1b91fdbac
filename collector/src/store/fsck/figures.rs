//! Accounting files: can they be read, do their sums hold, is all in the dataset that they say is, and what
//! do they say is lost?
//!
//! The collector's own can be rebuilt from the journal. That of a capture cannot: if it is damaged, nobody
//! knows what the capture lacked, and that counts as a damaged stretch.

use std::io;
use std::path::{Path, PathBuf};

use super::aside::Aside;
use super::{Checked, FsckError, Severity, io_error};
use crate::store::accounting::{Accounting, FILE_NAME, Figures, LoadedFile, Recorder, Recorders};
use crate::store::parquet::Dataset;
use crate::store::quarantine::DIRECTORY;

/// Reads each file and checks its sums; answers those that are as they should be, or are so by now.
pub(super) fn read(
    data_dir: &Path,
    mut aside: Option<&mut Aside<'_>>,
    is_in_use: bool,
    checked: &mut Checked,
) -> Result<Vec<(PathBuf, Accounting)>, FsckError> {
    let files = Accounting::load_each(data_dir).map_err(io_error("list", data_dir))?;
    let mut all = Vec::new();
    let collectors = data_dir.join(FILE_NAME);
    // A collector that runs has not written it yet.
    if !is_in_use && !files.iter().any(|file| file.path == collectors) {
        all.extend(missing(data_dir, &collectors, aside.is_some(), checked)?);
    }
    for LoadedFile { path, accounting } in files {
        let problem = match accounting {
            Ok(accounting) => match contradiction(&accounting) {
                None => {
                    lost(&path, &accounting, is_in_use, checked);
                    all.push((path, accounting));
                    continue;
                }
                Some(problem) => problem,
            },
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(error) => {
                checked.found(Severity::Unchecked, &path, format!("not checked: {error}"));
                continue;
            }
        };
        let is_collectors = path.file_name().is_some_and(|name| name == FILE_NAME);
        match is_collectors.then(|| rebuilt(data_dir)).flatten() {
            Some(ledger_says) => {
                let problem = format!("{problem}; the journal has all of it");
                replace(
                    data_dir,
                    &path,
                    &ledger_says,
                    problem,
                    aside.as_deref(),
                    checked,
                )?;
                all.push((path, ledger_says));
            }
            None => checked.damaged(&path, problem, aside.as_deref_mut())?,
        }
    }
    Ok(all)
}

/// Are there as many calls as were written? The dataset has been read by now.
pub(super) fn check(data_dir: &Path, all: &[(PathBuf, Accounting)], checked: &mut Checked) {
    let published = all.iter().map(|(_, accounting)| accounting.total.published);
    let published = published.fold(0, u64::saturating_add);
    let is_known = checked.worst() >= Some(Severity::Unchecked);
    if checked.calls < published && !is_known {
        let what = format!(
            "{} of {published} calls that were written are not there: were files removed?",
            published - checked.calls
        );
        checked.found(Severity::Lost, data_dir, what);
    }
    // What a repair mends may be just what is missing.
    if is_known || checked.is_repair_due() {
        return;
    }
    let recorders = Recorders::of(all.iter().map(|(_, accounting)| accounting));
    let mut unaccounted = 0;
    let counted = Dataset::open(data_dir).and_then(|dataset| {
        dataset.recorded(|it| {
            let is_unknown = recorders.recorder(&it.producer_id, it.is_of_run) == Recorder::Unknown;
            unaccounted += if is_unknown { it.calls } else { 0 };
        })
    });
    if counted.is_ok() && unaccounted > 0 {
        let what = format!(
            "no accounting file knows who recorded {unaccounted} of the calls: whether others were lost is not \
             known. Was a file of the accounting removed?"
        );
        checked.found(Severity::Unchecked, data_dir, what);
    }
}

/// The collector's figures, if there should be a file of them and is none.
fn missing(
    data_dir: &Path,
    path: &Path,
    repairs: bool,
    checked: &mut Checked,
) -> Result<Option<(PathBuf, Accounting)>, FsckError> {
    // One that never heard of a producer has nothing to tell, unless it found damage.
    let Some(ledger_says) = rebuilt(data_dir).filter(|says| !says.is_blank()) else {
        return Ok(None);
    };
    let what = "is missing; the journal has all of it";
    if !repairs {
        checked.found(Severity::Repairable, path, what);
        return Ok(None);
    }
    let saved = ledger_says.save(data_dir);
    saved.map_err(io_error("replace", path))?;
    checked.repaired(Severity::Repairable, path, format!("{what}; written anew"));
    Ok(Some((path.to_owned(), ledger_says)))
}

/// The collector's figures, as its journal has them.
fn rebuilt(data_dir: &Path) -> Option<Accounting> {
    Accounting::of_journal(data_dir).ok()?
}

fn replace(
    data_dir: &Path,
    path: &Path,
    by: &Accounting,
    problem: String,
    aside: Option<&Aside<'_>>,
    checked: &mut Checked,
) -> Result<(), FsckError> {
    let Some(aside) = aside else {
        checked.found(Severity::Repairable, path, problem);
        return Ok(());
    };
    let moved = aside.take_uncounted(path);
    let to = moved.map_err(io_error("move aside", path))?;
    by.save(data_dir).map_err(io_error("replace", path))?;
    let what = format!("{problem}; written anew, the old one is {}", to.display());
    checked.repaired(Severity::Repairable, path, what);
    Ok(())
}

/// What an earlier run of the collector or of this check lost for good, and what a capture lacks.
fn lost(path: &Path, accounting: &Accounting, is_in_use: bool, checked: &mut Checked) {
    let is_collectors = path.file_name().is_some_and(|name| name == FILE_NAME);
    if let records @ 1.. = accounting.total.quarantined {
        let what = format!(
            "{records} acknowledged records could not be decoded or written: no comparison sees them. What is kept of \
             them is in {DIRECTORY}/*.jsonl"
        );
        checked.found(Severity::Lost, path, what);
    }
    if let files @ 1.. = accounting.moved_aside {
        let what = format!(
            "{files} damaged files were moved to quarantine by an earlier repair: no comparison sees what was in \
             them. Where they were of a capture, ingesting it again replaces what is left of it"
        );
        checked.found(Severity::Lost, path, what);
    } else if let (true, stretches @ 1..) = (is_collectors, accounting.damaged_stretches) {
        let what = format!(
            "{stretches} damaged stretches of the journal were passed over: what was acknowledged in them is \
             lost"
        );
        checked.found(Severity::Lost, path, what);
    } else if is_in_use {
        // It may not be over.
    } else if accounting.is_partial {
        let what = "an ingest that was cut short: what came after is not here, and comparisons say so. Ingesting its \
                    files again replaces what there is";
        checked.found(Severity::Note, path, what);
    } else if accounting.is_open {
        let what =
            "a capture that was cut short: what came after is not here, and comparisons say so";
        checked.found(Severity::Note, path, what);
    } else if let stretches @ 1.. = accounting.damaged_stretches {
        let places = if stretches == 1 { "place" } else { "places" };
        let what = format!(
            "a capture with {stretches} {places} in which calls may be missing (a gap, a damaged record, or that it was \
             cut short): comparisons say so"
        );
        checked.found(Severity::Note, path, what);
    }
}

/// A sum that must hold and does not.
fn contradiction(accounting: &Accounting) -> Option<String> {
    accounting.producers.iter().find_map(|producer| {
        let problem = wrong_sum(&producer.figures)?;
        let id = &producer.producer_id;
        Some(format!("figures of producer {id} contradict: {problem}"))
    })
}

fn wrong_sum(figures: &Figures) -> Option<String> {
    let sums = [
        (
            "received",
            figures.received,
            "stored + duplicates + quarantined",
            [figures.stored, figures.duplicates, figures.quarantined],
        ),
        (
            "stored",
            figures.stored,
            "published + journaled",
            [figures.published, figures.journaled, 0],
        ),
    ];
    let sum = |parts: &[u64]| {
        parts
            .iter()
            .fold(0, |sum: u64, part| sum.saturating_add(*part))
    };
    let wrong = sums
        .into_iter()
        .find(|(_, whole, _, parts)| *whole != sum(parts));
    wrong.map(|(name, whole, names, parts)| format!("{name} {whole} is not {names} ({parts:?})"))
}
