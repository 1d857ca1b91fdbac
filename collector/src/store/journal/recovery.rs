//! Start: reads what an earlier run left, and says what is still to be published.
//!
//! The ledger is rebuilt from the newest readable snapshot and the frames after it. The newest
//! segment is then written anew, as far as it is valid, and synced: its tail may be torn, and after
//! a failed sync its pages cannot be trusted to be on disk although they can be read. Only what is
//! durable by then counts as seen, so that a batch that comes again is never acknowledged on the
//! strength of a page that is lost. An empty segment is one that could not be begun: the newest is the one before.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

use super::disk::FILE_MODE;
use super::frame::{self, BatchMeta, Frame, Frames, Kind, PublishedMeta};
use super::intervals::Intervals;
use super::ledger::{Ledger, LedgerLimits, LedgerSnapshot};
use super::segment::SegmentId;
use crate::store::regular;

/// Extension of the copy that replaces a segment.
const COPY_EXTENSION: &str = "copy";

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The file system refused.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A newer twintap wrote it.
    #[error("{path}: {error}")]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Which version it has.
        error: frame::NewerFormat,
    },
}

impl RecoveryError {
    /// Is there no file, or directory, of that name?
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// What an earlier run left.
#[derive(Debug)]
pub struct Recovered {
    /// What it knew.
    pub ledger: Ledger,
    /// Segments that are not in Parquet yet, oldest first, with their sizes.
    pub unpublished: Vec<(SegmentId, u64)>,
    /// Sequence for the next segment.
    pub next_sequence: u64,
    /// Bytes cut off the end of the newest segment.
    pub torn_bytes: u64,
    /// Segments that were not in Parquet and are gone: what was acknowledged in them is lost.
    pub missing_segments: u64,
    /// The last segment, if no snapshot of any can be read: then the ledger knows of nothing before.
    pub forgot_at: Option<Uuid>,
}

/// Reads the journal in `dir`.
pub fn recover(dir: &Path, limits: LedgerLimits) -> Result<Recovered, RecoveryError> {
    remove_copies(dir)?;
    let mut torn_bytes = 0;
    if let Some(newest) = newest(&list(dir)?) {
        torn_bytes = make_durable(dir, newest)?;
    }
    let segments = list(dir)?;
    let replayed = replay(dir, &segments, limits)?;
    let last = segments.last().map(|(id, _)| id.id);
    let forgot_at = last.filter(|_| !replayed.has_snapshot);
    let mut ledger = replayed.ledger;
    for (id, scan) in &replayed.scans {
        if !ledger.is_published(id.sequence) {
            ledger.sealed(id.sequence, scan.records);
        }
    }
    let missing = ledger.held().missing(&sequences(&segments));
    for sequence in &missing {
        ledger.lost(*sequence);
    }
    let next_sequence = segments
        .last()
        .map_or(1, |(id, _)| id.sequence.saturating_add(1));
    let (published, unpublished): (Vec<_>, Vec<_>) = segments
        .into_iter()
        .partition(|(id, _)| ledger.is_published(id.sequence));
    for (id, _) in published {
        let path = dir.join(id.file_name());
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
    }
    ledger.all_removed();
    Ok(Recovered {
        ledger,
        unpublished,
        next_sequence,
        torn_bytes,
        missing_segments: missing.len() as u64,
        forgot_at,
    })
}

/// The content of a segment, as far as its format can be read by this version.
pub fn read_segment(dir: &Path, id: SegmentId) -> Result<Bytes, RecoveryError> {
    read_segment_into(Vec::new(), dir, id)
}

/// As [`read_segment`], in memory that is used again: a segment is so large that asking the system for more, and
/// having it cleared, costs as much as reading.
pub fn read_segment_into(
    mut buffer: Vec<u8>,
    dir: &Path,
    id: SegmentId,
) -> Result<Bytes, RecoveryError> {
    let path = dir.join(id.file_name());
    buffer.clear();
    regular::open(&path)
        .and_then(|mut file| {
            let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(0);
            buffer.reserve_exact(bytes);
            file.read_to_end(&mut buffer)
        })
        .map_err(io_error("read", &path))?;
    let bytes = Bytes::from(buffer);
    match frame::check_version(&bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(RecoveryError::Newer { path, error }),
    }
}

/// What a journal says that is only read.
#[derive(Debug)]
pub struct Read {
    /// What it knows, from the newest snapshot that can be read on; `None` if there is none.
    pub ledger: Option<Ledger>,
    /// Damaged stretches of segments that were not published: what was acknowledged in them is lost. Only the
    /// end of the newest may be torn; one that is gone, or lacks records, is one stretch.
    pub damaged_unpublished: u64,
    /// Records that can be read in segments that were not published.
    pub records_unpublished: u64,
}

/// Reads the journal in `dir`, each segment once. Changes nothing.
pub fn read(dir: &Path, limits: LedgerLimits) -> Result<Read, RecoveryError> {
    let segments = list(dir)?;
    let Replayed {
        ledger,
        has_snapshot,
        mut scans,
    } = replay(dir, &segments, limits)?;
    // Those before the snapshot say nothing more than this.
    let before = segments.len() - scans.len();
    for (id, _) in segments.iter().take(before) {
        if !ledger.is_published(id.sequence) {
            scans.push((*id, Scanned::of(dir, *id)?.scan));
        }
    }
    scans.retain(|(id, _)| !ledger.is_published(id.sequence));
    let newest = newest(&segments);
    let damaged = scans.iter().map(|(id, scan)| {
        let stretches = scan.stretches + u64::from(scan.is_cut && Some(*id) != newest);
        let lacks = ledger.held().lacks(id.sequence, scan.records);
        stretches.max(u64::from(lacks))
    });
    let missing = ledger.held().missing(&sequences(&segments)).len() as u64;
    Ok(Read {
        damaged_unpublished: damaged.sum::<u64>() + missing,
        records_unpublished: scans.iter().map(|(_, scan)| scan.records).sum(),
        ledger: has_snapshot.then_some(ledger),
    })
}

/// Is this the name of a half-written copy of a segment?
pub fn is_copy(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == COPY_EXTENSION)
}

