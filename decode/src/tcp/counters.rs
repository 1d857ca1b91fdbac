//! What became of segments, bytes and connections.

use crate::link::{Tally, reasons};

reasons! {
    /// Why captured bytes were not delivered, other than that they had been already.
    DiscardReason {
        /// Before the point where a connection that was joined midway starts.
        BeforeStart = "before_start",
        /// After the sender's FIN or a reset.
        AfterEnd = "after_end",
        /// Far from what the connection expects.
        OutOfWindow = "out_of_window",
        /// One byte that may be a keep-alive probe's, which means nothing.
        Probe = "probe",
        /// In a segment that resets the connection: not of the stream.
        Reset = "reset",
        /// Of a connection that is not wanted.
        Unwanted = "unwanted",
    }
}

reasons! {
    /// Why missing bytes were given up.
    GapReason {
        /// The other end has them, and they did not come.
        Acknowledged = "acknowledged",
        /// The other way is not captured, and they did not come.
        Unacknowledged = "unacknowledged",
        /// The bytes that waited for them reached a limit.
        Budget = "budget",
        /// The connection or the capture ended.
        End = "end",
        /// The capture's snapshot length cut them off.
        Cut = "cut",
        /// They were captured twice, and not as the same bytes.
        Differing = "differing",
    }
}

/// What became of everything so far. See the identity in [`super`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Segments taken in.
    pub segments: u64,
    /// Segments of no connection: without bytes, SYN or FIN, on a flow that is not known.
    pub strays: u64,
    /// Bytes of payload in the segments.
    pub payload_bytes: u64,
    /// Bytes delivered.
    pub delivered_bytes: u64,
    /// Bytes that had been delivered, or that equal ones that wait to be.
    pub duplicate_bytes: u64,
    /// Bytes of two segments with other content for the same place, of which the first waited: none
    /// of them is delivered. (Delivered bytes are not kept, so they are not compared.)
    pub differing_bytes: u64,
    /// Bytes dropped.
    pub discarded_bytes: Tally<DiscardReason>,
    /// Bytes that wait for what is missing before them. 0 after the end.
    pub waiting_bytes: u64,
    /// Gaps reported.
    pub gaps: Tally<GapReason>,
    /// Bytes missing in those gaps.
    pub gap_bytes: Tally<GapReason>,
    /// Connections that delivered bytes.
    pub opened: u64,
    /// Of those, ended in both ways.
    pub closed: u64,
    /// Connections that were not wanted.
    pub unwanted: u64,
    /// Connections that ended because their addresses and ports began another.
    pub reused: u64,
    /// Connections that ended because nothing came for long.
    pub idle: u64,
    /// Connections that were given up to stay within the limit on connections.
    pub evicted: u64,
    /// Connections that began as one before did, with the same first sequence number: they were captured twice.
    pub repeated: u64,
    /// Resets at a place where the receiver does not believe them.
    pub ignored_resets: u64,
    /// Ways that went on behind their end, with bytes that are not delivered: calls may be in them.
    pub outlived: u64,
}

impl TcpCounters {
    /// Does every captured byte have its place?
    pub fn adds_up(&self) -> bool {
        let placed = self.delivered_bytes
            + self.duplicate_bytes
            + self.differing_bytes
            + self.discarded_bytes.total()
            + self.waiting_bytes;
        self.payload_bytes == placed
    }

    /// Adds the counters of another tracker.
    pub fn merge(&mut self, other: &Self) {
        self.segments += other.segments;
        self.strays += other.strays;
        self.payload_bytes += other.payload_bytes;
        self.delivered_bytes += other.delivered_bytes;
        self.duplicate_bytes += other.duplicate_bytes;
        self.differing_bytes += other.differing_bytes;
        self.discarded_bytes.merge(&other.discarded_bytes);
        self.waiting_bytes += other.waiting_bytes;
        self.gaps.merge(&other.gaps);
        self.gap_bytes.merge(&other.gap_bytes);
        self.opened += other.opened;
        self.closed += other.closed;
        self.unwanted += other.unwanted;
        self.reused += other.reused;
        self.idle += other.idle;
        self.evicted += other.evicted;
        self.repeated += other.repeated;
        self.ignored_resets += other.ignored_resets;
        self.outlived += other.outlived;
    }
}
