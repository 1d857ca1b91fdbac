//! Answers of the old service to equal requests, found in bounded memory.
//!
//! Requests are equal if their metadata is too: it may say who asks. What hops and transports set does not count, nor
//! do the ids that each call has of its own. Secrets are equal if their hashes are; where one has no hash nobody
//! knows, and the call is no repeat.
//!
//! Of each request a few calls are kept, those with the smallest hashes, and of more requests than fit
//! likewise: a fair sample, the same whatever order calls come in (as long as they fit into
//! [`BYTES_MAX`]).

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::call::{Call, End, Header, Role};
use crate::compare::is_hop_header;

/// Requests of which calls are kept.
pub const REQUESTS_MAX: usize = 16_384;

/// Calls kept of one request: one that is sent all the time is not all there is.
pub const PER_REQUEST_MAX: usize = 5;

/// Request metadata that is another for each call, beside hop headers.
const IDS: [&[u8]; 6] = [
    b"x-request-id",
    b"request-id",
    b"x-correlation-id",
    b"correlation-id",
    b"x-client-trace-id",
    b"x-amzn-trace-id",
];

/// Memory for the calls.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Calls by hash of what was asked, then by hash of who recorded them.
#[derive(Debug, Default)]
pub struct Repeats {
    requests: BTreeMap<u64, BTreeMap<u64, Call>>,
    bytes_count: usize,
    /// Requests that were given up again.
    left_out: u64,
}

