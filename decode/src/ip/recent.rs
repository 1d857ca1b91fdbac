//! Fragments of datagrams that have become whole, for a moment: a capture on all interfaces, or at
//! both ports of a switch, has each packet twice, and the second of a last fragment comes too late.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::fragments::{Fragment, FragmentKey};

/// How long a fragment may be a copy of one before, in capture time. Longer than copies take, and
/// shorter than it takes to use an identification again.
const COPY_AGE_MAX_NS: u64 = 100_000_000;
/// Most datagrams that are remembered.
const DATAGRAMS_MAX: usize = 1_024;
/// Most fragments of a datagram that is remembered.
const FRAGMENTS_MAX: usize = 64;

/// The last datagrams that became whole.
#[derive(Debug, Default)]
pub(super) struct Recent {
    datagrams: HashMap<FragmentKey, Prints, RandomState>,
    /// Keys in the order in which they were added, with the time; one may have been forgotten since, or added again.
    order: VecDeque<(u64, FragmentKey)>,
    seed: RandomState,
}

#[derive(Debug)]
struct Prints {
    unix_ns: u64,
    /// One of each fragment.
    prints: Box<[u64]>,
}

impl Recent {
    /// Is `fragment` a copy of one of a datagram that became whole a moment ago?
    pub(super) fn has(&self, fragment: &Fragment<'_>) -> bool {
        let known = self.datagrams.get(&fragment.key);
        known.is_some_and(|known| {
            let age_ns = fragment.unix_ns.saturating_sub(known.unix_ns);
            let print = self.print(fragment.offset, fragment.bytes);
            age_ns <= COPY_AGE_MAX_NS && known.prints.contains(&print)
        })
    }

    /// Remembers the datagram that `last` made whole.
    pub(super) fn add(&mut self, last: &Fragment<'_>, pieces: &BTreeMap<usize, Vec<u8>>) {
        if pieces.len() > FRAGMENTS_MAX {
            return;
        }
        let prints = pieces.iter().map(|(at, bytes)| self.print(*at, bytes));
        let prints = Prints {
            prints: prints.collect(),
            unix_ns: last.unix_ns,
        };
        self.datagrams.insert(last.key, prints);
        self.order.push_back((last.unix_ns, last.key));
        if self.order.len() > DATAGRAMS_MAX
            && let Some((unix_ns, oldest)) = self.order.pop_front()
            && let Entry::Occupied(entry) = self.datagrams.entry(oldest)
            // Its number may have been used again since.
            && entry.get().unix_ns == unix_ns
        {
            entry.remove();
        }
    }

    /// Forgets a datagram.
    pub(super) fn forget(&mut self, key: &FragmentKey) {
        self.datagrams.remove(key);
    }

    fn print(&self, at: usize, bytes: &[u8]) -> u64 {
        self.seed.hash_one((at, bytes))
    }
}
