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
    first_batch_at: u64,
}

impl OpenSegment {
    /// Creates it with `snapshot` in front; it is durable when this returns. On failure nothing
    /// is left behind, as far as the disk allows.
    pub fn create(
        disk: &mut dyn Disk,
        id: SegmentId,
        snapshot: &LedgerSnapshot,
    ) -> io::Result<Self> {
        let name = id.file_name();
        let created = Self::try_create(disk, id, &name, snapshot);
        if created.is_err() {
            // The error that matters is the first one; a leftover has no frame and does no harm.
            drop(disk.remove(&name));
        }
        created
    }

    fn try_create(
        disk: &mut dyn Disk,
        id: SegmentId,
        name: &str,
        snapshot: &LedgerSnapshot,
    ) -> io::Result<Self> {
        let mut file = disk.create(name)?;
        file.append([&frame::segment_header(), &[]])?;
        let bytes = u64::try_from(SEGMENT_HEADER_BYTES).unwrap_or_default();
        let mut segment = Self {
            id,
            file,
            bytes,
            first_batch_at: 0,
        };
        segment.append(Kind::Snapshot, &snapshot.encode_to_vec(), &[])?;
        segment.first_batch_at = segment.bytes;
        segment.sync()?;
        disk.sync_dir()?;
        Ok(segment)
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
        let written = head.len().saturating_add(body.len());
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
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

    /// Bytes of batches: without header and snapshot.
    pub fn batch_bytes(&self) -> u64 {
        self.bytes - self.first_batch_at
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
