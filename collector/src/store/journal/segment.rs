//! One segment: its name, and the open file at whose end frames are appended.

use std::io;

use prost::Message;
use uuid::Uuid;

use super::disk::{Disk, SegmentFile};
use super::frame::{self, Kind, SEGMENT_HEADER_BYTES};
use super::ledger::LedgerSnapshot;

/// Ending of a segment's file name.
const SUFFIX: &str = ".segment";

/// Names a segment: `sequence` gives the order, `id` names the Parquet files made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentId {
    /// 1, 2, 3, ... in one journal.
    pub sequence: u64,
    /// UUID version 7.
    pub id: Uuid,
}

impl SegmentId {
    /// The file's name.
    pub fn file_name(&self) -> String {
        format!("{:020}-{}{SUFFIX}", self.sequence, self.id)
    }

    /// The segment that a file of this name holds; `None` for files that are no segments.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (sequence, id) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(Self {
            sequence: sequence.parse().ok()?,
            id: Uuid::try_parse(id).ok()?,
        })
    }
}

/// The segment that is being written.
#[derive(Debug)]
pub struct OpenSegment {
    /// Its name.
    pub id: SegmentId,
    file: Box<dyn SegmentFile>,
    bytes: u64,
    batch_bytes: u64,
}

/// No segment could be begun.
#[derive(Debug)]
pub struct NotBegun {
    /// What failed.
    pub error: io::Error,
    /// Why what was begun may still be there after a restart, or a power cut. Its snapshot would then be taken
    /// for the newest, and what an older segment got after it would be forgotten.
    pub leftover: Option<io::Error>,
}

impl OpenSegment {
    /// Creates it with `snapshot` in front; it is durable when this returns. On failure what was begun is
    /// taken back.
    pub fn create(
        disk: &mut dyn Disk,
        id: SegmentId,
        snapshot: &LedgerSnapshot,
    ) -> Result<Self, NotBegun> {
        let name = id.file_name();
        let (error, begun) = match disk.create(&name) {
            Err(error) => (error, None),
            Ok(file) => {
                let mut segment = Self {
                    id,
                    file,
                    bytes: 0,
                    batch_bytes: 0,
                };
                match segment.begin(disk, snapshot) {
                    Ok(()) => return Ok(segment),
                    Err(error) => (error, Some(segment.file)),
                }
            }
        };
        let leftover = take_back(disk, &name, begun).err();
        Err(NotBegun { error, leftover })
    }

    fn begin(&mut self, disk: &mut dyn Disk, snapshot: &LedgerSnapshot) -> io::Result<()> {
        self.file.append([&frame::segment_header(), &[]])?;
        self.bytes = u64::try_from(SEGMENT_HEADER_BYTES).unwrap_or_default();
        self.append(Kind::Snapshot, &snapshot.encode_to_vec(), &[])?;
        self.sync()?;
        disk.sync_dir()
    }

    /// Appends a frame. On failure the file is cut back to where it was, and `Ok(Err(_))` says why
    /// nothing was written; the outer error means that even this failed: the segment is unusable.
    pub fn try_append(
        &mut self,
        kind: Kind,
        meta: &[u8],
        body: &[u8],
    ) -> io::Result<io::Result<()>> {
        let before = self.bytes;
        match self.append(kind, meta, body) {
            Ok(()) => Ok(Ok(())),
            Err(error) => {
                self.file.truncate(before)?;
                Ok(Err(error))
            }
        }
    }

    fn append(&mut self, kind: Kind, meta: &[u8], body: &[u8]) -> io::Result<()> {
        let head = frame::encode(self.id.id, self.bytes, kind, meta, body)
            .ok_or_else(|| io::Error::other("frame of 4 GiB or more"))?;
        self.file.append([&head, body])?;
        let written = u64::try_from(head.len().saturating_add(body.len())).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(written);
        if kind == Kind::Batch {
            self.batch_bytes = self.batch_bytes.saturating_add(written);
        }
        Ok(())
    }

    /// Returns when all frames are on stable storage.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of batches: without header, snapshot and notes.
    pub fn batch_bytes(&self) -> u64 {
        self.batch_bytes
    }
}

/// Removes the file `name` that was begun, durably; where that fails, empties it, which recovery passes over.
fn take_back(
    disk: &mut dyn Disk,
    name: &str,
    begun: Option<Box<dyn SegmentFile>>,
) -> io::Result<()> {
    let removed = match disk.remove(name) {
        Ok(()) => disk.sync_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    match begun {
        Some(mut file) if removed.is_err() => {
            file.truncate(0)?;
            file.sync()
        }
        _ => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_segment_it_is() {
        let id = SegmentId {
            sequence: 42,
            id: Uuid::from_u128(7),
        };
        assert_eq!(SegmentId::from_file_name(&id.file_name()), Some(id));
        assert_eq!(SegmentId::from_file_name("42.tmp"), None);
    }
}
