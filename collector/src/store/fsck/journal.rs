//! Segments of the journal: received batches that are not in Parquet yet.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Checked, FsckError, Severity, io_error};
use crate::store::accounting::{Accounting, FILE_NAME};
use crate::store::journal;
use crate::store::journal::frame::Frames;
use crate::store::journal::recovery::{self, read_segment};
use crate::store::journal::segment::SegmentId;

/// Checks each segment.
pub(super) fn check(
    data_dir: &Path,
    is_in_use: bool,
    checked: &mut Checked,
) -> Result<(), FsckError> {
    let dir = journal::directory(data_dir);
    if !dir.exists() {
        return Ok(());
    }
    let segments = segments(&dir, checked)?;
    let newest = recovery::newest(&segments);
    for (id, _) in segments {
        // Behind it is nothing, or what has been begun since it was listed.
        let is_sealed = newest.is_some_and(|newest| id < newest);
        let end = match (is_sealed, is_in_use) {
            (true, _) => End::Sealed,
            (false, false) => End::Open,
            (false, true) => End::BeingWritten,
        };
        check_segment(&dir, id, end, is_in_use, checked);
    }
    Ok(())
}

/// Has the journal all that was acknowledged and is not in Parquet? Of records whose segment was emptied, cut between
/// two frames, removed, or published without them, nothing else there tells. Nobody uses the directory.
pub(super) fn check_records(
    data_dir: &Path,
    accountings: &[(PathBuf, Accounting)],
    checked: &mut Checked,
) {
    let collectors = accountings
        .iter()
        .find(|(path, _)| path.ends_with(FILE_NAME));
    let file = collectors.map(|(_, accounting)| accounting);
    // Segments that cannot be read have been named.
    let Ok((expected, there)) = Accounting::journaled(file, data_dir) else {
        return;
    };
    if expected > there {
        let what = format!(
            "{} acknowledged records are gone: as far as the journal knows they are not in Parquet, and it does not \
             have them",
            expected - there
        );
        checked.found(Severity::Lost, &journal::directory(data_dir), what);
    }
}

/// The segments in `dir`, oldest first, with their sizes.
fn segments(dir: &Path, checked: &mut Checked) -> Result<Vec<(SegmentId, u64)>, FsckError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let entry = entry.map_err(io_error("list", dir))?;
        let name = entry.file_name();
        match name.to_str().and_then(SegmentId::from_file_name) {
            // One that cannot be looked at is named when it is read, or was removed since.
            Some(id) => segments.push((id, entry.metadata().map_or(0, |found| found.len()))),
            // Half a copy is made again at the start.
            None if recovery::is_copy(Path::new(&name)) => {}
            None => checked.found(Severity::Note, &dir.join(name), "not a file of the journal"),
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// What may be at the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its last frame: it was complete when the next one was begun.
    Sealed,
    /// Half a frame, as a crash leaves it.
    Open,
    /// Half a frame, which will be whole in a moment.
    BeingWritten,
}

fn check_segment(dir: &Path, id: SegmentId, end: End, is_in_use: bool, checked: &mut Checked) {
    let path = dir.join(id.file_name());
    let bytes = match read_segment(dir, id) {
        Ok(bytes) => bytes,
        // Published and removed since it was listed.
        Err(_) if is_in_use && !path.exists() => return,
        // What cannot be read now, or by this version, may be whole.
        Err(error) => {
            checked.found(Severity::Unchecked, &path, format!("not checked: {error}"));
            return;
        }
    };
    checked.segments += 1;
    let mut frames = Frames::new(id.id, bytes.clone());
    checked.frames += frames.by_ref().count() as u64;
    let rest = bytes.len() - frames.valid_end();
    let stretches = frames.damaged_stretches();
    if stretches > 0 {
        let what = format!(
            "{stretches} damaged stretches: what was acknowledged in them is lost; the collector counts \
             them when it publishes the rest"
        );
        checked.found(Severity::Lost, &path, what);
    }
    if rest > 0 && end == End::Sealed {
        let what = format!("its last {rest} bytes are damaged, though it was complete");
        checked.found(Severity::Lost, &path, what);
    } else if rest > 0 && end == End::Open {
        let what = format!(
            "its last {rest} bytes are torn, as a crash leaves them; unless the disk lost what it had synced they \
             were never acknowledged, and the collector cuts them at its start"
        );
        checked.found(Severity::Note, &path, what);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::journal::frame::segment_header;

    /// What is found of a crashed collector's segments with these contents, and of which of them.
    fn found(contents: &[&[u8]]) -> Vec<(Severity, u64)> {
        let data_dir = tempfile::tempdir().unwrap();
        let dir = journal::directory(data_dir.path());
        fs::create_dir_all(&dir).unwrap();
        for (sequence, content) in (1..).zip(contents) {
            let id = Uuid::from_u128(u128::from(sequence));
            fs::write(dir.join(SegmentId { sequence, id }.file_name()), content).unwrap();
        }
        let mut checked = Checked::default();
        check(data_dir.path(), false, &mut checked).unwrap();
        let findings = checked.findings.into_iter().map(|finding| {
            let name = finding.path.file_name().and_then(|name| name.to_str());
            let segment = SegmentId::from_file_name(name.unwrap()).unwrap();
            (finding.severity, segment.sequence)
        });
        findings.collect()
    }

    #[test]
    fn only_the_end_of_the_newest_segment_with_anything_in_it_may_be_torn() {
        let whole = segment_header();
        let torn = [&whole[..], b"torn"].concat();
        assert_eq!(found(&[&whole, &torn]), [(Severity::Note, 2)]);
        assert_eq!(found(&[&torn, &whole]), [(Severity::Lost, 1)]);
        // What could not be begun is left empty.
        assert_eq!(found(&[&whole, &torn, b""]), [(Severity::Note, 2)]);
    }
}
