//! What became of every stream.

/// Counts of one connection. `streams = calls + not_grpc + given_up` once it is over, without
/// those that are [`Tally::live`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Streams of which headers or data were captured.
    pub streams: u64,
    /// Handed on as calls.
    pub calls: u64,
    /// Exchanges of something else than gRPC.
    pub not_grpc: u64,
    /// Of too little was captured to say that it was gRPC.
    pub given_up: u64,
    /// Calls that lack something, or may.
    pub damaged_calls: u64,
    /// Calls handed on because more than the limit were open, or kept more bytes than the limit.
    pub evicted_calls: u64,
    /// Streams whose bodies were given up to stay within the limit on bytes. They are truncated.
    pub spilled_streams: u64,
    /// Frames of streams that were over.
    pub late_frames: u64,
    /// Streams that are not over.
    pub live: u64,
    /// Streams looked at in walks over many: what finding the oldest, or those that GOAWAY refuses,
    /// has cost.
    pub steps: u64,
}

impl Tally {
    /// Adds the counts of another connection.
    pub fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.calls += other.calls;
        self.not_grpc += other.not_grpc;
        self.given_up += other.given_up;
        self.damaged_calls += other.damaged_calls;
        self.evicted_calls += other.evicted_calls;
        self.spilled_streams += other.spilled_streams;
        self.late_frames += other.late_frames;
        self.live += other.live;
        self.steps += other.steps;
    }

    /// Does every stream have its place?
    pub fn adds_up(&self) -> bool {
        self.streams == self.calls + self.not_grpc + self.given_up + self.live
    }
}
