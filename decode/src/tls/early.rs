//! Early data of TLS 1.3 (0-RTT): kept until it is known whether the server took it.
//!
//! A client whose early data is refused sends it again, with other keys; told twice, its calls would
//! be there twice. EndOfEarlyData says that it was taken.

use super::reading::Output;
use crate::bytes_at;
use crate::stream::ByteSink;

/// Bytes of early data that are kept.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct EarlyData {
    /// With the time of each record.
    held: Vec<(u64, Vec<u8>)>,
    held_bytes: usize,
    /// Bytes behind those that were not kept or not captured, at most.
    beyond_bytes: u64,
}

impl EarlyData {
    pub(super) fn hold(&mut self, at_unix_ns: u64, content: &[u8]) {
        let is_over = self.held_bytes + content.len() > EARLY_BYTES_MAX;
        if is_over || self.beyond_bytes > 0 {
            self.beyond_bytes += bytes_at::count(content.len());
        } else if !content.is_empty() {
            self.held_bytes += content.len();
            self.held.push((at_unix_ns, content.to_vec()));
        }
    }

    /// Up to `len` bytes were lost.
    pub(super) fn lose(&mut self, len: u64) {
        self.beyond_bytes = self.beyond_bytes.saturating_add(len);
    }

    /// The server took it.
    pub(super) fn hand_on<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        let taken = std::mem::take(self);
        for (at, content) in &taken.held {
            out.counters.application_bytes += bytes_at::count(content.len());
            out.sink.bytes(*at, out.way, content);
        }
        if taken.beyond_bytes > 0 {
            out.sink
                .gap_up_to(out.at_unix_ns, out.way, taken.beyond_bytes);
        }
    }

    /// It is over without a word whether the server took it: it did not, unless that word is lost.
    pub(super) fn end<S: ByteSink>(&mut self, is_lossy: bool, out: &mut Output<'_, S>) {
        let len = self.take();
        if len > 0 && is_lossy {
            out.sink.gap_up_to(out.at_unix_ns, out.way, len);
        } else {
            out.counters.early_rejected_bytes += len;
        }
    }

    /// The connection is over and nothing was heard.
    pub(super) fn drop_unanswered<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        let len = self.take();
        if len > 0 {
            out.sink.gap_up_to(out.at_unix_ns, out.way, len);
        }
    }

    fn take(&mut self) -> u64 {
        let taken = std::mem::take(self);
        bytes_at::count(taken.held_bytes) + taken.beyond_bytes
    }
}