/// The segment that was written last, of those that are given oldest first with their sizes: only its end may be torn.
pub fn newest(segments: &[(SegmentId, u64)]) -> Option<SegmentId> {
    let newest = segments.iter().rfind(|(_, size)| *size > 0);
    newest.map(|(id, _)| *id)
}

/// The segments in `dir`, oldest first, with their sizes; none if it does not exist.
fn list(dir: &Path) -> Result<Vec<(SegmentId, u64)>, RecoveryError> {
    let mut segments = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(segments),
        entries => entries.map_err(io_error("list", dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(io_error("list", dir))?;
        let path = entry.path();
        if let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(SegmentId::from_file_name)
        {
            let metadata = regular::metadata(&path).map_err(io_error("read", &path))?;
            segments.push((id, metadata.len()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn sequences(segments: &[(SegmentId, u64)]) -> BTreeSet<u64> {
    segments.iter().map(|(id, _)| id.sequence).collect()
}

/// Removes half-written copies from `dir`.
fn remove_copies(dir: &Path) -> Result<(), RecoveryError> {
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        if is_copy(&path) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}

/// Writes the valid part of a segment anew and syncs it. Returns how much of its end was torn.
pub(super) fn make_durable(dir: &Path, id: SegmentId) -> Result<u64, RecoveryError> {
    let bytes = read_segment(dir, id)?;
    let mut frames = Frames::new(id.id, bytes.clone());
    frames.by_ref().for_each(drop);
    let valid = bytes.slice(..frames.valid_end());
    let path = dir.join(id.file_name());
    let copy = path.with_extension(COPY_EXTENSION);
    if let Err(error) = write_durably(&copy, &valid) {
        // On a disk that is full, others need the room. The error that matters is the first one.
        drop(fs::remove_file(&copy));
        return Err(error);
    }
    fs::rename(&copy, &path).map_err(io_error("rename", &copy))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync", dir))?;
    Ok(u64::try_from(bytes.len() - valid.len()).unwrap_or(u64::MAX))
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), RecoveryError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(io_error("create", path))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.sync_all().map_err(io_error("sync", path))
}

/// What is there of a segment, and what is damaged.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// Records that were new when they came.
    records: u64,
    /// Damaged stretches within it.
    stretches: u64,
    /// Is its end no frame?
    is_cut: bool,
}

/// A segment without the bodies of its frames.
struct Scanned {
    frames: Vec<Frame>,
    scan: Scan,
}

impl Scanned {
    fn of(dir: &Path, id: SegmentId) -> Result<Self, RecoveryError> {
        let bytes = read_segment(dir, id)?;
        let mut frames = Frames::new(id.id, bytes.clone());
        let without_body = |frame: Frame| Frame {
            // It would keep the whole segment in memory.
            meta: Bytes::copy_from_slice(&frame.meta),
            body: Bytes::new(),
            ..frame
        };
        let all: Vec<Frame> = frames.by_ref().map(without_body).collect();
        Ok(Self {
            scan: Scan {
                records: all.iter().map(records).sum(),
                stretches: frames.damaged_stretches(),
                is_cut: frames.is_cut(),
            },
            frames: all,
        })
    }

    fn begins_with_snapshot(&self) -> bool {
        let first = self.frames.first();
        first.is_some_and(|first| first.kind == Kind::Snapshot)
    }
}

/// New records of a frame.
fn records(frame: &Frame) -> u64 {
    if frame.kind != Kind::Batch {
        return 0;
    }
    let meta = BatchMeta::decode(frame.meta.clone()).unwrap_or_default();
    Intervals::from_bounds(&meta.accepted).count()
}

/// A ledger, and what was read for it.
struct Replayed {
    ledger: Ledger,
    /// Else it knows nothing of what was before the oldest segment.
    has_snapshot: bool,
    /// Of the segments that were read: the newest ones.
    scans: Vec<(SegmentId, Scan)>,
}

/// Rebuilds the ledger from the newest snapshot that can be read, and all frames since.
fn replay(
    dir: &Path,
    segments: &[(SegmentId, u64)],
    limits: LedgerLimits,
) -> Result<Replayed, RecoveryError> {
    let (mut newest_first, mut scans) = (Vec::new(), Vec::new());
    let mut has_snapshot = false;
    for (id, _) in segments.iter().rev() {
        let scanned = Scanned::of(dir, *id)?;
        scans.push((*id, scanned.scan));
        has_snapshot = scanned.begins_with_snapshot();
        newest_first.push(scanned.frames);
        if has_snapshot {
            break;
        }
    }
    let mut ledger = Ledger::new(limits);
    for frame in newest_first.into_iter().rev().flatten() {
        // Its checksum was right, so a meta that cannot be decoded would be a bug of the writer;
        // leaving the frame out is reported as lost records, the honest answer.
        match frame.kind {
            Kind::Snapshot => {
                if let Ok(snapshot) = LedgerSnapshot::decode(frame.meta) {
                    ledger = Ledger::from_snapshot(limits, snapshot);
                }
            }
            Kind::Batch => {
                if let Ok(meta) = BatchMeta::decode(frame.meta) {
                    ledger.batch(&meta);
                }
            }
            Kind::Published => {
                if let Ok(meta) = PublishedMeta::decode(frame.meta) {
                    ledger.published(&meta);
                }
            }
        }
    }
    Ok(Replayed {
        ledger,
        has_snapshot,
        scans,
    })
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = path.to_owned();
    move |error| RecoveryError::Io {
        action,
        path,
        error,
    }
}
