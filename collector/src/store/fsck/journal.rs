//! Segments of the journal: received batches that are not in Parquet yet.

use std::fs;
use std::path::Path;

use super::{Checked, FsckError, Severity, io_error};
use crate::store::journal;
use crate::store::journal::frame::Frames;
use crate::store::journal::recovery::read_segment;
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
    let mut segments = Vec::new();
    for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
        let name = entry.map_err(io_error("list", &dir))?.file_name();
        match name.to_str().and_then(SegmentId::from_file_name) {
            Some(id) => segments.push(id),
            // Half a copy is made again at the start.
            None if name.to_string_lossy().ends_with(".copy") => {}
            None => checked.found(Severity::Note, &dir.join(name), "not a file of the journal"),
        }
    }
    segments.sort_unstable();
    let newest = segments.last().copied();
    for id in segments {
        let path = dir.join(id.file_name());
        let bytes = match read_segment(&dir, id) {
            Ok(bytes) => bytes,
            // Published and removed since it was listed.
            Err(_) if is_in_use && !path.exists() => continue,
            // What cannot be read now, or by this version, may be whole.
            Err(error) => {
                checked.found(Severity::Unchecked, &path, format!("not checked: {error}"));
                continue;
            }
        };
        checked.segments += 1;
        let mut frames = Frames::new(id.id, bytes.clone());
        checked.frames += frames.by_ref().count() as u64;
        if let stretches @ 1.. = frames.damaged_stretches() {
            let what = format!(
                "{stretches} damaged stretches: what was acknowledged in them is lost; the collector counts \
                 them when it publishes the rest"
            );
            checked.found(Severity::Damaged, &path, what);
        }
        let rest = bytes.len() - frames.valid_end();
        match rest {
            0 => {}
            _ if Some(id) != newest => {
                let what = format!("its last {rest} bytes are damaged, though it was complete");
                checked.found(Severity::Damaged, &path, what);
            }
            _ if is_in_use => {}
            _ => {
                let what = format!(
                    "its last {rest} bytes are torn, as a crash leaves them; they were never acknowledged, \
                     and the collector cuts them at its start"
                );
                checked.found(Severity::Note, &path, what);
            }
        }
    }
    Ok(())
}
