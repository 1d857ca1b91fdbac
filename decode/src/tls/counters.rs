//! What became of TLS connections and their records.

use crate::link::{Tally, reasons};

reasons! {
    /// Why what is in a TLS connection was not seen.
    UndecryptedReason {
        /// The key log has no secrets of it.
        NoSecrets = "no_secrets",
        /// A hello was not captured, as where a capture begins midway or has one direction only.
        HelloNotCaptured = "hello_not_captured",
        /// The version is before 1.2, or the cipher suite is none of AES-GCM and
        /// ChaCha20-Poly1305.
        Unsupported = "unsupported_suite",
        /// More came than is kept while hellos or secrets are missing.
        Limit = "limit",
        /// No record opens with the secrets of the key log.
        WrongSecrets = "wrong_secrets",
        /// Bytes behind the hellos were lost and no record was opened: nothing tells whether the secrets
        /// of the key log fit.
        RecordsLost = "records_lost",
        /// Nobody answered the client's hello, and nothing but alerts is behind it: nothing is in it.
        Unfinished = "handshake_unfinished",
    }
}

reasons! {
    /// Why a protected record was not opened.
    FailReason {
        /// Bytes of it were lost.
        Cut = "bytes_lost",
        /// Its tag does not fit: changed on the way, or keys that are not in the key log.
        Tag = "tag",
    }
}

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No TLS: handed on as it is.
    Clear,
    /// TLS whose records were opened; what failed is counted.
    Decrypted,
    /// TLS whose content was not seen.
    Undecrypted(UndecryptedReason),
}

/// What became of the records of a connection: `records = plain + opened + failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records whose header was seen where one had to be. What a way given up has after too many failed
    /// is not taken apart: it is a gap at the end.
    pub records: u64,
    /// Records that are not protected: hellos, ChangeCipherSpec, TLS 1.2 before that.
    pub plain: u64,
    /// Records opened.
    pub opened: u64,
    /// Records not opened.
    pub failed: Tally<FailReason>,
    /// Bytes of application data that were handed on.
    pub application_bytes: u64,
    /// Records whose header was not seen, so that they are none of `records`. The sequence number of the
    /// next one that opens tells; at least so many where keys changed between, and those behind the
    /// last one that opened are not known.
    pub missing_records: u64,
    /// Times that the place in the records was lost and found again.
    pub resyncs: u64,
    /// Keys of application data that were replaced by KeyUpdate.
    pub key_updates: u64,
    /// Bytes of early data that the server did not take, so that the client sent them again.
    pub early_rejected_bytes: u64,
}

impl Counters {
    /// Does every record have its place?
    pub fn adds_up(&self) -> bool {
        self.records == self.plain + self.opened + self.failed.total()
    }

    /// Adds those of another connection.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.plain += other.plain;
        self.opened += other.opened;
        self.failed.merge(&other.failed);
        self.application_bytes += other.application_bytes;
        self.missing_records += other.missing_records;
        self.resyncs += other.resyncs;
        self.key_updates += other.key_updates;
        self.early_rejected_bytes += other.early_rejected_bytes;
    }

    pub(super) fn plain(&mut self) {
        self.records += 1;
        self.plain += 1;
    }

    pub(super) fn opened(&mut self) {
        self.records += 1;
        self.opened += 1;
    }

    pub(super) fn fail(&mut self, reason: FailReason) {
        self.records += 1;
        self.failed.add(reason, 1);
    }
}
