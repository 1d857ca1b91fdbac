//! How many calls of one method on one connection are learnt from: more tell nothing new.

use std::collections::HashMap;

use bytes::Bytes;
use twintap_decode::exchange::{Certainty, Exchange};

/// Calls of a method that was seen, on one connection.
const CALLS_MAX: u32 = 64;
/// Methods on connections that are counted; calls of any others are all learnt from.
const METHODS_MAX: usize = 65_536;

/// Counts calls by connection and method.
#[derive(Debug, Default)]
pub(super) struct Quota {
    counts: HashMap<(u64, Bytes), u32>,
}

impl Quota {
    /// Is `exchange` to be learnt from? Calls without a name always are.
    pub(super) fn admits(&mut self, exchange: &Exchange) -> bool {
        let Certainty::Seen(path) = &exchange.method else {
            return true;
        };
        let mut key = (exchange.connection.id, path.clone());
        if let Some(count) = self.counts.get_mut(&key) {
            *count = count.saturating_add(1);
            return *count <= CALLS_MAX;
        }
        if self.counts.len() < METHODS_MAX {
            // What it is a part of is not kept.
            key.1 = Bytes::copy_from_slice(path);
            self.counts.insert(key, 1);
        }
        true
    }
}
