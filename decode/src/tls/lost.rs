//! What was lost of one way since the last record that was opened, and how much plaintext that is.

use super::protection::Protection;
use super::record::{HEADER_BYTES, RecordHeader, content_type};
use crate::bytes_at;

/// Bytes and records that were not opened.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Bytes of records.
    bytes: u64,
    /// Records whose header was seen.
    records: u64,
    /// Bytes of application data in those.
    content_bytes: u64,
    /// Is there more than those records, or records that do not tell how long their content is?
    is_vague: bool,
}

impl Lost {
    /// Bytes of which nothing is known.
    pub(super) fn bytes(&mut self, len: u64) {
        self.bytes = self.bytes.saturating_add(len);
        self.is_vague |= len > 0;
    }

    /// A record whose header is known.
    pub(super) fn record(&mut self, header: RecordHeader, protection: Option<&Protection>) {
        self.bytes = self
            .bytes
            .saturating_add(bytes_at::count(header.record_bytes()));
        self.records += 1;
        match protection.filter(|protection| protection.tells_length()) {
            Some(protection) if header.content_type == content_type::APPLICATION_DATA => {
                let len = usize::from(header.length).saturating_sub(protection.overhead());
                self.content_bytes += bytes_at::count(len);
            }
            Some(_) => {}
            None => self.is_vague = true,
        }
    }

    /// Records whose header was seen.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn is_any(&self) -> bool {
        self.bytes > 0
    }

    /// The application data in it, if it is these records and nothing else.
    pub(super) fn exact(&self, missing_records: u64) -> Option<u64> {
        let is_exact = !self.is_vague && missing_records == self.records;
        is_exact.then_some(self.content_bytes)
    }

    /// The most application data that so many records in it can have had.
    pub(super) fn most(&self, missing_records: u64, protection: Option<&Protection>) -> u64 {
        let overhead = HEADER_BYTES + protection.map_or(0, Protection::overhead);
        let overhead = bytes_at::count(overhead).saturating_mul(missing_records);
        self.bytes.saturating_sub(overhead).max(1)
    }

    /// The most application data that can be in it, whatever it is; `None` if nothing was lost.
    pub(super) fn most_of_all(&self) -> Option<u64> {
        (self.bytes > 0).then_some(self.bytes)
    }
}
