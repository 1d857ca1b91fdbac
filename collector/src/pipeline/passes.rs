//! Calls of the dataset to pairs, a pass at a time: the one reader of `compare` and whatever else needs
//! all pairs.
//!
//! ```text
//! buckets ──▶ pass: read, pair ──▶ rendezvous ──▶ the caller: compare, count
//! ```
//!
//! A pass is a range of pairing buckets whose calls are at most half of the memory, and at most about an
//! eighth of the dataset unless that is small; while the caller works on one, a thread reads the next.
//! Buckets of a dataset are seldom equal: a pass that turns out too large is weighed and read again in
//! parts, one bucket by a further hash of what its calls must share
//! ([`group_hash`](crate::pair::group_hash)). Calls that share so much that even [`SHARDS_MAX`] shards do
//! not part them stay unpaired, as [`Reason::TooMany`](crate::pair::Reason::TooMany): what is held never
//! grows with the dataset. At the end, calls of which one side lost its id are looked for by the next one
//! ([`Leftovers`]): until then they are [`Pairing::withheld`], and what comes back unpaired comes without
//! what it carried. Which calls that hits depends on the calls and the memory alone, and what a call's partner
//! is on neither files nor passes.

mod plan;

pub use plan::SHARDS_MAX;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::call::Call;
use crate::pair::{
    self, FoundBy, Leftovers, Match, Pairing, Reunited, Rivals, Unpaired, pair_calls, refuse_calls,
};
use crate::store::parquet::{Calls, Dataset, FindLimits, Ids, Projection, ReadError};
use plan::{Buckets, Pass, Weights};

/// Passes on their way back to the thread that read them: what one thread allocates and another frees makes
/// both wait for the allocator.
const SPENT_MAX: usize = 1;

/// Calls handed on at a time that nobody tried to pair.
const REFUSED_CALLS: usize = 256;

/// How to read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory for calls, about: half for the pass being read, half for the one being worked on.
    pub memory_bytes_max: u64,
    /// Columns to read.
    pub projection: Projection,
    /// How to pair.
    pub pairing: pair::Settings,
}

/// What came out of the reader thread.
enum Read {
    /// Rows read since the last time.
    Rows(u64),
    Pairing(Pairing),
    Failed(ReadError),
}

