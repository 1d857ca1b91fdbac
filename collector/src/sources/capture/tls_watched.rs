//! What became of TLS connections, over all that a watcher saw.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use twintap_decode::link::Tally;
use twintap_decode::tls::{Added, Counters, Outcome, UndecryptedReason};

/// The servers that were asked for, by address or port. Default: none.
#[derive(Clone, Default)]
pub struct Wanted(Option<Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>>);

impl Wanted {
    /// Those for which `is_wanted` is true.
    pub fn new(is_wanted: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_wanted)))
    }

    pub(super) fn has(&self, server: SocketAddr) -> bool {
        self.0.as_ref().is_some_and(|is_wanted| is_wanted(server))
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wanted")
    }
}

/// `connections = decrypted + undecrypted`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsWatched {
    /// Connections that spoke TLS.
    pub connections: u64,
    /// Those whose records were opened.
    pub decrypted: u64,
    /// Those whose content was not seen.
    pub undecrypted: Tally<UndecryptedReason>,
    /// Those of them in which something was sent, with a server that was asked for.
    pub wanted_unseen: u64,
    /// Of records.
    pub records: Counters,
    /// Of secrets that came with the packets.
    pub key_log: Added,
}

impl TlsWatched {
    /// Counts a connection that is over.
    pub(super) fn count(&mut self, outcome: Outcome, records: &Counters, is_wanted: bool) {
        match outcome {
            Outcome::Clear => return,
            Outcome::Decrypted => self.decrypted += 1,
            Outcome::Undecrypted(reason) => {
                let is_empty = reason == UndecryptedReason::Unfinished;
                self.wanted_unseen += u64::from(is_wanted && !is_empty);
                self.undecrypted.count(reason);
            }
        }
        self.connections += 1;
        self.records.merge(records);
    }

    /// Adds what another watcher saw.
    pub(super) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.decrypted += other.decrypted;
        self.undecrypted.merge(&other.undecrypted);
        self.wanted_unseen += other.wanted_unseen;
        self.records.merge(&other.records);
        self.key_log.merge(&other.key_log);
    }
}
