//! Bytes that wait for what is missing before them: sorted, without overlap. Of copies that differ
//! neither is kept: which one the other end took is not known.

use std::collections::BTreeMap;

use super::counters::{GapReason, TcpCounters};
use crate::bytes_at;

/// What a piece costs besides its bytes.
const PIECE_OVERHEAD: usize = 128;

/// Waiting bytes of one way, by position.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: BTreeMap<u64, Piece>,
    bytes_len: usize,
}

/// Bytes that arrived together.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) content: Content,
    /// When they came.
    pub(super) unix_ns: u64,
    /// How many segments of the connection had been seen.
    pub(super) arrival: u64,
    /// Did it come as a segment of one byte?
    is_single: bool,
}

/// Bytes, or that they exist and are not known.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Box<[u8]>),
    Absent(u64, GapReason),
}

/// When something came: in capture time, and counted in segments of its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    pub(super) unix_ns: u64,
    pub(super) number: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes_at::count(bytes.len()),
            Self::Absent(len, _) => *len,
        }
    }
}

impl Pieces {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes of memory, roughly.
    pub(super) fn cost(&self) -> usize {
        self.bytes_len + self.pieces.len() * PIECE_OVERHEAD
    }

    /// The first piece and its position.
    pub(super) fn first(&self) -> Option<(u64, &Piece)> {
        let (at, piece) = self.pieces.first_key_value()?;
        Some((*at, piece))
    }

    /// Where the last piece ends.
    pub(super) fn end(&self) -> Option<u64> {
        let (at, piece) = self.pieces.last_key_value()?;
        Some(at + piece.content.len())
    }

    /// Takes the first piece if it is at `position`, with the time when it came.
    pub(super) fn pop_at(&mut self, position: u64) -> Option<(Content, u64)> {
        let entry = self.pieces.first_entry()?;
        if *entry.key() != position {
            return None;
        }
        let piece = entry.remove();
        if let Content::Bytes(bytes) = &piece.content {
            self.bytes_len -= bytes.len();
        }
        Some((piece.content, piece.unix_ns))
    }

    /// Drops the first piece if it came as a single byte, at `position`.
    pub(super) fn pop_single_at(&mut self, position: u64) -> bool {
        let is_single = self
            .first()
            .is_some_and(|(at, piece)| at == position && piece.is_single);
        is_single && self.pop_at(position).is_some()
    }

    /// Drops everything; returns how many bytes that were.
    pub(super) fn clear(&mut self) -> u64 {
        self.pieces.clear();
        bytes_at::count(std::mem::take(&mut self.bytes_len))
    }

    /// Adds what of `bytes` is not there yet, and counts the rest.
    pub(super) fn insert(
        &mut self,
        mut at: u64,
        mut bytes: &[u8],
        arrival: Arrival,
        counters: &mut TcpCounters,
    ) {
        let is_single = bytes.len() == 1;
        while !bytes.is_empty() {
            let (occupied, len) = self.extent(at, bytes_at::count(bytes.len()));
            let len = usize::try_from(len).unwrap_or(bytes.len());
            let (head, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            if occupied {
                self.compare(at, head, is_single, counters);
            } else {
                self.bytes_len += head.len();
                self.put(at, Content::Bytes(head.into()), arrival, is_single);
            }
            at += bytes_at::count(head.len());
            bytes = rest;
        }
    }

    /// Notes that bytes exist which were not captured, where nothing is known yet.
    pub(super) fn insert_absent(&mut self, mut at: u64, mut len: u64, arrival: Arrival) {
        while len > 0 {
            let (occupied, step) = self.extent(at, len);
            if !occupied {
                let absent = Content::Absent(step, GapReason::Cut);
                self.put(at, absent, arrival, false);
            }
            at += step;
            len -= step;
        }
    }

    fn put(&mut self, at: u64, content: Content, arrival: Arrival, is_single: bool) {
        let piece = Piece {
            content,
            unix_ns: arrival.unix_ns,
            arrival: arrival.number,
            is_single,
        };
        self.pieces.insert(at, piece);
    }

    /// Is there a piece at `at`, and for how many of `len` bytes does that hold?
    fn extent(&self, at: u64, len: u64) -> (bool, u64) {
        if let Some((start, piece)) = self.pieces.range(..=at).next_back() {
            let end = start + piece.content.len();
            if end > at {
                return (true, len.min(end - at));
            }
        }
        let next = self.pieces.range(at..).next();
        (false, next.map_or(len, |(start, _)| len.min(start - at)))
    }

    /// Counts bytes for which there is a piece already; where they differ, it loses its own.
    fn compare(&mut self, at: u64, bytes: &[u8], is_single: bool, counters: &mut TcpCounters) {
        let count = bytes_at::count(bytes.len());
        match self.differing(at, bytes) {
            None => counters.duplicate_bytes += count,
            // A probe's byte may be any, and says nothing of the one that is there.
            Some(_) if is_single => counters.differing_bytes += count,
            Some((from, len)) => {
                counters.duplicate_bytes += count - len;
                counters.differing_bytes += 2 * len;
                self.blot(from, len);
            }
        }
    }

    /// From the first to the last of `bytes` that differ from those of the piece at `at`: the
    /// position, and how many.
    fn differing(&self, at: u64, bytes: &[u8]) -> Option<(u64, u64)> {
        let (start, piece) = self.pieces.range(..=at).next_back()?;
        let Content::Bytes(known) = &piece.content else {
            return None;
        };
        let known = known.get(usize::try_from(at - start).ok()?..)?;
        let mut pairs = known.iter().zip(bytes);
        let first = pairs.clone().position(|(one, other)| one != other)?;
        let last = pairs.rposition(|(one, other)| one != other)?;
        let len = bytes_at::count(last - first + 1);
        Some((at + bytes_at::count(first), len))
    }

    /// Makes the bytes at `from`, which are of one piece, absent.
    fn blot(&mut self, from: u64, len: u64) {
        let Some((&start, _)) = self.pieces.range(..=from).next_back() else {
            return;
        };
        let Some(piece) = self.pieces.remove(&start) else {
            return;
        };
        let arrival = Arrival {
            unix_ns: piece.unix_ns,
            number: piece.arrival,
        };
        let Content::Bytes(known) = piece.content else {
            return;
        };
        let split = known.split_at_checked(bytes_at::index(from - start));
        let (head, rest) = split.unwrap_or((&known, &[]));
        let split = rest.split_at_checked(bytes_at::index(len));
        let (blotted, tail) = split.unwrap_or((rest, &[]));
        self.bytes_len -= blotted.len();
        let absent = Content::Absent(len, GapReason::Differing);
        self.put(from, absent, arrival, false);
        for (at, bytes) in [(start, head), (from + len, tail)] {
            if !bytes.is_empty() {
                self.put(at, Content::Bytes(bytes.into()), arrival, false);
            }
        }
    }
}
