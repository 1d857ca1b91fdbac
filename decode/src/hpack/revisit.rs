//! Blocks that could not be read for sure, kept until they can.
//!
//! Between a loss and the proof of what it did to the table, blocks are read as well as can be.
//! With the proof their references have one meaning, so they are read again: entries stay in the
//! table, only deeper by as many as were inserted since.

use super::block::{HeaderBlock, Ticket};
use super::decoder::Decoder;

/// Blocks kept.
const BLOCKS_MAX: usize = 256;

/// Bytes of them.
const BYTES_MAX: usize = 64 * 1024;

/// Blocks that wait for a proof, and those for which it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Revisits {
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    tickets: u64,
    revised: Vec<(Ticket, HeaderBlock)>,
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: Ticket,
    block: Vec<u8>,
    /// Insertions seen before the block.
    inserted: i64,
}

impl Revisits {
    /// Keeps a block, if there is room.
    pub(super) fn add(&mut self, block: &[u8], inserted: i64) -> Option<Ticket> {
        self.waiting_bytes += block.len();
        if self.waiting.len() >= BLOCKS_MAX || self.waiting_bytes > BYTES_MAX {
            self.waiting_bytes -= block.len();
            return None;
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.push(Waiting {
            ticket,
            block: block.to_vec(),
            inserted,
        });
        Some(ticket)
    }

    /// There will be no proof.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

impl Decoder {
    /// Blocks that have been read again, each under its ticket.
    #[inline]
    pub fn take_revised(&mut self) -> Vec<(Ticket, HeaderBlock)> {
        if self.revisits.revised.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.revisits.revised)
    }

    /// The hole is proved to stand for `shift` insertions.
    pub(super) fn close_hole(&mut self, shift: u32) {
        let inserted = self.table.inserted();
        self.table.close_hole(shift);
        let waiting = std::mem::take(&mut self.revisits.waiting);
        self.revisits.waiting_bytes = 0;
        for Waiting {
            ticket,
            block,
            inserted: before,
        } in waiting
        {
            let Ok(since) = u64::try_from(inserted - before) else {
                continue;
            };
            self.insertions_since = Some(since);
            let outcome = self.read(&block);
            self.insertions_since = None;
            if outcome.is_ok() {
                let revised = self.finish(outcome, 0);
                self.revisits.revised.push((ticket, revised));
            }
        }
    }
}
