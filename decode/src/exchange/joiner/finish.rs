//! When streams are over: with both halves, after one of them and a while, after a long silence, or with the connection.

use super::Joiner;
use crate::exchange::kind::is_grpc;
use crate::exchange::undecided::Undecided;
use crate::exchange::{CallSink, Exchange, ExchangeEnd};
use crate::stream::{Ending, Way};

impl<S: CallSink> Joiner<S> {
    /// Nothing more will come of the connection, which ended `at`.
    pub(crate) fn finish_all(&mut self, at: u64, end: ExchangeEnd) {
        let mut ids: Vec<_> = self.live.keys().copied().collect();
        ids.sort_unstable();
        let ends_now = end == ExchangeEnd::Connection(Ending::Reset);
        for id in ids {
            let stream = self.live.get(&id).map(|stream| &stream.life);
            let ended_at = stream.map_or(at, |life| {
                let ends_now = ends_now && life.reset.is_none() && !life.is_refused;
                life.touched_unix_ns.max(if ends_now { at } else { 0 })
            });
            self.finish(ended_at, id, end);
        }
        self.release(Undecided::drain);
    }

    /// Finishes what both ways have left behind.
    pub(super) fn finish_lingering(&mut self) {
        let clocks = [*self.clocks.of(Way::Forward), *self.clocks.of(Way::Reverse)];
        let slowest = clocks.into_iter().flatten().min().unwrap_or(u64::MAX);
        let fastest = clocks.into_iter().flatten().max().unwrap_or(u64::MAX);
        while let Some((at, id)) = self.complete.front().copied() {
            if slowest < at && fastest <= at.saturating_add(self.limits.linger_ns) {
                break;
            }
            self.complete.pop_front();
            self.finish(at, id, ExchangeEnd::Complete);
        }
        while let Some((at, id)) = self.closing.front().copied() {
            let is_over = slowest > at.saturating_add(self.limits.linger_ns)
                || fastest > at.saturating_add(self.limits.silence_ns);
            if !is_over && self.live.contains_key(&id) {
                break;
            }
            self.closing.pop_front();
            self.finish(at, id, ExchangeEnd::ResponseFirst);
        }
    }

    /// Finishes streams that may have lost their end and of which nothing more comes.
    pub(super) fn finish_silent(&mut self, at: u64) {
        let silence_ns = self.limits.silence_ns;
        let is_silent = |stream: &Exchange| {
            let halves = [stream.half(Way::Forward), stream.half(Way::Reverse)];
            at.saturating_sub(stream.life.touched_unix_ns) > silence_ns
                && halves.iter().any(|half| half.may_lack_end())
        };
        let mut ids = Vec::new();
        for (id, stream) in &mut self.live {
            stream.learn_of(&self.losses);
            if is_silent(stream) {
                ids.push(*id);
            }
        }
        ids.sort_unstable();
        for id in ids {
            self.finish(at, id, ExchangeEnd::Silent);
        }
    }

    pub(super) fn finish(&mut self, at: u64, stream_id: u32, end: ExchangeEnd) {
        let Some(mut stream) = self.live.remove(&stream_id) else {
            return;
        };
        stream.learn_of(&self.losses);
        self.finished.insert(stream_id);
        self.share.settle(stream.life.kept_bytes, 0);
        if !stream.is_seen() {
            return;
        }
        self.tally.streams += 1;
        let (opened_at, touched_at) = (stream.started_unix_ns, stream.life.touched_unix_ns);
        for way in [Way::Forward, Way::Reverse] {
            let since = *self.read_since.of(way);
            let half = stream.half_mut(way);
            if half.end_at_unix_ns.is_none() {
                half.body.finish(at.min(touched_at), &self.limits.body);
            }
            half.may_lack_beginning |=
                since.is_none_or(|since| since > opened_at) && !half.has_opening();
        }
        stream.close(at, self.client, end);
        match is_grpc(&stream) {
            Some(true) => {}
            Some(false) => {
                self.tally.not_grpc += 1;
                return;
            }
            None => {
                self.tally.given_up += 1;
                return;
            }
        }
        let exchange = stream;
        self.tally.calls += 1;
        self.tally.damaged_calls += u64::from(exchange.has_gap());
        if exchange.is_decided() && self.undecided.is_empty() {
            self.sink.call(exchange);
            return;
        }
        if self.undecided.is_empty() {
            self.undecided_since = at;
        }
        self.release(|undecided, ready| undecided.push(exchange, ready));
    }
}
