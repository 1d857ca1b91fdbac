//! The end of a root: what it has left goes on being sent, or is given up and counted.
//!
//! A root that ended and has something left is told so by `false` and goes on ticking until all is sent and told, for a
//! minute at most. Envoy 1.40 keeps its context
//!
//! - until another root of an equal configuration ends so: then it destroys the earlier one, and its POSTs, without a
//!   word. So the later one takes over what the earlier has left, as the producer it is;
//! - while a root of the VM lives that is not ending: then it destroys the VM. So what all have left is given up when
//!   the last one ends. Nothing can be sent then (`ship.rs`).
//!
//! Should ticks be missing for any other reason, those of another root give up what is left when its minute is over.

use crate::batch::State;
use crate::counters::Counters;
use crate::engine::Engine;
use crate::host::{Host, Metric};
use crate::root::{INDICES, Phase, Root};

impl Engine<'_> {
    /// Ends root `index`; `true` if it has nothing more to send or to wait for. Ticks do the rest, if any come.
    pub(crate) fn close<H: Host>(&mut self, host: &mut H, index: u8) -> bool {
        let now_ns = host.now_ns();
        let Some(root) = self.root(index) else {
            return true;
        };
        if root.phase == Phase::Active {
            root.phase = Phase::Closing;
            root.closing_since_ns = now_ns;
        }
        self.report(host, index);
        let ends_later = self.phase(index) == Phase::Closing && self.is_waiting(index);
        if ends_later && self.has_future() {
            self.take_over(host, index);
            return false;
        }
        self.free_root(host, index);
        self.give_up_without_future(host);
        true
    }

    /// Gives up what all that are ending have left, if their VM ends now.
    pub(crate) fn give_up_without_future<H: Host>(&mut self, host: &mut H) {
        if self.has_future() {
            return;
        }
        for index in INDICES {
            if self.phase(index) == Phase::Closing {
                self.give_up(host, index);
            }
        }
    }

    /// Root `index`, which is ending, goes on for those that have its configuration and are ending, too. What they have
    /// under way comes to nothing.
    fn take_over<H: Host>(&mut self, host: &mut H, index: u8) {
        for other in INDICES.filter(|other| *other != index) {
            let (now_ns, random) = (host.now_ns(), self.random.next_u64());
            let context = match (self.at(index), self.at(other)) {
                (Some(new), Some(root))
                    if root.phase == Phase::Closing && root.config == new.config =>
                {
                    new.context
                }
                _ => continue,
            };
            let under_way = self.slots.count(other, State::InFlight) as u64;
            let Some(root) = self.root(other) else {
                continue;
            };
            let gone = root.served_by;
            root.served_by = context;
            root.breaker.failed(now_ns, 0, random);
            let mut failed = under_way;
            if root.heartbeat != 0 {
                root.heartbeat = 0;
                root.told = Counters::ZERO;
                failed = failed.saturating_add(1);
            }
            root.counters.batches_failed = root.counters.batches_failed.saturating_add(failed);
            self.slots.put_back_all(other);
            self.done(host, gone);
        }
    }

    /// Frees a place for another root, if none is free: that of the root that has been ending for longest. Answers with
    /// the context that served it, to be told so at the end of the callback.
    pub(crate) fn make_room<H: Host>(&mut self, host: &mut H) -> Option<u32> {
        if self.roots.iter().any(|root| root.phase == Phase::Free) {
            return None;
        }
        let closing = INDICES.filter_map(|index| Some((index, self.at(index)?)));
        let closing = closing.filter(|(_, root)| root.phase == Phase::Closing);
        let longest = |(_, root): &(u8, &Root)| (root.closing_since_ns, root.number);
        let (index, root) = closing.min_by_key(longest)?;
        let gone = root.served_by;
        self.free_root(host, index);
        Some(gone)
    }

    /// Tells the host that it can do without context `gone`, if nothing is sent by it any more.
    pub(crate) fn done<H: Host>(&self, host: &mut H, gone: u32) {
        if self.roots.iter().all(|root| root.served_by != gone) {
            // If the host refuses it has forgotten the context already.
            let _answered = host.done(gone);
        }
    }

    /// Ends root `index` now, if it is ending and has nothing more to send or to wait for, or has tried for too long.
    pub(crate) fn close_if_done<H: Host>(&mut self, host: &mut H, index: u8) {
        if self.phase(index) != Phase::Closing {
            return;
        }
        let now_ns = host.now_ns();
        let gives_up = self.root(index).is_some_and(|root| root.gives_up(now_ns));
        if !gives_up && self.is_waiting(index) {
            return;
        }
        let context = self.root(index).map_or(0, |root| root.served_by);
        self.free_root(host, index);
        self.done(host, context);
    }

    /// Is there something to send, an answer to wait for, or something to tell?
    fn is_waiting(&self, index: u8) -> bool {
        self.slots.held(index) > 0
            || self
                .at(index)
                .is_some_and(|root| root.heartbeat != 0 || root.has_news() && root.has_audience())
    }

    /// What root `index` could not send is counted, where the host shows it.
    fn give_up<H: Host>(&mut self, host: &mut H, index: u8) {
        let given_up = self.slots.records(index);
        self.slots.free_all(index);
        if let Some(root) = self.root(index) {
            root.counters.given_up = root.counters.given_up.saturating_add(given_up);
        }
        self.report(host, index);
    }

    /// Gives the place of a root back.
    fn free_root<H: Host>(&mut self, host: &mut H, index: u8) {
        self.give_up(host, index);
        if let Some(root) = self.root(index) {
            if root.is_told_invalid {
                // The gauge counts roots with a refused configuration; this one is gone.
                let _answered = host.add(Metric::ConfigInvalid, -1);
            }
            *root = Root::FREE;
        }
    }
}
