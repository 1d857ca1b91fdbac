//! HTTP/2 (RFC 9113) for a watcher: bytes of one connection to finished exchanges.
//!
//! [`Connection`] takes the bytes of both ways ([`crate::stream`]) and hands finished gRPC calls to
//! a [`crate::exchange::CallSink`]. It observes and never polices: flow control, frame sizes and
//! the order of frames are the endpoints' business. What it must not trust it caps: header blocks
//! at 256 KiB and 64 CONTINUATION frames, hunts for frames at 256 KiB, open streams, bodies.
//!
//! After lost bytes it goes on exactly where a DATA frame was cut, and otherwise hunts for the next
//! frame. Not supported: pushed responses are read for their effect on HPACK and dropped.

mod blocks;
mod connection;
mod frame;
mod frames;
mod hunt;
mod lane;
mod loss;
mod opening;
mod upgrade;

pub use connection::{Connection, Counters, Protocol};
