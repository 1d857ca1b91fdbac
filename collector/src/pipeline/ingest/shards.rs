//! Shards of work shared by fewer threads: a free thread takes the fullest shard of its own, else of another's.
//!
//! What comes for one shard is done in its order, by one thread at a time: mostly by the same, whose memory and
//! cache it is in, but none waits while another has too much. Of a worker that fails, what waits is given up, and
//! nothing more is taken; the others do what they have. Where nobody wants what is made, all of them end at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Items that wait before more are given, for each shard; they may all be of one.
const ITEMS_PER_SHARD: usize = 4;
/// Items that keep the other threads busy while the one that gives them works too, for each shard; they may all be
/// of one.
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
    /// Did a worker fail?
    is_broken: bool,
    /// Is nothing to be done any more?
    is_over: bool,
}

struct Shard<W: Worker> {
    items: VecDeque<W::Item>,
    /// `None` while a thread has it.
    worker: Option<W>,
    /// Did its worker fail?
    is_gone: bool,
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
            is_gone: false,
        });
        let state = State {
            shards: shards.collect(),
            threads_count: threads_count.max(1),
            waiting: 0,
            idle: 0,
            is_full: false,
            is_ended: false,
            is_broken: false,
            is_over: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            room: Condvar::new(),
            clock,
        }
    }

    /// Gives shard `index` something to do, however much waits; `false` if nothing more is to come.
    pub(super) fn push(&self, index: usize, item: W::Item) -> bool {
        let mut state = self.lock();
        let goes_on = !state.is_over && !state.is_broken;
        let is_over = state.is_over;
        let shard = state.shards.get_mut(index);
        if let Some(shard) = shard.filter(|shard| !is_over && !shard.is_gone) {
            shard.items.push_back(item);
            // Whoever has it will look for more.
            let is_free = shard.worker.is_some();
            state.waiting += 1;
            if is_free && state.idle > 0 {
                self.changed.notify_one();
            }
        }
        goes_on
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
            if let Some(turn) = state.turn(thread, now, ITEMS_PER_SHARD) {
                self.tell_of_room(&mut state);
                // This thread will not be there in time for what will be due.
                if state.idle > 0 && state.due_at().is_some() {
                    self.changed.notify_one();
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
        let Some(shard) = state.shards.get_mut(index) else {
            return;
        };
        let Ok((worker, goes_on)) = worked else {
            shard.is_gone = true;
            let given_up = std::mem::take(&mut shard.items).len();
            state.waiting -= given_up;
            state.is_broken = true;
            self.tell_of_room(&mut state);
            return;
        };
        shard.worker = Some(worker);
        let has_more = !shard.items.is_empty();
        if !goes_on {
            state.is_over = true;
            self.changed.notify_all();
            self.room.notify_one();
        } else if has_more && state.idle > 0 {
            self.changed.notify_one();
        }
    }

    /// Of room for half, so that who waits does not wake for each item.
    fn tell_of_room(&self, state: &mut State<W>) {
        if state.is_full && state.waiting <= ITEMS_PER_SHARD * state.shards.len() / 2 {
            state.is_full = false;
            self.room.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No item comes any more, however what gives them ends.
pub(super) struct EndAtDrop<'a, W: Worker>(pub(super) &'a Shards<W>);

impl<W: Worker> Drop for EndAtDrop<'_, W> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<W: Worker> State<W> {
    /// A free shard that has something due, which is little and seldom; else the one that has most to do, of those
    /// of `thread` if any has. With at most `items_max` of it.
    fn turn(&mut self, thread: usize, now: Duration, items_max: usize) -> Option<Turn<W>> {
        let threads_count = self.threads_count;
        let free = self
            .shards
            .iter_mut()
            .enumerate()
            .filter_map(|(index, shard)| {
                let due_at = shard.worker.as_ref()?.due_at();
                let is_due = due_at.is_some_and(|due_at| due_at <= now);
                let rank = (is_due, index % threads_count == thread, shard.items.len());
                (is_due || !shard.items.is_empty()).then_some((rank, index, shard))
            });
        let (_, index, shard) = free.max_by_key(|(rank, ..)| *rank)?;
        let worker = shard.worker.take()?;
        let count = shard.items.len().min(items_max);
        let items: VecDeque<_> = shard.items.drain(..count).collect();
        self.waiting -= count;
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
    fn of_a_worker_that_fails_what_waits_is_given_up_and_the_others_do_what_they_have() {
        for threads_count in [1, 2] {
            let shards = shards(2, threads_count);
            let pushed =
                [(1, 1), (0, 1), (0, BAD), (1, 2)].map(|(index, item)| shards.push(index, item));
            assert_eq!(pushed, [true; 4]);
            let worker = (threads_count > 1).then(|| {
                let shards = Arc::clone(&shards);
                super::super::spawn("worker", move || shards.run(1)).unwrap()
            });
            while shards.push(0, 3) {
                shards.help();
            }
            assert!(!shards.push(1, 3));
            // None of these waits for anybody.
            shards.wait();
            shards.end();
            shards.run(0);
            worker.into_iter().for_each(|thread| thread.join().unwrap());
            let workers = shards.take_workers();
            assert!(workers[0].is_none());
            assert_eq!(workers[1].as_ref().unwrap().taken, [1, 2, 3]);
            assert_eq!(shards.lock().waiting, 0);
        }
    }

    #[test]
    fn where_nobody_wants_what_is_made_all_end_at_once() {
        let shards = shards(2, 2);
        let other = {
            let shards = Arc::clone(&shards);
            super::super::spawn("worker", move || shards.run(1)).unwrap()
        };
        assert!(shards.push(0, UNWANTED));
        // Not told that no item comes any more.
        shards.run(0);
        other.join().unwrap();
        assert!(!shards.push(1, 1));
        shards.help();
        shards.wait();
        assert!(shards.take_workers()[1].as_ref().unwrap().taken.is_empty());
    }

    #[test]
    fn a_thread_takes_what_is_due_then_its_own_then_what_has_most_to_do() {
        let shards = shards(4, 2);
        let now = Duration::from_secs(10);
        let counts = [(0, 1), (1, 9), (2, 2), (3, 3)];
        for (index, count) in counts {
            (0..count).for_each(|item| assert!(shards.push(index, item)));
        }
        let mut state = shards.lock();
        let mut take = |thread, items_max| {
            let turn = state.turn(thread, now, items_max)?;
            Some((turn.index, turn.items.len()))
        };
        // Those that were taken are not free.
        assert_eq!(take(0, 4), Some((2, 2)));
        assert_eq!(take(0, 4), Some((0, 1)));
        assert_eq!(take(0, 4), Some((1, 4)));
        assert_eq!(take(1, 1), Some((3, 1)));
        assert_eq!(take(1, 4), None);
        assert_eq!(state.waiting, 7);
        for (index, due_at) in [(0, 11), (1, 9)] {
            let due_at = Some(Duration::from_secs(due_at));
            let taken = Vec::new();
            state.shards[index].worker = Some(Taker { taken, due_at });
        }
        state.shards[1].items.clear();
        state.shards[3].worker = Some(Taker::default());
        let mut take = |thread| {
            state
                .turn(thread, now, 4)
                .map(|turn| (turn.index, turn.items.len()))
        };
        assert_eq!(take(0), Some((1, 0)));
        assert_eq!(take(0), Some((3, 2)));
        assert_eq!(take(0), None);
        assert_eq!(state.due_at(), Some(Duration::from_secs(11)));
    }

    #[test]
    fn what_is_due_is_waited_for() {
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
