//! Calls of the dataset to pairs, a pass at a time: the one reader of `compare` and whatever else needs
//! all pairs.
//!
//! ```text
//! buckets ──▶ passes ──▶ a thread each: read, pair ──▶ in order: the caller compares, counts
//! ```
//!
//! A pass is a range of pairing buckets whose calls take at most their share of the memory, and at most about
//! a sixteenth of the dataset unless that is small; while the caller works on one, threads read the next.
//! Buckets of a dataset are seldom equal: a pass that turns out too large is weighed and read again in
//! parts, one bucket by a further hash of what its calls must share
//! ([`group_hash`](crate::pair::group_hash)). Calls that share so much that even [`SHARDS_MAX`] shards do
//! not part them stay unpaired, as [`Reason::TooMany`](crate::pair::Reason::TooMany): what is held never
//! grows with the dataset. At the end, calls of which one side lost its id are looked for by the next one
//! ([`Leftovers`]): until then they are [`Pairing::withheld`], and what comes back unpaired comes without
//! what it carried. Which calls that hits depends on the calls and the memory alone, and what a call's partner
//! is on neither files, passes nor threads.

mod plan;

pub use plan::SHARDS_MAX;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::call::{Call, request_id_variants};
use crate::pair::{
    self, Counts, FoundBy, Leftovers, Match, Pairing, Reunited, Rivals, Stripped, Unpaired,
    pair_calls, refuse_calls,
};
use crate::store::parquet::{Dataset, FindLimits, Ids, Projection, ReadError};
use plan::{Buckets, Pass, Weights};

/// Passes that are read ahead, or wait for the caller, while it works on another.
const READERS: usize = 2;

/// Into how many shares the memory goes, on every machine: those passes, the one being worked on, and the next
/// part of one that was split.
const SHARES: u64 = 4;

/// Calls handed on at a time that nobody tried to pair.
const REFUSED_CALLS: usize = 256;

/// Request ids of which duplicates are looked for at a time: each takes some kilobytes, as each Envoy may have
/// rewritten it.
const STRIPPED_IDS_MAX: usize = 20_000;

/// How to read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory for calls, about: in equal shares for the pass being worked on and those being read.
    pub memory_bytes_max: u64,
    /// Columns to read.
    pub projection: Projection,
    /// How to pair.
    pub pairing: pair::Settings,
}

/// Pairs the calls of `dataset` that `is_wanted`, and hands each pass to `take`. `seen` is told of rows
/// as passes are read; those of a pass that has to be split count only when its parts are read.
pub fn pair_dataset(
    dataset: &Dataset,
    settings: &Settings,
    is_wanted: impl Fn(&Call) -> bool + Sync,
    mut seen: impl FnMut(u64),
    mut take: impl FnMut(&Pairing) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let reader = Reader {
        dataset,
        settings,
        is_wanted: &is_wanted,
        is_over: AtomicBool::new(false),
    };
    let mut leftovers = Leftovers::default();
    std::thread::scope(|scope| {
        let mut ahead = Ahead::of(&reader, scope);
        while let Some((pass, read)) = ahead.next() {
            match read? {
                Read::Paired {
                    mut pairing,
                    bytes,
                    rows,
                } => {
                    seen(rows);
                    ahead.buckets.learn(&pass, bytes);
                    let given_up = leftovers.hold(&mut pairing);
                    take(&pairing)?;
                    if !given_up.is_empty() {
                        take(&second_look(given_up))?;
                    }
                }
                Read::TooMany(parts) if parts.is_empty() => {
                    reader.refuse(&pass, &mut seen, &mut take)?;
                }
                Read::TooMany(parts) => ahead.split(parts),
            }
        }
        anyhow::Ok(())
    })?;
    reader.look_again(leftovers, &mut take)
}

/// Calls that were withheld, and have no partner.
fn second_look(unpaired: Vec<Unpaired>) -> Pairing {
    Pairing {
        unpaired,
        is_second_look: true,
        ..Pairing::default()
    }
}

/// What became of reading a pass.
enum Read {
    /// Its calls, what they take in memory, and the rows that were read for them.
    Paired {
        pairing: Pairing,
        bytes: u64,
        rows: u64,
    },
    /// There are more than a pass may hold: into what to split it, in order.
    TooMany(Vec<Pass>),
}

/// The thread that reads a pass.
type Thread<'scope> = ScopedJoinHandle<'scope, Result<Read, ReadError>>;

/// Passes in order, with the threads of those that are being read or were.
struct Ahead<'scope, 'env, W> {
    reader: &'env Reader<'env, W>,
    scope: &'scope Scope<'scope, 'env>,
    buckets: Buckets,
    passes: VecDeque<(Pass, Option<Thread<'scope>>)>,
}

impl<'scope, 'env, W: Fn(&Call) -> bool + Sync> Ahead<'scope, 'env, W> {
    fn of(reader: &'env Reader<'env, W>, scope: &'scope Scope<'scope, 'env>) -> Self {
        Self {
            reader,
            scope,
            buckets: Buckets::of(reader.dataset),
            passes: VecDeque::new(),
        }
    }

    /// What became of the next pass; meanwhile those after it are read.
    fn next(&mut self) -> Option<(Pass, Result<Read, ReadError>)> {
        self.read_ahead();
        let (pass, thread) = self.passes.pop_front()?;
        self.read_ahead();
        let read = match thread {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // There is no thread to be had.
            None => self.reader.read(&pass),
        };
        Some((pass, read))
    }

