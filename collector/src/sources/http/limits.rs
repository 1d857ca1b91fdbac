//! Every bound a client of the HTTP port meets.

use std::time::Duration;

/// Bytes of the connection's receive window: what a peer may send over one HTTP/2 connection before
/// any of it is read. Times [`Limits::connections_max`] (256 MiB by default) it bounds the memory of
/// bodies that [`Limits::ingest_bytes_max`] does not count yet.
pub const H2_CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of a stream's receive window: of the connection's, so that a lone batch is not held up.
pub const H2_STREAM_WINDOW: u32 = H2_CONNECTION_WINDOW;
/// Streams a peer may open and reset before we have looked at them (rapid reset).
pub const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams we may have to reset for a peer's mistakes before it is sent away.
pub const H2_ERROR_RESETS_MAX: usize = 256;
/// How often a silent HTTP/2 peer is pinged, and how long it may take to answer.
pub const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// See above.
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that a connection reads before others have their turn: five hundred PINGs, or eight requests of a
/// thousand headers each, which HPACK makes a kilobyte. So it bounds what is decoded and not yet looked at.
pub const TURN_BYTES: usize = 8 << 10;
/// A page of `/metrics` that waits to be taken is shared until it is as old as this: peers that do not take
/// theirs hold no more pages than are rendered within [`Limits::idle_timeout`].
pub const PAGE_AGE_MAX: Duration = Duration::from_millis(200);
/// Header lines of an HTTP/1 request.
pub const H1_HEADERS_MAX: usize = 100;
/// Read buffer of an HTTP/1 connection. Bodies stream through it.
pub const H1_BUFFER_BYTES: usize = 256 << 10;

/// Bounds that are configured.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; further ones are closed at once.
    pub connections_max: usize,
    /// Concurrent requests on one HTTP/2 connection.
    pub streams_max: u32,
    /// Size of a request's header list: names, values and 32 bytes each.
    pub header_bytes_max: u32,
    /// Size of a body.
    pub body_bytes_max: usize,
    /// Records of a batch.
    pub batch_records_max: u32,
    /// Bytes of all bodies being read or waiting for the journal.
    pub ingest_bytes_max: usize,
    /// From connecting to the end of the first request's headers.
    pub header_timeout: Duration,
    /// From a request's headers to the end of its body.
    pub body_timeout: Duration,
    /// Without any request.
    pub idle_timeout: Duration,
}
