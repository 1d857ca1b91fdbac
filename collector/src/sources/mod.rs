//! Where input enters: records from the filter over HTTP, and packets, captured before or
//! just now. [`reflection`] brings no calls, but the types of their messages.
//!
//! A source knows nothing of what keeps its batches: it is given an [`Intake`].

pub mod capture;
pub mod http;
pub mod live;
pub mod reflection;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use twintap_decode::envelope::Envelope;

/// Takes batches and answers when they are durable.
pub trait Intake: Clone + Send + Sync + 'static {
    /// Keeps the batch in `body`. `memory` is what the source has set aside for it; it must be held
    /// as long as the bytes are.
    fn take(
        &self,
        envelope: Envelope,
        body: Bytes,
        memory: OwnedSemaphorePermit,
    ) -> impl Future<Output = Result<Taken, NotTaken>> + Send;

    /// Is a batch worth reading? Says yes where only trying can tell, as with a disk that was full.
    fn check(&self) -> Result<(), NotTaken>;

    /// Should traffic be sent here?
    fn ready(&self) -> Result<(), NotTaken>;
}

/// A batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Records that were new.
    pub stored: u64,
    /// Records that had been stored before.
    pub duplicates: u64,
}

/// A batch was not taken, and nothing of it kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Machine-readable.
    pub code: &'static str,
    /// For people.
    pub reason: String,
    /// When to come again; `None` if it would be refused again.
    pub retry_after: Option<Duration>,
}
