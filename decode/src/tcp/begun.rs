//! Connections that had bytes and are gone, by how they began: one that begins so again was captured twice.
//!
//! Its packets come again where captures of two places are read one after the other. Kept is a hash of each, of a
//! bounded number of the last ones: a second copy far behind the first may go unnoticed.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::link::{FlowKey, Side};

/// Beginnings of one generation; there are two, and the older one goes.
const BEGINNINGS_MAX: usize = 1 << 16;

/// How connections began.
#[derive(Debug, Default)]
pub(super) struct Begun {
    newer: HashSet<u64, RandomState>,
    older: HashSet<u64, RandomState>,
}

impl Begun {
    /// A connection is gone that began with a SYN of `side` and this first sequence number behind it.
    pub(super) fn remember(&mut self, flow: &FlowKey, side: Side, first_seq: u32) {
        if self.newer.len() >= BEGINNINGS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        let hash = hash(flow, side, first_seq);
        self.newer.insert(hash);
    }

    /// Did one begin so before?
    pub(super) fn knows(&self, flow: &FlowKey, side: Side, first_seq: u32) -> bool {
        let hash = hash(flow, side, first_seq);
        self.newer.contains(&hash) || self.older.contains(&hash)
    }
}

/// Of flows that are chosen so that they collide, some are told to repeat that do not: nothing else comes of it.
fn hash(flow: &FlowKey, side: Side, first_seq: u32) -> u64 {
    foldhash::fast::FixedState::default().hash_one((flow.hash(0), side == Side::Low, first_seq))
}
