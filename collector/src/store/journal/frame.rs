//! The journal's format, version 1: what is in a segment file.
//!
//! ```text
//! segment  <data>/journal/<sequence, 20 digits>-<uuid>.segment
//!   magic    8 bytes  "TWTAPJ\r\n"
//!   version  u32      1
//!   frames            the first is a Snapshot
//!
//! frame
//!   magic        u32     "TFRM"
//!   kind         u32     1 Snapshot, 2 Batch, 3 Published
//!   meta_len     u32
//!   body_len     u32
//!   payload_crc  u32     CRC32C of meta and body
//!   header_crc   u32     CRC32C of the segment's uuid, the frame's offset, the five fields above
//!   meta                 protobuf: `LedgerSnapshot`, `BatchMeta` or `PublishedMeta`
//!   body                 Batch: the bytes as received, empty if no record of them was new
//! ```
//!
//! Integers are little-endian. A frame is only valid at its own offset of its own segment, so bytes
//! inside a batch that look like a frame are never taken for one. A reader refuses a version it
//! does not know. Behind a damaged stretch it goes on with the next valid frame. After a power cut such a
//! stretch may be frames that were never acknowledged, of which the disk kept only those behind; nothing tells
//! that from synced frames that were lost, so it counts as damage too.

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

/// First bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = *b"TWTAPJ\r\n";
/// Version of the format that this code reads and writes.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes before the first frame.
pub const SEGMENT_HEADER_BYTES: usize = 12;
/// Bytes before a frame's meta.
pub const FRAME_HEADER_BYTES: usize = 24;
const FRAME_MAGIC: [u8; 4] = *b"TFRM";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The ledger as it was when the segment was begun.
    Snapshot,
    /// A received batch.
    Batch,
    /// An older segment whose records are all in Parquet.
    Published,
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Self::Snapshot => 1,
            Self::Batch => 2,
            Self::Published => 3,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Self::Snapshot, Self::Batch, Self::Published]
            .into_iter()
            .find(|k| k.number() == number)
    }
}

/// Meta of a [`Kind::Batch`] frame.
#[derive(Clone, PartialEq, Message)]
pub struct BatchMeta {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub producer_id: Bytes,
    /// As in the batch.
    #[prost(uint64, tag = "2")]
    pub batch_sequence: u64,
    /// As in the batch.
    #[prost(uint64, tag = "3")]
    pub first_record_number: u64,
    /// Records in the batch as received.
    #[prost(uint32, tag = "4")]
    pub records_count: u32,
    /// Record numbers that were new: start, end (exclusive), start, end, ...
    #[prost(uint64, repeated, tag = "5")]
    pub accepted: Vec<u64>,
    /// As in the batch.
    #[prost(message, optional, tag = "6")]
    pub counters: Option<twintap_record::Counters>,
    /// Collector's clock.
    #[prost(uint64, tag = "7")]
    pub received_unix_ns: u64,
}

/// Meta of a [`Kind::Published`] frame.
#[derive(Clone, PartialEq, Message)]
pub struct PublishedMeta {
    /// Sequence of the segment that may go.
    #[prost(uint64, tag = "1")]
    pub segment_sequence: u64,
    /// What became of its records.
    #[prost(message, repeated, tag = "2")]
    pub outcomes: Vec<Outcome>,
    /// Damaged stretches found in it: their records are lost.
    #[prost(uint64, tag = "3")]
    pub damaged_stretches: u64,
    /// Its file was not there. Nothing of it is in Parquet: should it come back, it may not go.
    #[prost(bool, tag = "4")]
    pub is_gone: bool,
}

/// What became of the records of one producer in one segment.
#[derive(Clone, PartialEq, Message)]
pub struct Outcome {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub producer_id: Bytes,
    /// Records in Parquet.
    #[prost(uint64, tag = "2")]
    pub published: u64,
    /// Records that could not be decoded and were set aside.
    #[prost(uint64, tag = "3")]
    pub quarantined: u64,
}

/// The bytes a segment begins with.
pub fn segment_header() -> [u8; SEGMENT_HEADER_BYTES] {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    let (magic, version) = header.split_at_mut(SEGMENT_MAGIC.len());
    magic.copy_from_slice(&SEGMENT_MAGIC);
    version.copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header
}

/// A newer collector wrote this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal format {0} is newer than this twintap, which reads format {FORMAT_VERSION}")]
pub struct NewerFormat(pub u32);

