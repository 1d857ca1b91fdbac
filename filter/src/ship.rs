//! Sending batches, hearing what became of them, and telling counters when there is nothing to send.
//!
//! A batch leaves when a tick finds it, when a stream begins and it is nearly full, or when the
//! collector's answer to an earlier one makes room; at most four are under way. While nothing can be
//! sent (collector away, or four under way) the open batch goes on filling, so that slots are full
//! before records are dropped. Roots share the slots: if those of all roots hold four that were sent or wait to
//! be, only one that is nearly full leaves, or the only one of its root.
//!
//! Nothing is sent when something ends: a stream, a root, a POST that failed. When Envoy itself ends,
//! it ends mirrors that are not answered yet, and with the last of them the root, while it takes its
//! clusters apart, and Envoy 1.40 crashes if it is asked for a cluster then. A tick, request headers
//! and an answer of the collector come from its event loop alone. `close.rs` has what becomes of a root that ended.

use crate::batch::{BATCH_BYTES, State, encode_heartbeat};
use crate::counters::Counters;
use crate::engine::Engine;
use crate::headers::{Pairs, write_pairs};
use crate::host::{Host, Map, Post};
use crate::root::{INDICES, Phase, Root};

/// Batches of a producer under way at once; of all producers, those that may leave before they are nearly full.
const IN_FLIGHT_MAX: usize = 4;
/// What a stream that begins finds worth sending before the next tick.
pub(crate) const FLUSH_BYTES: usize = (BATCH_BYTES >> 2) * 3;
/// What an answer finds worth sending before the next tick.
const CHAIN_BYTES: usize = 64 * 1024;
/// Shortest time between two heartbeats, while counters change.
const HEARTBEAT_CHANGED_NS: u64 = 1_000_000_000;
/// Longest silence of a producer that has ever seen a stream.
const HEARTBEAT_IDLE_NS: u64 = 10_000_000_000;

const PATH: &[u8] = b"/v1/records";
const CONTENT_TYPE: &[u8] = b"application/x-protobuf";
/// `twintap_record::ACKNOWLEDGED_HEADER`.
const ACKNOWLEDGED_HEADER: &[u8] = b"x-twintap-acknowledged";

/// What the collector answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Stored.
    Accepted,
    /// Never acceptable: not to be sent again.
    Refused,
    /// Not now.
    Failed { retry_after_ms: u64 },
}

