//! Finding where a frame begins, after bytes were lost or before any were seen.
//!
//! A place is believed to begin a frame if plausible headers follow each other from there:
//! [`CHAIN_MIN`] of them, or fewer if a frame ends exactly where a segment ends. Starts of segments
//! are tried first, because peers mostly begin their writes with a frame.

use super::frame::{FrameHeader, HEADER_BYTES};

/// Plausible headers in a row that are proof enough.
const CHAIN_MIN: usize = 3;

/// Bytes kept while hunting. If none of them begins a frame, the first half is given up.
pub(super) const HUNT_BYTES_MAX: usize = 256 * 1024;

/// A segment shorter than this proves nothing by where it ends: the shortest frame with a payload.
const SEGMENT_BYTES_MIN: usize = HEADER_BYTES + 4;

/// Places that may begin a frame, until more bytes tell.
const PENDING_MAX: usize = 1024;

/// What headers must comply with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plausibility {
    pub(super) frame_bytes_max: u32,
    pub(super) stream_id_max: u32,
}

/// A hunt for the beginning of a frame.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    buffer: Vec<u8>,
    /// Where segments begin in the buffer, and when they were captured.
    segments: Vec<(usize, u64)>,
    /// Places before this one were looked at.
    scanned: usize,
    pending: Vec<usize>,
    /// Bytes that were lost or given up before the buffer.
    lost_bytes: u64,
    /// Those of them that were captured and given up.
    unread_bytes: u64,
    /// When the hunt began.
    since_unix_ns: u64,
}

/// What a hunt ended with.
#[derive(Debug)]
pub(super) struct Found {
    /// Bytes before the frame that were lost or could not be understood.
    pub(super) lost_bytes: u64,
    /// Those of them that were captured.
    pub(super) unread_bytes: u64,
    /// From when on nothing that was captured is given up.
    pub(super) since: u64,
    /// From the beginning of the frame on, with the times of capture.
    pub(super) segments: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Proved,
    Open,
    Broken,
}

impl Hunt {
    pub(super) fn after_loss(at: u64, lost_bytes: u64) -> Self {
        Self {
            lost_bytes,
            since_unix_ns: at,
            ..Self::default()
        }
    }