impl Repeats {
    /// Takes note of a call of the old service. One that says nothing of its answer is not kept.
    pub fn add(&mut self, call: &Call) {
        let is_whole = !call.incomplete
            && call.request.end_stream
            && !matches!(call.end, End::Aborted | End::Unknown);
        if call.role != Role::Primary || !is_whole {
            return;
        }
        let Some(hash) = request_hash(call) else {
            return;
        };
        let is_full = self.requests.len() >= REQUESTS_MAX || self.bytes_count >= BYTES_MAX;
        let last = self.requests.last_key_value();
        if is_full && last.is_some_and(|(last, _)| *last < hash) {
            self.left_out += 1;
            return;
        }
        let calls = self.requests.entry(hash).or_default();
        // Otherwise it would keep the bytes of all calls that were read with it.
        let mut own = call.clone();
        own.detach();
        self.bytes_count += weight(&own);
        if let Some(same) = calls.insert(call_hash(call), own) {
            self.bytes_count -= weight(&same);
        }
        if calls.len() > PER_REQUEST_MAX
            && let Some((_, last)) = calls.pop_last()
        {
            self.bytes_count -= weight(&last);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.requests.len() > REQUESTS_MAX || self.bytes_count > BYTES_MAX {
            let Some((_, calls)) = self.requests.pop_last() else {
                return;
            };
            self.bytes_count -= calls.values().map(weight).sum::<usize>();
            self.left_out += 1;
        }
    }

    /// Each repeat with the earliest call of its request.
    pub fn pairs(&self) -> impl Iterator<Item = (&Call, &Call)> {
        self.requests.values().flat_map(|calls| {
            let key = |call: &&Call| (call.started_unix_ns, call.id);
            let first = calls.values().min_by_key(key);
            let repeats = calls.values().filter_map(move |call| Some((first?, call)));
            repeats.filter(|(first, call)| first.id != call.id && is_same_request(first, call))
        })
    }

    /// Requests that were given up for lack of memory; one may be counted several times.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

fn weight(call: &Call) -> usize {
    call.weight(call.bytes_count())
}

/// What of the request's metadata may bear on the answer, by name.
fn told(call: &Call) -> Vec<&Header> {
    let metadata = call.request_metadata.iter();
    let mut told: Vec<&Header> = metadata
        .filter(|header| !is_hop_header(&header.name) && !IDS.contains(&&*header.name))
        .collect();
    // Stable: the values of one name keep their order.
    told.sort_by(|a, b| a.name.cmp(&b.name));
    told
}

/// Equal for calls of one service, method, caller and request at one kind of place; none if the request's
/// body or a secret in its metadata is not known.
fn request_hash(call: &Call) -> Option<u64> {
    let digest = call.request.body_digest?;
    let told = told(call);
    if told.iter().any(|it| it.redacted && it.value.is_empty()) {
        return None;
    }
    let mut hasher = Xxh3::new();
    let named = [call.workload.service.as_bytes(), call.rpc_method.as_bytes()];
    let metadata = told.iter().flat_map(|it| [&*it.name, &*it.value]);
    let texts = named.into_iter().chain([&*call.peer_identity]);
    for text in texts.chain(metadata) {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text);
    }
    hasher.update(&digest.to_le_bytes());
    hasher.update(&call.request.body_bytes.to_le_bytes());
    hasher.update(&[call.position as u8]);
    Some(hasher.digest())
}

fn is_same_request(a: &Call, b: &Call) -> bool {
    a.rpc_method == b.rpc_method
        && a.workload.service == b.workload.service
        && a.position == b.position
        && a.peer_identity == b.peer_identity
        && told(a) == told(b)
        && a.request.body_digest == b.request.body_digest
        && a.request.body_bytes == b.request.body_bytes
}

fn call_hash(call: &Call) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&call.id.producer_id);
    hasher.update(&call.id.record_number.to_le_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::call::{CallId, Direction};

    fn call(number: u64, digest: u64) -> Call {
        Call {
            id: CallId {
                record_number: number,
                ..CallId::default()
            },
            role: Role::Primary,
            rpc_method: "a.B/C".to_owned(),
            started_unix_ns: number,
            request: Direction {
                body_digest: Some(digest),
                end_stream: true,
                ..Direction::default()
            },
            end: End::Complete,
            ..Call::default()
        }
    }

    fn pairs(calls: impl IntoIterator<Item = Call>) -> Vec<(u64, u64)> {
        let mut repeats = Repeats::default();
        calls.into_iter().for_each(|call| repeats.add(&call));
        let number = |call: &Call| call.id.record_number;
        repeats
            .pairs()
            .map(|(a, b)| (number(a), number(b)))
            .collect()
    }

    #[test]
    fn a_repeat_is_compared_with_the_earliest_call() {
        let calls = [call(3, 7), call(2, 8), call(1, 7), call(1, 7)];
        assert_eq!(pairs(calls), [(1, 3)]);
        let candidate = Call {
            role: Role::Candidate,
            ..call(4, 7)
        };
        let elsewhere = Call {
            position: crate::call::Position::Inbound,
            ..call(5, 7)
        };
        let aborted = Call {
            end: End::Aborted,
            ..call(6, 7)
        };
        assert_eq!(pairs([call(1, 7), candidate, elsewhere, aborted]), []);
    }

    #[test]
    fn calls_of_other_callers_are_no_repeats() {
        let of = |number: u64, name: &'static str, value: &'static str, redacted: bool| Call {
            request_metadata: vec![Header {
                name: Bytes::from_static(name.as_bytes()),
                value: Bytes::from_static(value.as_bytes()),
                redacted,
            }],
            ..call(number, 7)
        };
        let count = |name, values: [&'static str; 2], redacted| {
            let [a, b] = values;
            pairs([of(1, name, a, redacted), of(2, name, b, redacted)]).len()
        };
        assert_eq!(count("x-user-id", ["ann", "ben"], false), 0);
        assert_eq!(count("x-user-id", ["ann", "ann"], false), 1);
        assert_eq!(count("authorization", ["hash 1", "hash 2"], true), 0);
        assert_eq!(count("authorization", ["hash 1", "hash 1"], true), 1);
        // Without a key secrets are dropped: whose they were nobody knows.
        assert_eq!(count("authorization", ["", ""], true), 0);
        assert_eq!(count("x-request-id", ["1", "2"], false), 1);
        assert_eq!(count("traceparent", ["1", "2"], false), 1);
        let of_peer = |number, peer: &'static str| Call {
            peer_identity: Bytes::from_static(peer.as_bytes()),
            ..call(number, 7)
        };
        assert_eq!(
            pairs([of_peer(1, "spiffe://a"), of_peer(2, "spiffe://b")]),
            []
        );
    }

    #[test]
    fn a_request_sent_all_the_time_is_compared_a_few_times() {
        let calls = || (1..100).map(|number| call(number, 7));
        let found = pairs(calls());
        assert_eq!(found.len(), PER_REQUEST_MAX - 1);
        assert_eq!(found, pairs(calls().rev()));
    }

    #[test]
    fn a_kept_call_holds_its_own_bytes_and_all_of_them_count() {
        let batch = Bytes::from(vec![b'x'; 1_000]);
        let mut call = call(1, 7);
        call.trailers = vec![Header {
            name: batch.slice(..10),
            value: batch.slice(10..110),
            redacted: false,
        }];
        let mut repeats = Repeats::default();
        repeats.add(&call);
        assert_eq!(repeats.bytes_count, call.weight(110));
        drop(call);
        assert!(batch.is_unique());
    }

    #[test]
    fn no_more_requests_are_kept_than_the_limit() {
        let mut repeats = Repeats::default();
        let count = REQUESTS_MAX as u64 + 100;
        for number in 0..count {
            repeats.add(&call(number, number));
        }
        let kept = repeats.requests.len();
        assert_eq!((kept, repeats.left_out()), (REQUESTS_MAX, 100));
    }
}
