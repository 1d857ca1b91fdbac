//! Work in shards, for threads that are fewer: whoever is free takes the one of its shards that has most to do, or
//! else one of the others'.
//!
//! What comes for one shard is done in its order, by one thread at a time: mostly by the same, whose memory and
//! cache it is in, but none waits while another has too much. A worker that fails, or says that nobody wants what it makes,
//! ends the work of all.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Items that wait before more are given, for each shard; they may all be of one.
const ITEMS_PER_SHARD: usize = 4;
/// Items that keep the other threads busy while one that gives them works too, for each shard.
const ENOUGH_PER_SHARD: usize = 2;

/// Works for one shard.
pub(super) trait Worker {
    /// What is done one after the other.
    type Item;

    /// Does these, or what is due if there are none; `false` if nobody wants it.
    fn work(&mut self, items: VecDeque<Self::Item>) -> bool;

    /// When there is something to do without any item.
    fn due_at(&self) -> Option<Duration>;
}

/// The shards.
pub(super) struct Shards<W: Worker> {
    state: Mutex<State<W>>,
    /// There is something to do, or nothing will be any more.
    changed: Condvar,
    /// No more than half of what may wait does, or nothing is done any more.
    room: Condvar,
    clock: Arc<dyn Clock>,
}

struct State<W: Worker> {
    shards: Vec<Shard<W>>,
    /// Among which the shards are divided.
    threads_count: usize,
    /// Items of all shards.
    waiting: usize,
    /// Threads that wait for something to do.
    idle: usize,
    /// Does whoever gives items wait for room?
    is_full: bool,
    /// Does no item come any more?
    is_ended: bool,
    /// Is nothing to be done any more?
    is_over: bool,
}

struct Shard<W: Worker> {
    items: VecDeque<W::Item>,
    /// `None` while a thread has it, and for ever if it failed.
    worker: Option<W>,
}

/// A shard that a thread has.
struct Turn<W: Worker> {
    index: usize,
    worker: W,
    items: VecDeque<W::Item>,
}

impl<W: Worker> Shards<W> {
    /// One for each of `workers`, for so many threads.
    pub(super) fn new(
        workers: impl Iterator<Item = W>,
        threads_count: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shards = workers.map(|worker| Shard {
            items: VecDeque::new(),
            worker: Some(worker),
        });
        let state = State {
            shards: shards.collect(),
            threads_count: threads_count.max(1),
            waiting: 0,
            idle: 0,
            is_full: false,
            is_ended: false,
            is_over: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            room: Condvar::new(),
            clock,
        }
    }

    /// Gives shard `index` something to do, however much waits; `false` if nothing is done any more.
    pub(super) fn push(&self, index: usize, item: W::Item) -> bool {
        let mut state = self.lock();
        let is_over = state.is_over;
        if let Some(shard) = state.shards.get_mut(index).filter(|_| !is_over) {
            shard.items.push_back(item);
            // Whoever has it will look for more.
            let is_free = shard.worker.is_some();
            state.waiting += 1;
            if is_free && state.idle > 0 {
                self.changed.notify_one();
            }
        }
        !is_over
    }

    /// Works as thread 0, until the others, if there are any, have just enough to do; waits for room where others
    /// have what there is.
    pub(super) fn help(&self) {
        let mut state = self.lock();
        let enough = match state.threads_count {
            1 => 0,
            _ => ENOUGH_PER_SHARD * state.shards.len(),
        };
        while state.waiting > enough && !state.is_over {
            let Some(turn) = state.turn(0, self.clock.monotonic(), 1) else {
                return self.wait_for_room(state);
            };
            drop(state);
            self.work(turn);
            state = self.lock();
        }
        // It may have kept a shard from others that has more to do.
        if state.waiting > 0 && state.idle > 0 {
            self.changed.notify_one();
        }
    }

    /// Waits while too much waits.
    pub(super) fn wait(&self) {
        self.wait_for_room(self.lock());
    }

    /// No item comes any more.
    pub(super) fn end(&self) {
        self.lock().is_ended = true;
        self.changed.notify_all();
    }

    /// Works as this thread until all is done and no item comes any more.
    pub(super) fn run(&self, thread: usize) {
        while let Some(turn) = self.next(thread) {
            self.work(turn);
        }
    }

    /// The workers, but for those that failed. To be called when all threads are done.
    pub(super) fn take_workers(&self) -> Vec<Option<W>> {
        let mut state = self.lock();
        let workers = state.shards.iter_mut().map(|shard| shard.worker.take());
        workers.collect()
    }

    fn wait_for_room(&self, mut state: MutexGuard<'_, State<W>>) {
        state.is_full = state.waiting > ITEMS_PER_SHARD * state.shards.len();
        drop(
            self.room
                .wait_while(state, |state| state.is_full && !state.is_over),
        );
    }

    fn next(&self, thread: usize) -> Option<Turn<W>> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            let now = self.clock.monotonic();
            if let Some(turn) = state.turn(thread, now, usize::MAX) {
                // Half, so that who waits does not wake for each of them.
                if state.is_full && state.waiting <= ITEMS_PER_SHARD * state.shards.len() / 2 {
                    state.is_full = false;
                    self.room.notify_one();
                }
                return Some(turn);
            }
            // What waits of a shard that another thread has, that one will do.
            if state.is_ended {
                return None;
            }
            let pause = state.due_at().map(|due_at| due_at.saturating_sub(now));
            state.idle += 1;
            state = match pause {
                Some(pause) => {
                    let waited = self.changed.wait_timeout(state, pause);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            state.idle -= 1;
        }
    }