/// Pairs the calls of `dataset` that `is_wanted`, and hands each pass to `take`. `seen` is told of rows
/// as they are read; those of a pass that has to be split count only when its parts are read.
pub fn pair_dataset(
    dataset: &Dataset,
    settings: &Settings,
    is_wanted: impl Fn(&Call) -> bool + Sync,
    mut seen: impl FnMut(u64),
    mut take: impl FnMut(&Pairing) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // No place: a pass waits in the hands of the reader, so that two are held at most.
    let (passes, taken) = sync_channel(0);
    let (spent, returned) = sync_channel(SPENT_MAX);
    std::thread::scope(|scope| {
        let reader = Reader {
            dataset,
            settings,
            is_wanted: &is_wanted,
            passes,
            returned,
            leftovers: Leftovers::default(),
        };
        scope.spawn(move || reader.read());
        for read in taken {
            match read {
                Read::Rows(rows) => seen(rows),
                Read::Pairing(pairing) => {
                    take(&pairing)?;
                    // If there is no room it goes here, which costs time and nothing else.
                    spent.try_send(pairing).ok();
                }
                Read::Failed(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
}

/// What became of reading a pass.
enum Held {
    /// Its calls, and their bytes in memory.
    Calls(Vec<Box<Call>>, u64),
    /// There are more than it holds: into what to split it, the first one last.
    TooMany(Vec<Pass>),
}

struct Reader<'a, W> {
    dataset: &'a Dataset,
    settings: &'a Settings,
    is_wanted: &'a W,
    passes: SyncSender<Read>,
    returned: Receiver<Pairing>,
    leftovers: Leftovers,
}

/// The other end is gone: nobody wants more.
struct Gone;

impl<W: Fn(&Call) -> bool> Reader<'_, W> {
    fn read(mut self) {
        let mut buckets = Buckets::of(self.dataset);
        let mut parts = Vec::new();
        while let Some(pass) = parts.pop().or_else(|| buckets.next(self.memory_bytes())) {
            let done = match self.calls(&pass) {
                Ok(Held::Calls(calls, bytes)) => {
                    buckets.learn(&pass, bytes);
                    let mut pairing = pair_calls(calls, &self.settings.pairing);
                    let given_up = self.leftovers.hold(&mut pairing);
                    let sent = self.send(Read::Pairing(pairing));
                    sent.and_then(|()| self.hand_back(given_up))
                }
                Ok(Held::TooMany(split)) if split.is_empty() => self.refuse(&pass),
                Ok(Held::TooMany(split)) => {
                    parts.extend(split);
                    Ok(())
                }
                Err(error) => self.send(Read::Failed(error)),
            };
            if done.is_err() {
                return;
            }
        }
        // Nobody is left to tell that nobody is left.
        self.look_again().ok();
    }

    /// Hands back calls that were withheld and are not looked for.
    fn hand_back(&self, unpaired: Vec<Unpaired>) -> Result<(), Gone> {
        if unpaired.is_empty() {
            return Ok(());
        }
        self.send(Read::Pairing(Pairing {
            unpaired,
            is_second_look: true,
            ..Pairing::default()
        }))
    }

    /// Reads and hands on the pairs whose sides were found by other ids, and what stays alone.
    fn look_again(mut self) -> Result<(), Gone> {
        let leftovers = std::mem::take(&mut self.leftovers);
        let not_sought = leftovers.not_sought();
        let Reunited {
            matches, unpaired, ..
        } = leftovers.reunite(&self.settings.pairing);
        let mut rest = matches.as_slice();
        while !rest.is_empty() {
            // As many as memory holds: each time, all that share an id with any of them is read again.
            let (held, others) = rest.split_at(self.held_at_once(rest));
            rest = others;
            let pairing = match self.whole(held) {
                Ok(pairing) => pairing,
                Err(error) => return self.send(Read::Failed(error)),
            };
            self.send(Read::Pairing(pairing))?;
        }
        self.send(Read::Pairing(Pairing {
            unpaired,
            not_sought,
            is_second_look: true,
            ..Pairing::default()
        }))
    }

    /// How many of `matches` a pass holds; at least one.
    fn held_at_once(&self, matches: &[Match]) -> usize {
        let mut bytes = 0_u64;
        let fits = |found: &&Match| {
            bytes = bytes.saturating_add(found.bytes_count);
            bytes <= self.memory_bytes()
        };
        matches.iter().take_while(fits).count().max(1)
    }

    /// The pairs of `matches`, with all that their calls carried.
    fn whole(&self, matches: &[Match]) -> Result<Pairing, ReadError> {
        let mut ids = Ids::default();
        let mut wanted = BTreeSet::new();
        for call in matches
            .iter()
            .flat_map(|found| [&found.primary, &found.candidate])
        {
            ids.add_key_of(call);
            wanted.insert(call.id);
        }
        for found in matches {
            match found.found_by() {
                FoundBy::RequestId => ids.add_request_id_of(&found.primary),
                _ => ids.trace_ids.extend(found.primary.trace_id),
            }
        }
        let mut rivals = Rivals::of(matches, &self.settings.pairing);
        let is_wanted = |call: &Call| {
            if (self.is_wanted)(call) {
                rivals.see(call);
            }
            wanted.contains(&call.id)
        };
        let mut found = self.dataset.find(&ids, is_wanted, FindLimits::NONE)?;
        // Otherwise each would keep the bytes of its neighbours in memory.
        found.iter_mut().for_each(|call| call.detach());
        let mut whole: BTreeMap<_, _> = found.into_iter().map(|call| (call.id, call)).collect();
        let mut pairing = Pairing {
            is_second_look: true,
            ..Pairing::default()
        };
        for mut found in matches.iter().cloned() {
            rivals.contest(&mut found);
            let sides = (
                whole.remove(&found.primary.id),
                whole.remove(&found.candidate.id),
            );
            match sides {
                (Some(primary), Some(candidate)) => {
                    pairing.pairs.push(found.into_pair(primary, candidate));
                }
                _ => pairing.unpaired.extend(found.into_unpaired()),
            }
        }
        Ok(pairing)
    }

    /// What one pass may hold.
    fn memory_bytes(&self) -> u64 {
        (self.settings.memory_bytes_max / 2).max(1)
    }

    /// Reads the calls of `pass`; weighs them if they are more than it holds.
    fn calls(&self, pass: &Pass) -> Result<Held, ReadError> {
        let mut calls: Vec<Box<Call>> = Vec::new();
        let (mut bytes, mut rows) = (0_u64, 0);
        let mut leaves_out = pass.is_sharded();
        let mut all = pass.calls(self.dataset, self.settings.projection);
        while let Some(mut call) = all.next().transpose()? {
            rows += 1;
            if !(self.is_wanted)(&call) {
                if !std::mem::replace(&mut leaves_out, true) {
                    calls.iter_mut().for_each(|call| call.detach());
                }
                continue;
            }
            if leaves_out {
                // Otherwise it would keep the bytes of its neighbours in memory.
                call.detach();
            }
            bytes += weight(&call);
            calls.push(call);
            // A single call is paired, however large it is: its partner is not here.
            if bytes > self.memory_bytes() && calls.len() > 1 {
                return self.too_many(pass, calls, all).map(Held::TooMany);
            }
        }
        // Nobody listening is found out when the pass is sent.
        self.send(Read::Rows(rows)).ok();
        Ok(Held::Calls(calls, bytes))
    }

    /// How to split `pass`, of which `calls` were read and `rest` was not.
    fn too_many(
        &self,
        pass: &Pass,
        calls: Vec<Box<Call>>,
        rest: Calls<'_>,
    ) -> Result<Vec<Pass>, ReadError> {
        if pass.is_smallest() {
            return Ok(Vec::new());
        }
        let mut weights = Weights::default();
        for call in calls {
            weights.add(pass, &call, weight(&call));
        }
        for call in rest {
            let call = call?;
            if (self.is_wanted)(&call) {
                weights.add(pass, &call, weight(&call));
            }
        }
        Ok(pass.split(&weights, self.memory_bytes()))
    }

    /// Hands on the calls of `pass` as they come, none of them paired.
    fn refuse(&self, pass: &Pass) -> Result<(), Gone> {
        let (mut held, mut rows) = (Vec::new(), 0);
        for call in pass.calls(self.dataset, self.settings.projection) {
            rows += 1;
            match call {
                Ok(mut call) if (self.is_wanted)(&call) => {
                    call.detach();
                    held.push(call);
                }
                Ok(_) => {}
                Err(error) => return self.send(Read::Failed(error)),
            }
            if held.len() >= REFUSED_CALLS {
                let refused = refuse_calls(std::mem::take(&mut held), &self.settings.pairing);
                self.send(Read::Pairing(refused))?;
            }
        }
        self.send(Read::Rows(rows)).ok();
        self.send(Read::Pairing(refuse_calls(held, &self.settings.pairing)))
    }

    fn send(&self, read: Read) -> Result<(), Gone> {
        self.passes.send(read).map_err(|_| Gone)?;
        // What was worked on before that goes before more is read.
        self.returned.try_iter().for_each(drop);
        Ok(())
    }
}

/// What `call` takes in memory.
fn weight(call: &Call) -> u64 {
    u64::try_from(call.weight(call.bytes_count())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod shared_id_tests;
#[cfg(test)]
mod tests;