/// Refuses a segment of a newer format. A damaged header is no reason: frames stand on their own.
pub fn check_version(segment: &[u8]) -> Result<(), NewerFormat> {
    match segment.split_at_checked(SEGMENT_MAGIC.len()) {
        Some((magic, rest)) if magic == SEGMENT_MAGIC => match read_u32(rest, 0) {
            Some(version) if version > FORMAT_VERSION => Err(NewerFormat(version)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Header and meta of a frame that will stand at `offset` of segment `segment`; `body` follows it.
/// `None` if a part is 4 GiB or longer.
pub fn encode(segment: Uuid, offset: u64, kind: Kind, meta: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(FRAME_HEADER_BYTES + meta.len());
    head.extend(FRAME_MAGIC);
    head.extend(kind.number().to_le_bytes());
    head.extend(u32::try_from(meta.len()).ok()?.to_le_bytes());
    head.extend(u32::try_from(body.len()).ok()?.to_le_bytes());
    head.extend(crc32c::crc32c_append(crc32c::crc32c(meta), body).to_le_bytes());
    let header_crc = header_crc(segment, offset, &head);
    head.extend(header_crc.to_le_bytes());
    head.extend(meta);
    Some(head)
}

fn header_crc(segment: Uuid, offset: u64, fields: &[u8]) -> u32 {
    let crc = crc32c::crc32c(segment.as_bytes());
    let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc32c::crc32c_append(crc, fields)
}

/// One valid frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it holds.
    pub kind: Kind,
    /// Encoded meta.
    pub meta: Bytes,
    /// Bytes as received.
    pub body: Bytes,
}

/// Reads the valid frames of one segment, in order.
#[derive(Debug)]
pub struct Frames {
    segment: Uuid,
    bytes: Bytes,
    offset: usize,
    valid_end: usize,
    damaged: u64,
}

impl Frames {
    /// The frames of `bytes`, the content of the file of segment `segment`.
    pub fn new(segment: Uuid, bytes: Bytes) -> Self {
        let offset = SEGMENT_HEADER_BYTES;
        Self {
            segment,
            bytes,
            offset,
            valid_end: offset,
            damaged: 0,
        }
    }

    /// Where the last valid frame ends; what follows is a torn tail.
    pub fn valid_end(&self) -> usize {
        self.valid_end.min(self.bytes.len())
    }

    /// Is there something behind the last valid frame? In a segment that was complete that is damage, too.
    pub fn is_cut(&self) -> bool {
        self.valid_end() < self.bytes.len()
    }

    /// Damaged stretches passed over, each with a valid frame behind it.
    pub fn damaged_stretches(&self) -> u64 {
        self.damaged
    }

    fn at(&self, offset: usize) -> Option<(Frame, usize)> {
        let header_end = offset.checked_add(FRAME_HEADER_BYTES)?;
        let header = self.bytes.get(offset..header_end)?;
        if !header.starts_with(&FRAME_MAGIC) {
            return None;
        }
        let fields = header.get(..FRAME_HEADER_BYTES - 4)?;
        let offset = u64::try_from(offset).ok()?;
        if read_u32(header, 20)? != header_crc(self.segment, offset, fields) {
            return None;
        }
        let kind = Kind::from_number(read_u32(header, 4)?)?;
        let meta_end = header_end.checked_add(usize::try_from(read_u32(header, 8)?).ok()?)?;
        let end = meta_end.checked_add(usize::try_from(read_u32(header, 12)?).ok()?)?;
        let payload = self.bytes.get(header_end..end)?;
        if read_u32(header, 16)? != crc32c::crc32c(payload) {
            return None;
        }
        let (meta, body) = (
            self.bytes.slice(header_end..meta_end),
            self.bytes.slice(meta_end..end),
        );
        Some((Frame { kind, meta, body }, end))
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let (frame, end) = self.at(self.offset).or_else(|| {
            let from = self.offset.saturating_add(1);
            let found = memchr::memmem::find_iter(self.bytes.get(from..)?, &FRAME_MAGIC)
                .find_map(|index| self.at(from + index))?;
            self.damaged += 1;
            Some(found)
        })?;
        self.offset = end;
        self.valid_end = end;
        Some(frame)
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Uuid = Uuid::from_u128(7);

    fn segment(bodies: &[&[u8]]) -> Vec<u8> {
        let mut file = segment_header().to_vec();
        for body in bodies {
            let offset = file.len() as u64;
            file.extend(encode(SEGMENT, offset, Kind::Batch, b"meta", body).unwrap());
            file.extend(*body);
        }
        file
    }

    fn read(file: Vec<u8>) -> (Vec<Vec<u8>>, Frames) {
        let mut frames = Frames::new(SEGMENT, file.into());
        let bodies = frames.by_ref().map(|frame| frame.body.to_vec()).collect();
        (bodies, frames)
    }

    #[test]
    fn frames_come_back_in_order() {
        let (bodies, frames) = read(segment(&[b"one", b"", b"three"]));
        assert_eq!(bodies, [&b"one"[..], b"", b"three"]);
        assert_eq!(frames.damaged_stretches(), 0);
    }

    #[test]
    fn a_tail_torn_at_any_byte_costs_only_the_torn_frame() {
        let file = segment(&[b"one", b"two", b"three"]);
        let ends: Vec<usize> = (0..=3)
            .map(|n| segment(&[&b"one"[..], b"two", b"three"][..n]).len())
            .collect();
        for cut in 0..file.len() {
            let (bodies, frames) = read(file[..cut].to_vec());
            let whole = ends[1..].iter().filter(|end| **end <= cut).count();
            assert_eq!(bodies.len(), whole, "cut at {cut}");
            assert_eq!(frames.valid_end(), ends[whole].min(cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_only_its_frame() {
        let whole: [&[u8]; 3] = [b"one", b"two", b"three"];
        let file = segment(&whole);
        for index in SEGMENT_HEADER_BYTES..file.len() {
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[index] ^= 1 << bit;
                let (bodies, _) = read(damaged);
                assert_eq!(bodies.len(), 2, "byte {index} bit {bit}");
                assert!(bodies.iter().all(|body| whole.contains(&body.as_slice())));
            }
        }
    }

    #[test]
    fn a_frame_inside_a_body_is_not_a_frame() {
        let inner = segment(&[b"forged"]);
        let mut file = segment(&[&inner[SEGMENT_HEADER_BYTES..], b"good"]);
        file[SEGMENT_HEADER_BYTES] ^= 1;
        let (bodies, frames) = read(file);
        assert_eq!(bodies, [b"good"]);
        assert_eq!(frames.damaged_stretches(), 1);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let mut file = segment(&[]);
        file[8] = 2;
        assert_eq!(check_version(&file), Err(NewerFormat(2)));
    }
}