    /// Starts what there is room for: always the next, also where it is part of a pass, and passes after that
    /// have all the places.
    fn read_ahead(&mut self) {
        while self.passes.len() < READERS
            && let Some(pass) = self.buckets.next(self.reader.memory_bytes())
        {
            self.passes.push_back((pass, None));
        }
        let mut taken = self.passes.iter().filter(|(_, it)| it.is_some()).count();
        for (index, (pass, thread)) in self.passes.iter_mut().enumerate() {
            if thread.is_none() && (index == 0 || taken < READERS) {
                let (reader, pass) = (self.reader, pass.clone());
                let read = move || reader.read(&pass);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the threads of a scope, which the pipeline reads with"
                )]
                let started = Builder::new().spawn_scoped(self.scope, read);
                *thread = started.ok();
                taken += 1;
            }
        }
    }

    /// Puts these in the place of the pass that was the next.
    fn split(&mut self, parts: Vec<Pass>) {
        for part in parts.into_iter().rev() {
            self.passes.push_front((part, None));
        }
    }
}

/// Nobody wants what is still being read.
impl<W> Drop for Ahead<'_, '_, W> {
    fn drop(&mut self) {
        self.reader.is_over.store(true, Ordering::Relaxed);
        for thread in self.passes.drain(..).filter_map(|(_, thread)| thread) {
            // Should it have panicked: what ended the caller came first.
            thread.join().ok();
        }
    }
}

/// Reads a pass.
struct Reader<'a, W> {
    dataset: &'a Dataset,
    settings: &'a Settings,
    is_wanted: &'a W,
    /// Does nobody want what is being read?
    is_over: AtomicBool,
}

impl<W: Fn(&Call) -> bool + Sync> Reader<'_, W> {
    /// What one pass may hold.
    fn memory_bytes(&self) -> u64 {
        (self.settings.memory_bytes_max / SHARES).max(1)
    }

    /// The calls of `pass`; ends early when nobody wants them any more.
    fn calls(&self, pass: &Pass) -> impl Iterator<Item = Result<Box<Call>, ReadError>> {
        let calls = pass.calls(self.dataset, self.settings.projection);
        calls.take_while(|_| !self.is_over.load(Ordering::Relaxed))
    }

    /// Reads and pairs the calls of `pass`; weighs them if they are more than it holds.
    fn read(&self, pass: &Pass) -> Result<Read, ReadError> {
        let mut calls: Vec<Box<Call>> = Vec::new();
        let (mut bytes, mut rows) = (0_u64, 0);
        let mut leaves_out = pass.is_sharded();
        let mut all = self.calls(pass);
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
                return self.too_many(pass, calls, all).map(Read::TooMany);
            }
        }
        Ok(Read::Paired {
            pairing: pair_calls(calls, &self.settings.pairing),
            bytes,
            rows,
        })
    }

    /// How to split `pass`, of which `calls` were read and `rest` was not.
    fn too_many(
        &self,
        pass: &Pass,
        calls: Vec<Box<Call>>,
        rest: impl Iterator<Item = Result<Box<Call>, ReadError>>,
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
    fn refuse(
        &self,
        pass: &Pass,
        seen: &mut impl FnMut(u64),
        take: &mut impl FnMut(&Pairing) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut held = Vec::new();
        for call in pass.calls(self.dataset, self.settings.projection) {
            let mut call = call?;
            seen(1);
            if (self.is_wanted)(&call) {
                call.detach();
                held.push(call);
            }
            if held.len() >= REFUSED_CALLS {
                let refused = refuse_calls(std::mem::take(&mut held), &self.settings.pairing);
                take(&refused)?;
            }
        }
        take(&refuse_calls(held, &self.settings.pairing))
    }

    /// Reads and hands on the pairs whose sides were found by other ids, and what stays alone.
    fn look_again(
        &self,
        leftovers: Leftovers,
        take: &mut impl FnMut(&Pairing) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let not_sought = leftovers.not_sought();
        let may_be_stripped = leftovers.may_be_stripped();
        let Reunited {
            matches,
            mut unpaired,
            ..
        } = leftovers.reunite(&self.settings.pairing);
        let mut rest = matches.as_slice();
        while !rest.is_empty() {
            // As many as memory holds: each time, all that share an id with any of them is read again.
            let (held, others) = rest.split_at(self.held_at_once(rest));
            rest = others;
            take(&self.whole(held)?)?;
        }
        let mut counts = Counts::default();
        if may_be_stripped {
            counts.duplicate_views = self.strike_stripped(&mut unpaired)?;
        }
        take(&Pairing {
            not_sought,
            counts,
            ..second_look(unpaired)
        })
    }

    /// Takes out of `unpaired` what another place recorded with a pair id, and says how many.
    fn strike_stripped(&self, unpaired: &mut Vec<Unpaired>) -> Result<u64, ReadError> {
        let mut stripped = Stripped::of(&*unpaired, &self.settings.pairing);
        let request_ids: Vec<_> = stripped.request_ids().into_iter().collect();
        for some in request_ids.chunks(STRIPPED_IDS_MAX) {
            let mut ids = Ids::default();
            let variants = some.iter().flat_map(request_id_variants);
            ids.request_ids.extend(variants);
            let see = |call: &Call| {
                if (self.is_wanted)(call) {
                    stripped.see(call);
                }
                false
            };
            self.dataset.find(&ids, see, FindLimits::NONE)?;
        }
        Ok(stripped.strike(unpaired))
    }

    /// How many of `matches` memory holds, now that no pass is read; at least one.
    fn held_at_once(&self, matches: &[Match]) -> usize {
        let mut bytes = 0_u64;
        let fits = |found: &&Match| {
            bytes = bytes.saturating_add(found.bytes_count);
            bytes <= self.settings.memory_bytes_max
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
        let mut pairing = second_look(Vec::new());
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
}

/// What `call` takes in memory.
fn weight(call: &Call) -> u64 {
    u64::try_from(call.weight(call.bytes_count())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod shared_id_tests;
#[cfg(test)]
mod tests;
