//! Equal requests to the old service, found again in bounded memory.
//!
//! Of each request the first answer is kept, and further ones are compared with it. Where there are
//! more requests than are kept, those with the smallest hashes are: a fair sample.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::call::{Call, End, Role};

/// Requests whose first answer is kept.
pub const REQUESTS_MAX: usize = 16_384;

/// Memory for these.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Repeats of one request that are compared: one that is sent all the time is not all there is.
pub const PER_REQUEST_MAX: u32 = 8;

/// First answers by hash of what was asked.
#[derive(Debug, Default)]
pub struct Repeats {
    kept: BTreeMap<u64, Kept>,
    bytes_count: usize,
    /// Requests that were not kept.
    left_out: u64,
}

#[derive(Debug)]
struct Kept {
    call: Call,
    bytes_count: usize,
    repeats: u32,
}

impl Repeats {
    /// The first answer to the request of `call`, to compare it with; none if this is the first.
    /// Calls that are no use as answers are not kept.
    pub fn first_of(&mut self, call: &Call) -> Option<&Call> {
        let is_whole = !call.incomplete
            && call.request.end_stream
            && !matches!(call.end, End::Aborted | End::Unknown);
        if call.role != Role::Primary || !is_whole {
            return None;
        }
        let hash = hash(call)?;
        if self.kept.contains_key(&hash) {
            let kept = self.kept.get_mut(&hash)?;
            let is_same = is_equal_request(&kept.call, call) && kept.call.id != call.id;
            if !is_same || kept.repeats >= PER_REQUEST_MAX {
                return None;
            }
            kept.repeats += 1;
            return Some(&kept.call);
        }
        self.keep(hash, call);
        None
    }

    /// Requests that were not kept because there are more than are.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn keep(&mut self, hash: u64, call: &Call) {
        let is_full = self.kept.len() >= REQUESTS_MAX || self.bytes_count >= BYTES_MAX;
        if is_full
            && self
                .kept
                .last_key_value()
                .is_some_and(|(last, _)| *last < hash)
        {
            self.left_out += 1;
            return;
        }
        let messages = [&call.request, &call.response].map(|direction| {
            direction
                .messages
                .iter()
                .map(|message| message.bytes.len())
                .sum::<usize>()
        });
        let bytes_count = call.weight(messages.iter().sum());
        self.bytes_count += bytes_count;
        let call = call.clone();
        self.kept.insert(
            hash,
            Kept {
                call,
                bytes_count,
                repeats: 0,
            },
        );
        while self.kept.len() > REQUESTS_MAX || self.bytes_count > BYTES_MAX {
            let Some((_, last)) = self.kept.pop_last() else {
                return;
            };
            self.bytes_count -= last.bytes_count;
            self.left_out += 1;
        }
    }
}

/// Equal for calls of one service, method and request at one place; none if the request's body is
/// not known whole.
fn hash(call: &Call) -> Option<u64> {
    let digest = call.request.body_digest?;
    let mut hasher = Xxh3::new();
    for text in [&call.workload.service, &call.rpc_method] {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&digest.to_le_bytes());
    hasher.update(&call.request.body_bytes.to_le_bytes());
    Some(hasher.digest())
}

fn is_equal_request(a: &Call, b: &Call) -> bool {
    a.rpc_method == b.rpc_method
        && a.workload.service == b.workload.service
        && a.position == b.position
        && a.request.body_digest == b.request.body_digest
        && a.request.body_bytes == b.request.body_bytes
}

#[cfg(test)]
mod tests {
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
            request: Direction {
                body_digest: Some(digest),
                end_stream: true,
                ..Direction::default()
            },
            end: End::Complete,
            ..Call::default()
        }
    }

    #[test]
    fn a_request_is_compared_with_its_first_answer() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.first_of(&call(1, 7)), None);
        assert_eq!(repeats.first_of(&call(2, 8)), None);
        assert_eq!(repeats.first_of(&call(3, 7)), Some(&call(1, 7)));
        assert_eq!(repeats.first_of(&call(1, 7)), None, "the same record again");
        let candidate = Call {
            role: Role::Candidate,
            ..call(4, 7)
        };
        assert_eq!(repeats.first_of(&candidate), None);
        let found = (10..30).filter(|number| repeats.first_of(&call(*number, 7)).is_some());
        assert_eq!(found.count(), PER_REQUEST_MAX as usize - 1);
    }

    #[test]
    fn no_more_requests_are_kept_than_the_limit() {
        let mut repeats = Repeats::default();
        let count = REQUESTS_MAX as u64 + 100;
        for number in 0..count {
            repeats.first_of(&call(number, number));
        }
        assert_eq!(
            (repeats.kept.len(), repeats.left_out()),
            (REQUESTS_MAX, 100)
        );
    }
}