    fn work(&self, turn: Turn<W>) {
        let Turn {
            index,
            mut worker,
            items,
        } = turn;
        // It is gone then, and with it all that it knew.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let goes_on = worker.work(items);
            (worker, goes_on)
        }));
        let mut state = self.lock();
        let (worker, goes_on) =
            worked.map_or((None, false), |(worker, goes_on)| (Some(worker), goes_on));
        if let Some(shard) = state.shards.get_mut(index) {
            shard.worker = worker;
        }
        if !goes_on {
            state.is_over = true;
            self.changed.notify_all();
            self.room.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Worker> State<W> {
    /// The free shard that has most to do, of those of `thread` if any has, with at most `items_max` of it; else one
    /// that has something due.
    fn turn(&mut self, thread: usize, now: Duration, items_max: usize) -> Option<Turn<W>> {
        let threads_count = self.threads_count;
        let has_work = |shard: &Shard<W>| {
            let due_at = shard.worker.as_ref().map(Worker::due_at);
            due_at.is_some_and(|due_at| {
                !shard.items.is_empty() || due_at.is_some_and(|due_at| due_at <= now)
            })
        };
        let shards = self.shards.iter_mut().enumerate();
        let (index, shard) = shards
            .filter(|(_, shard)| has_work(shard))
            .max_by_key(|(index, shard)| (index % threads_count == thread, shard.items.len()))?;
        let count = shard.items.len().min(items_max);
        let items: VecDeque<_> = shard.items.drain(..count).collect();
        self.waiting -= count;
        let worker = shard.worker.take()?;
        Some(Turn {
            index,
            worker,
            items,
        })
    }

    /// When the first of the free shards has something due.
    fn due_at(&self) -> Option<Duration> {
        let workers = self.shards.iter().filter_map(|shard| shard.worker.as_ref());
        workers.filter_map(Worker::due_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// Takes what it is told to.
    #[derive(Default)]
    struct Taker {
        taken: Vec<u64>,
        due_at: Option<Duration>,
    }

    /// Nobody wants what comes of it.
    const UNWANTED: u64 = u64::MAX;
    /// Cannot be done.
    const BAD: u64 = u64::MAX - 1;

    impl Worker for Taker {
        type Item = u64;

        fn work(&mut self, items: VecDeque<u64>) -> bool {
            if items.is_empty() {
                self.due_at = None;
            }
            assert!(!items.contains(&BAD), "a bad item");
            let goes_on = !items.contains(&UNWANTED);
            self.taken.extend(items);
            goes_on
        }

        fn due_at(&self) -> Option<Duration> {
            self.due_at
        }
    }

    fn shards(count: usize, threads_count: usize) -> Arc<Shards<Taker>> {
        let workers = (0..count).map(|_| Taker::default());
        Arc::new(Shards::new(workers, threads_count, SystemClock::shared()))
    }

    /// Gives all shards items with other threads, or none; each item is its shard's next number.
    fn taken(threads_count: usize, helps: bool, shard_of: impl Fn(u64) -> usize) -> Vec<Vec<u64>> {
        let shards = shards(4, threads_count);
        let workers: Vec<_> = (usize::from(helps)..threads_count)
            .map(|thread| {
                let shards = Arc::clone(&shards);
                super::super::spawn("worker", move || shards.run(thread)).unwrap()
            })
            .collect();
        let mut next = [0; 4];
        for number in 0..10_000 {
            let index = shard_of(number);
            assert!(shards.push(index, next[index]));
            next[index] += 1;
            if helps {
                shards.help();
            } else {
                shards.wait();
            }
            let waiting = shards.lock().waiting;
            assert!(waiting <= 4 * ITEMS_PER_SHARD, "{waiting}");
        }
        shards.end();
        shards.run(0);
        workers
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let workers = shards.take_workers().into_iter();
        workers.map(|worker| worker.unwrap().taken).collect()
    }

    #[test]
    fn each_shard_gets_all_of_its_items_in_their_order() {
        for (threads_count, helps) in [(1, true), (1, false), (2, true), (2, false), (3, true)] {
            let evenly = taken(threads_count, helps, |number| (number % 4) as usize);
            assert_eq!(evenly, vec![(0..2_500).collect::<Vec<_>>(); 4]);
            let one_sided = taken(threads_count, helps, |_| 1);
            assert_eq!(one_sided[1], (0..10_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_worker_that_fails_or_is_not_wanted_ends_the_work_of_all() {
        for (last, is_lost) in [(BAD, true), (UNWANTED, false)] {
            let shards = shards(2, 1);
            for item in [1, last] {
                assert!(shards.push(0, item));
                shards.help();
            }
            assert!(!shards.push(1, 1));
            // None of these waits for anybody.
            shards.help();
            shards.wait();
            shards.run(0);
            let workers = shards.take_workers();
            assert_eq!(workers[0].is_none(), is_lost);
            assert!(workers[1].as_ref().unwrap().taken.is_empty());
        }
    }

    #[test]
    fn what_is_due_is_done_without_items() {
        let shards = shards(2, 1);
        let due_at = shards.clock.monotonic() + Duration::from_millis(20);
        shards.lock().shards[1].worker.as_mut().unwrap().due_at = Some(due_at);
        let turn = shards.next(0).unwrap();
        assert!(shards.clock.monotonic() >= due_at);
        assert_eq!((turn.index, turn.items.len()), (1, 0));
        shards.work(turn);
        shards.end();
        assert!(shards.next(0).is_none());
    }
}
