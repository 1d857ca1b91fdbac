//! Accounting files: can they be read, do their sums hold, and is all in the dataset that they say is?

use std::path::Path;

use super::{Checked, FsckError, Severity};
use crate::store::accounting::{Accounting, Figures};

/// Checks the sums; the dataset has been read by now.
pub(super) fn check(data_dir: &Path, checked: &mut Checked) -> Result<(), FsckError> {
    let all = match Accounting::load_all(data_dir) {
        Ok(all) => all,
        Err(error) => {
            let what = format!("an accounting file cannot be read: {error}");
            checked.found(Severity::Damaged, data_dir, what);
            return Ok(());
        }
    };
    let mut published = 0;
    for accounting in &all {
        published += accounting.total.published;
        for producer in &accounting.producers {
            if let Some(what) = contradiction(&producer.figures) {
                let what = format!(
                    "figures of producer {} contradict: {what}",
                    producer.producer_id
                );
                checked.found(Severity::Damaged, data_dir, what);
            }
        }
    }
    let damaged = checked.findings.iter();
    let is_known = damaged
        .clone()
        .any(|finding| finding.severity == Severity::Damaged);
    if checked.calls < published && !is_known {
        let what = format!(
            "{} of {published} calls that were written are not there: were files removed?",
            published - checked.calls
        );
        checked.found(Severity::Note, data_dir, what);
    }
    Ok(())
}

/// A sum that must hold and does not.
fn contradiction(figures: &Figures) -> Option<String> {
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
    let wrong = sums
        .into_iter()
        .find(|(_, whole, _, parts)| *whole != parts.iter().sum::<u64>());
    wrong.map(|(name, whole, names, parts)| format!("{name} {whole} is not {names} ({parts:?})"))
}