    /// Captured bytes that were given up, because nothing in a full buffer began a frame.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.unread_bytes
    }

    /// The same, with what is still in the buffer.
    pub(super) fn all_unread_bytes(&self) -> u64 {
        self.unread_bytes + self.buffer.len() as u64
    }

    /// The same, told once.
    pub(super) fn take_unread_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.unread_bytes)
    }

    /// The next segment; answers with the frame, once found.
    pub(super) fn push(&mut self, at: u64, bytes: &[u8], rules: &Plausibility) -> Option<Found> {
        self.segments.push((self.buffer.len(), at));
        self.buffer.extend_from_slice(bytes);
        let found = self.search(rules);
        if found.is_none() && self.buffer.len() > HUNT_BYTES_MAX {
            self.give_up(self.buffer.len() - HUNT_BYTES_MAX / 2);
        }
        found.map(|place| self.found(place))
    }

    /// Bytes were lost behind the buffer: what can be proved of it must be, now.
    pub(super) fn gap(&mut self, len: u64, rules: &Plausibility) -> Option<Found> {
        let found = self.best_open(rules).map(|place| self.found(place));
        if found.is_none() {
            self.give_up(self.buffer.len());
            self.lost_bytes = self.lost_bytes.saturating_add(len);
        }
        found
    }

    fn search(&mut self, rules: &Plausibility) -> Option<usize> {
        let looked_at = self
            .segments
            .partition_point(|(start, _)| *start < self.scanned);
        let starts = self.segments.iter().skip(looked_at);
        let starts = starts.map(|(start, _)| *start);
        for place in starts.chain(self.pending.iter().copied()) {
            if self.chain(place, rules) == Chain::Proved {
                return Some(place);
            }
        }
        let mut scanned = self.scanned;
        let mut found = None;
        while scanned + HEADER_BYTES <= self.buffer.len() {
            match self.chain(scanned, rules) {
                Chain::Proved => {
                    found = Some(scanned);
                    break;
                }
                Chain::Open if self.pending.len() < PENDING_MAX => self.pending.push(scanned),
                Chain::Open | Chain::Broken => {}
            }
            scanned += 1;
        }
        self.scanned = scanned;
        found
    }

    /// A start of a segment from which no header is implausible.
    fn best_open(&self, rules: &Plausibility) -> Option<usize> {
        let mut starts = self.segments.iter().map(|(start, _)| *start);
        starts.find(|start| {
            let peeked = self.buffer.get(*start..).and_then(FrameHeader::peek);
            peeked.is_some() && self.chain(*start, rules) != Chain::Broken
        })
    }

    fn chain(&self, place: usize, rules: &Plausibility) -> Chain {
        let mut at = place;
        for count in 0.. {
            if count >= CHAIN_MIN || (count > 0 && self.is_boundary(place, at, count)) {
                return Chain::Proved;
            }
            let Some(header) = self.buffer.get(at..).and_then(FrameHeader::peek) else {
                break;
            };
            if !header.is_plausible(rules.frame_bytes_max, rules.stream_id_max) {
                return Chain::Broken;
            }
            at = at
                .saturating_add(HEADER_BYTES)
                .saturating_add(header.length as usize);
        }
        Chain::Open
    }

    /// Is the end of `count` frames from `place` on also that of a segment which proves something?
    fn is_boundary(&self, place: usize, end: usize, count: usize) -> bool {
        let find = |at| self.segments.binary_search_by_key(&at, |(start, _)| *start);
        let index = match find(end) {
            Ok(index) => index,
            Err(_) if end == self.buffer.len() => self.segments.len(),
            Err(_) => return false,
        };
        let before = index
            .checked_sub(1)
            .and_then(|index| self.segments.get(index));
        let is_long = before.is_some_and(|(start, _)| end - start >= SEGMENT_BYTES_MIN);
        is_long && (count > 1 || find(place).is_ok())
    }

    /// Forgets the first `count` bytes.
    fn give_up(&mut self, count: usize) {
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count);
        self.lost_bytes = self.lost_bytes.saturating_add(count as u64);
        self.unread_bytes += count as u64;
        let keep = self.segments.partition_point(|(start, _)| *start <= count);
        // The segment that is cut begins the buffer; it began before, so its start proves nothing,
        // but its time is needed.
        self.segments.drain(..keep.saturating_sub(1));
        for (start, _) in &mut self.segments {
            *start = start.saturating_sub(count);
        }
        if self.buffer.is_empty() {
            self.segments.clear();
        }
        self.scanned = self.scanned.saturating_sub(count);
        self.pending.retain(|place| *place >= count);
        for place in &mut self.pending {
            *place -= count;
        }
    }

    fn found(&mut self, place: usize) -> Found {
        let lost_bytes = self.lost_bytes.saturating_add(place as u64);
        let ends = self.segments.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([self.buffer.len()]);
        let pieces = self
            .segments
            .iter()
            .zip(ends)
            .filter_map(|((start, at), end)| {
                let piece = self.buffer.get((*start).max(place)..end)?;
                (!piece.is_empty()).then(|| (*at, piece.to_vec()))
            });
        let segments: Vec<(u64, Vec<u8>)> = pieces.collect();
        let unread_bytes = self.unread_bytes + place as u64;
        let first_at = segments.first().map_or(0, |(at, _)| *at);
        let since = match unread_bytes {
            0 => self.since_unix_ns,
            _ => first_at.max(self.since_unix_ns),
        };
        *self = Self::default();
        Found {
            lost_bytes,
            unread_bytes,
            since,
            segments,
        }
    }
}

#[cfg(test)]
#[path = "hunt_tests.rs"]
mod tests;
