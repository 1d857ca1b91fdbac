//! Streams to finished exchanges: request and response, joined by connection and stream.
//!
//! The two ways of a connection are decoded independently, so an exchange may hear of its response
//! first; only stream identifiers and times join. An exchange is finished when both halves are; or
//! when the response is, or a RST_STREAM was seen, and the other way has moved on
//! ([`Limits::linger_ns`]); or with its connection. It goes to a [`CallSink`] at once, unless what
//! the connection still shows may tell more about it (`undecided`), and is then
//! remembered by its identifier only, so that late frames make no call.

mod ages;
mod budget;
mod certainty;
#[allow(
    clippy::module_inception,
    reason = "the module's main type, alone in its file"
)]
mod exchange;
mod finished;
mod half;
mod joiner;
mod kind;
mod tally;
mod undecided;
mod ways;

pub use budget::SharedBudget;
pub use certainty::{Certainty, Rule};
pub use exchange::{ConnectionName, Exchange, ExchangeEnd, MethodClass};
pub use half::HalfStream;
pub use tally::Tally;

pub(crate) use joiner::Joiner;
pub(crate) use ways::{Ways, opposite};

use std::sync::{Arc, Mutex, PoisonError};

use crate::grpc::BodyLimits;

/// Takes calls as soon as they are finished.
pub trait CallSink {
    /// A finished call.
    fn call(&mut self, call: Box<Exchange>);
}

impl CallSink for std::collections::VecDeque<Box<Exchange>> {
    fn call(&mut self, call: Box<Exchange>) {
        self.push_back(call);
    }
}

/// Of several connections, which may be followed by different threads.
impl<S: CallSink> CallSink for Arc<Mutex<S>> {
    fn call(&mut self, call: Box<Exchange>) {
        let mut sink = self.lock().unwrap_or_else(PoisonError::into_inner);
        sink.call(call);
    }
}

/// Limits of one connection's exchanges.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of bodies.
    pub body: BodyLimits,
    /// Streams open at once; the oldest goes when there are more. Default 4096.
    pub streams_max: usize,
    /// Bytes of bodies, of their lists of messages and of header blocks that are kept of exchanges
    /// not handed on yet; and no more than [`SharedBudget`] leaves. Beyond that the oldest open
    /// streams keep no bodies any more (their lengths and digests stay right), and if that is not
    /// enough are given up. Default 64 MiB.
    pub kept_bytes_max: usize,
    /// How long after the end of one half the other is waited for, in time of the capture.
    /// Default 200 ms.
    pub linger_ns: u64,
    /// How long nothing may come of a stream that may have lost its end. Default 60 s.
    pub silence_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: BodyLimits::default(),
            streams_max: 4096,
            kept_bytes_max: 64 * 1024 * 1024,
            linger_ns: 200_000_000,
            silence_ns: 60_000_000_000,
        }
    }
}
