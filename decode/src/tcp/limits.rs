//! What connections may cost, and how long what is missing is waited for.

/// Limits of a [`super::Tracker`]. Times are capture time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in the table; the one that was quiet for longest is evicted. Default 1 000 000.
    pub connections_max: usize,
    /// A connection ends when nothing came for so long. Default 3 hours: one that TCP keeps alive shows a probe
    /// after 2, by default (RFC 9293, section 3.8.4), and memory is limited by [`Self::connections_max`].
    pub idle_ns: u64,
    /// A connection that has ended in both ways is remembered for so long, so that late segments
    /// do not look like another one. Default 1 minute.
    pub linger_ns: u64,
    /// Bytes of one way that may wait for what is missing, with 128 for each piece. Default 1 MiB.
    pub waiting_bytes_max: usize,
    /// The same of all connections together. Default 256 MiB.
    pub waiting_bytes_total_max: usize,
    /// So many more segments of its connection make an acknowledged hole a gap. Default 32.
    pub hole_segments_count: u64,
    /// After so long an acknowledged hole is a gap. Default 200 ms.
    pub hole_age_ns: u64,
    /// As `hole_segments_count`, where the other way is not captured. Default 512.
    pub blind_hole_segments_count: u64,
    /// As `hole_age_ns`, where the other way is not captured. Default 3 s, longer than common
    /// retransmission timeouts.
    pub blind_hole_age_ns: u64,
    /// A way whose beginning was not seen starts after so many segments. Default 32.
    pub settling_segments_count: u64,
    /// A way whose beginning was not seen starts after so long. Default 20 ms.
    pub settling_age_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_000_000,
            idle_ns: 3 * 3_600_000_000_000,
            linger_ns: 60_000_000_000,
            waiting_bytes_max: 1 << 20,
            waiting_bytes_total_max: 256 << 20,
            hole_segments_count: 32,
            hole_age_ns: 200_000_000,
            blind_hole_segments_count: 512,
            blind_hole_age_ns: 3_000_000_000,
            settling_segments_count: 32,
            settling_age_ns: 20_000_000,
        }
    }
}
