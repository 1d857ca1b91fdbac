//! What became of TLS connections, over all that a watcher saw.

use twintap_decode::link::Tally;
use twintap_decode::tls::{Added, Counters, Outcome, UndecryptedReason};

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
