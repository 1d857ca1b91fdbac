//! What is done for one shard: segments to finished exchanges, of which those that wait for nothing are handed on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use twintap_decode::exchange::Exchange;

use super::shards::Worker;
use super::{CallCounts, Plan, Product, hand_on};
use crate::sources::capture::learn::Held;
use crate::sources::capture::{Chunk, Parcel, Watched, Watcher};

/// What a shard is given, in the order of the capture but for a chunk's secrets, which come before
/// its segments.
pub(super) enum Work {
    /// Segments, and the chunk they are places in.
    Segments {
        chunk: Chunk,
        parcels: Vec<Parcel>,
        /// What time it is behind them, on a live line.
        now_unix_ns: Option<u64>,
    },
    /// Lines of a key log. Each shard keeps its own, so that what becomes of it is a matter of the capture
    /// and not of who is first.
    Secrets(Arc<[u8]>),
    /// The capture is over.
    End,
}

/// Rebuilds the calls of one shard.
pub(super) struct Rebuilder {
    /// `None` once the capture is over.
    pub(super) watcher: Option<Watcher>,
    /// What it watched, then.
    pub(super) watched: Watched,
    pub(super) held: Held,
    pub(super) counts: CallCounts,
    pub(super) plan: Arc<Plan>,
    pub(super) products: SyncSender<Product>,
}

impl Worker for Rebuilder {
    type Item = Work;

    fn work(&mut self, items: VecDeque<Work>) -> bool {
        if items.is_empty() {
            return self.hand_on(VecDeque::new());
        }
        items.into_iter().all(|item| self.item(item))
    }

    fn due_at(&self) -> Option<Duration> {
        self.held.due_at()
    }
}

impl Rebuilder {
    fn item(&mut self, item: Work) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return true;
        };
        match item {
            Work::Segments {
                chunk,
                parcels,
                now_unix_ns,
            } => {
                for parcel in &parcels {
                    watcher.segment(&parcel.segment(&chunk));
                }
                if let Some(now_unix_ns) = now_unix_ns {
                    watcher.advance(now_unix_ns);
                }
                drop(chunk);
                let exchanges = watcher.take();
                self.hand_on(exchanges)
            }
            Work::Secrets(lines) => {
                watcher.secrets(&lines);
                true
            }
            Work::End => self.finish(),
        }
    }

    /// The capture is over: what is still open is as whole as it will be. What is held stays so, since others may
    /// learn more.
    pub(super) fn finish(&mut self) -> bool {
        let Some(watcher) = self.watcher.take() else {
            return true;
        };
        let (exchanges, watched) = watcher.finish();
        self.watched = watched;
        self.hand_on(exchanges)
    }

    /// Hands on those that wait for nothing, and those that have waited for long enough; `false` if the writer is
    /// gone.
    fn hand_on(&mut self, exchanges: VecDeque<Box<Exchange>>) -> bool {
        let ready = self.held.pass(exchanges, self.plan.clock.monotonic());
        hand_on(ready, &self.plan, &self.products, &mut self.counts)
    }
}