impl Engine<'_> {
    /// The flush interval of root context `context` is over.
    pub fn on_tick<H: Host>(&mut self, host: &mut H, context: u32) {
        for index in INDICES {
            let root = self.root(index).filter(|root| root.served_by == context);
            match root.map_or(Phase::Free, |root| root.phase) {
                Phase::Active | Phase::Closing => {
                    self.send(host, index, context, 1);
                    self.heartbeat(host, index);
                    self.report(host, index);
                }
                Phase::Inert => self.tell_invalid(host, index),
                Phase::Free | Phase::Created => {}
            }
        }
        for index in INDICES {
            self.close_if_done(host, index);
        }
    }

    /// The collector answered the POST sent under `token`; `headers` is 0 if it did not.
    pub fn on_http_call_response<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        token: u32,
        headers: u32,
    ) {
        let Some(index) = INDICES
            .into_iter()
            .find(|index| self.awaits(*index, context, token))
        else {
            return;
        };
        let slot = self.slots.in_flight(index, token);
        let answer = self.answer(host, headers);
        let records = slot.map_or(0, |slot| u64::from(self.slots.fill(slot).1));
        let (now_ns, random) = (host.now_ns(), self.random.next_u64());
        let Some(root) = self.roots.get_mut(usize::from(index)) else {
            return;
        };
        match answer {
            Answer::Accepted => {
                root.breaker.succeeded();
                root.counters.batches_sent = root.counters.batches_sent.saturating_add(1);
                // The collector takes this for proof that no record among them is lost (its
                // `store/journal/producer.rs`).
                root.counters.acknowledged = root.counters.acknowledged.saturating_add(records);
            }
            Answer::Refused => {
                root.breaker.succeeded();
                root.counters.batches_failed = root.counters.batches_failed.saturating_add(1);
                root.counters.refused = root.counters.refused.saturating_add(records);
            }
            Answer::Failed { retry_after_ms } => {
                root.breaker.failed(now_ns, retry_after_ms, random);
                root.counters.batches_failed = root.counters.batches_failed.saturating_add(1);
            }
        }
        match slot {
            Some(slot) if matches!(answer, Answer::Failed { .. }) => self.slots.put_back(slot),
            Some(slot) => self.slots.free(slot),
            // A heartbeat is not sent again: the next one says more, and soon, if it was not heard.
            None => {
                root.heartbeat = 0;
                if matches!(answer, Answer::Failed { .. }) {
                    root.told = Counters::ZERO;
                }
            }
        }
        if !matches!(answer, Answer::Failed { .. }) {
            self.send(host, index, context, CHAIN_BYTES);
        }
        self.close_if_done(host, index);
    }

    /// Does root `index` wait for the answer to the POST that `context` sent under `token`?
    fn awaits(&self, index: u8, context: u32, token: u32) -> bool {
        self.at(index).is_some_and(|root| {
            root.phase != Phase::Free
                && root.served_by == context
                && (root.heartbeat == heartbeat_mark(token)
                    || self.slots.in_flight(index, token).is_some())
        })
    }

    /// Sends what can be sent now, the open batch only if it holds `open_bytes_min`. `back_to` is
    /// the context of the callback this happens in.
    pub(crate) fn send<H: Host>(
        &mut self,
        host: &mut H,
        index: u8,
        back_to: u32,
        open_bytes_min: usize,
    ) {
        // Bounded by the number of slots: each round sends one or stops.
        for _ in 0..self.slots.len() {
            let closing = self
                .root(index)
                .is_some_and(|root| root.phase == Phase::Closing);
            if !closing && self.slots.count(index, State::InFlight) >= IN_FLIGHT_MAX {
                return;
            }
            let open = self.slots.open(index).filter(|slot| {
                let (bytes, records) = self.slots.fill(*slot);
                records > 0 && (closing || bytes >= open_bytes_min)
            });
            let Some(slot) = self.slots.next_sealed(index).or(open) else {
                return;
            };
            if Some(slot) == open && !closing && !self.may_leave(index, slot) {
                return;
            }
            let now_ns = host.now_ns();
            let Some(root) = self.roots.get_mut(usize::from(index)) else {
                return;
            };
            if !root.breaker.may_send(now_ns) {
                return;
            }
            if Some(slot) == open {
                root.batches = root.batches.saturating_add(1);
                root.told = root.counters;
                self.slots.seal(slot, root.batches, &root.counters);
            }
            if !self.post_slot(host, index, slot, back_to, now_ns) {
                return;
            }
        }
    }

    /// May the open batch in `slot` leave now? What it holds of its slot is all that the slot will hold until it is
    /// acknowledged, and other roots want slots too.
    fn may_leave(&self, index: u8, slot: usize) -> bool {
        self.slots.fill(slot).0 >= FLUSH_BYTES
            || self.slots.count(index, State::InFlight) == 0
            || self.slots.closed() < IN_FLIGHT_MAX
    }

    /// Sends the sealed batch in `slot`; `false` if the host refused.
    fn post_slot<H: Host>(
        &mut self,
        host: &mut H,
        index: u8,
        slot: usize,
        back_to: u32,
        now_ns: u64,
    ) -> bool {
        let random = self.random.next_u64();
        let Some(root) = self.roots.get_mut(usize::from(index)) else {
            return false;
        };
        match post(host, root, self.slots.encoded(slot), back_to, self.scratch) {
            Some(token) => {
                root.told_ns = now_ns;
                if self.slots.sent(slot, token) {
                    root.counters.batches_retried = root.counters.batches_retried.saturating_add(1);
                }
                true
            }
            None => {
                root.counters.batches_failed = root.counters.batches_failed.saturating_add(1);
                root.breaker.failed(now_ns, 0, random);
                false
            }
        }
    }

    /// Tells the counters, if they changed or it has been quiet for long, and no batch does.
    fn heartbeat<H: Host>(&mut self, host: &mut H, index: u8) {
        let idle = self.slots.next_sealed(index).is_none()
            && self.slots.count(index, State::InFlight) == 0;
        let now_ns = host.now_ns();
        let random = self.random.next_u64();
        let Some(root) = self.roots.get_mut(usize::from(index)) else {
            return;
        };
        // A clock that was set back does not tell how long it has been quiet: long enough.
        let quiet_ns = now_ns.checked_sub(root.told_ns).unwrap_or(u64::MAX);
        let changed = root.has_news();
        let due = if root.phase == Phase::Closing {
            changed
        } else {
            quiet_ns >= HEARTBEAT_IDLE_NS || (changed && quiet_ns >= HEARTBEAT_CHANGED_NS)
        };
        if !idle
            || !due
            || root.heartbeat != 0
            || !root.has_audience()
            || !root.breaker.may_send(now_ns)
        {
            return;
        }
        root.batches = root.batches.saturating_add(1);
        let next_record = root.records.saturating_add(1);
        let len = encode_heartbeat(
            self.encoded,
            root.identity(),
            next_record,
            root.batches,
            &root.counters,
        );
        let Some(batch) = len.and_then(|len| self.encoded.get(..len)) else {
            return;
        };
        root.told_ns = now_ns;
        match post(host, root, batch, root.served_by, self.scratch) {
            Some(token) => {
                root.heartbeat = heartbeat_mark(token);
                root.told = root.counters;
            }
            None => {
                root.counters.batches_failed = root.counters.batches_failed.saturating_add(1);
                root.breaker.failed(now_ns, 0, random);
            }
        }
    }

    /// Reads the answer. What does not say that it acknowledges is of a proxy on the way or of another service,
    /// whatever the cluster is called: a gRPC server says with HTTP status 200 that it has no such path.
    fn answer<H: Host>(&mut self, host: &mut H, headers: u32) -> Answer {
        let failed = Answer::Failed { retry_after_ms: 0 };
        if headers == 0 {
            return failed;
        }
        let map = host.map(Map::CallResponse, self.scratch);
        let Some(map) = map.ok().and_then(|len| self.scratch.get(..len)) else {
            return failed;
        };
        let (mut status, mut retry_after_s, mut acknowledges) = (0, 0, false);
        for pair in Pairs::new(map) {
            match pair.name {
                b":status" => status = digits(pair.value),
                b"retry-after" => retry_after_s = digits(pair.value),
                ACKNOWLEDGED_HEADER => acknowledges = true,
                _ => {}
            }
        }
        match status {
            200..=299 if acknowledges => Answer::Accepted,
            200..=299 => failed,
            // Not of this batch: of the token, of a mesh's policy, of the load. All of that can change.
            401 | 403 | 408 | 429 => Answer::Failed {
                retry_after_ms: retry_after_s.saturating_mul(1000),
            },
            400..=499 => Answer::Refused,
            _ => Answer::Failed {
                retry_after_ms: retry_after_s.saturating_mul(1000),
            },
        }
    }
}

/// A heartbeat's token in a form that is never 0.
fn heartbeat_mark(token: u32) -> u64 {
    u64::from(token).saturating_add(1)
}

fn post<H: Host>(
    host: &mut H,
    root: &mut Root,
    body: &[u8],
    back_to: u32,
    scratch: &mut [u8],
) -> Option<u32> {
    let config = &root.config;
    let headers: [(&[u8], &[u8]); 4] = [
        (b":method", b"POST"),
        (b":path", PATH),
        (b":authority", config.collector_authority.as_bytes()),
        (b"content-type", CONTENT_TYPE),
    ];
    let len = write_pairs(&headers, scratch)?;
    let post = Post {
        cluster: config.collector_cluster.as_bytes(),
        headers: scratch.get(..len)?,
        body,
        timeout_ms: config.send_timeout_ms,
    };
    match host.post(root.served_by, back_to, post) {
        Ok(token) => Some(token),
        Err(_) => {
            root.counters.host_error();
            None
        }
    }
}

/// A small number in decimal; 0 if it is none.
fn digits(text: &[u8]) -> u64 {
    let mut value = 0_u64;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                value = value.saturating_mul(10).saturating_add(digit);
            }
            _ => return 0,
        }
    }
    value
}
