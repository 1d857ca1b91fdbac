//! Bytes to calls, as a watcher sees them: what the filter ships, and what packets carry.
//!
//! No I/O, no clock, no threads, no panics: every answer says done, need more, or broken but can
//! continue. Nothing is guessed: a value that was not seen says how it was found, or that it was
//! not. The layers, each knowing only the one before it:
//!
//! 1. [`capture`]: files to packets; [`link`], [`ip`], [`tcp`]: packets to the bytes of connections
//!    ([`stream`] is what they hand on).
//! 2. [`tls`]: given keys, the bytes of encrypted connections to those inside.
//! 3. [`http2`] with [`hpack`]: bytes to streams of header blocks and data.
//! 4. [`grpc`]: length-prefixed messages, statuses, message compression.
//! 5. [`exchange`]: request and response joined, each value saying how sure it is.
//!
//! [`envelope`] reads the batches of the filter, which arrive whole.

mod bytes_at;
pub mod capture;
pub mod envelope;
pub mod exchange;
pub mod grpc;
pub mod hpack;
pub mod http2;
pub mod ip;
pub mod link;
pub mod stream;
pub mod tcp;
pub mod tls;
