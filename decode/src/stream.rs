//! The bytes of one connection as a watcher sees them: in order, each byte once, with gaps of
//! known length where bytes were lost.
//!
//! TCP produces this, TLS (given keys) turns it into the same of the plaintext, HTTP/2 consumes
//! it. The two ways of a connection are independent: one may run ahead while the other waits for
//! a late packet, so nothing may be concluded from the order of calls of different ways; time
//! stamps tell. Times are nanoseconds since the Unix epoch, as the capture has them.

/// Which of the two endpoints of a connection sent something. Which is the client is for HTTP/2
/// to find out: a capture may begin in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the endpoint that the connection's name puts first: who sent the SYN, if it was seen.
    Forward,
    /// From the other one.
    Reverse,
}

/// How the bytes of one way begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// With the first byte that was ever sent: the handshake was seen.
    Seen,
    /// Somewhere in the middle: what came before is unknown.
    Midway,
}

/// Why no more bytes of one way will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// FIN: the sender finished.
    Fin,
    /// RST, of either endpoint.
    Reset,
    /// The same addresses and ports began another connection.
    Reused,
    /// Nothing came for longer than the limit on idle connections.
    Idle,
    /// Given up to stay within a limit.
    Evicted,
    /// The capture ended.
    CaptureEnd,
}

/// Takes the bytes of one connection.
pub trait ByteSink {
    /// The first thing said of a way.
    fn start(&mut self, at_unix_ns: u64, way: Way, start: Start);
    /// The next bytes. Valid only during the call.
    fn bytes(&mut self, at_unix_ns: u64, way: Way, bytes: &[u8]);
    /// This many bytes were sent and not captured.
    fn gap(&mut self, at_unix_ns: u64, way: Way, len: u64);
    /// Time has come to `at_unix_ns`, all that was sent before it and captured has been told, and nothing of
    /// it waits: only on live lines, about once a second.
    fn time(&mut self, at_unix_ns: u64);
    /// No more will come of this way.
    fn end(&mut self, at_unix_ns: u64, way: Way, ending: Ending);
}
