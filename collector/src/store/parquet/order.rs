//! The order of rows in a part: hour, bucket, pairing key, start, id.
//!
//! Sorting compares 16 bytes that hold hour, bucket, kind of key and the key's first bytes; only
//! where these are equal does it look at the calls.

use std::ops::Range;

use crate::call::{Call, CorrelationKey, pair_bucket_of};

use super::layout::{HOUR_NS, Hour};

/// Starts of calls that are believed. Bounds the hours, and so the files, of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWindow {
    /// Nanoseconds since the Unix epoch.
    pub believed: Range<u64>,
    /// Calls that say they started outside are filed under this moment's hour.
    pub otherwise_unix_ns: u64,
}

impl StartWindow {
    /// Believes what started up to [`BEFORE_NS`] before the first and [`AFTER_NS`] after the last
    /// moment at which calls were received; the others are filed under the last.
    pub fn of_received(first_unix_ns: u64, last_unix_ns: u64) -> Self {
        Self {
            believed: first_unix_ns.saturating_sub(BEFORE_NS)
                ..last_unix_ns.saturating_add(AFTER_NS),
            otherwise_unix_ns: last_unix_ns,
        }
    }

    /// Is `call` filed elsewhere than under the hour in which it started?
    pub(super) fn refiles(&self, call: &Call) -> bool {
        !self.believed.contains(&call.started_unix_ns)
    }
}

/// Streams live for days, and filters buffer while the collector is away: 7 days.
const BEFORE_NS: u64 = 7 * DAY_NS;

/// Clocks are wrong by hours, such as by a time zone: 1 day.
const AFTER_NS: u64 = DAY_NS;

const DAY_NS: u64 = 24 * HOUR_NS;

/// Place of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) hour: Hour,
    pub(super) bucket: u16,
    /// Kind of key: within a bucket, calls with a pair id come first.
    kind: u8,
    /// The first bytes of the key.
    prefix: u64,
    /// Index of the call.
    index: u32,
}

impl Place {
    fn of(index: u32, call: &Call, window: Option<&StartWindow>) -> Self {
        let filed_unix_ns = window
            .filter(|window| window.refiles(call))
            .map_or(call.started_unix_ns, |window| window.otherwise_unix_ns);
        let key = CorrelationKey::of(call);
        let kind = match key {
            CorrelationKey::PairId(_) => 0,
            CorrelationKey::RequestId(_) => 1,
            CorrelationKey::TraceId(_) => 2,
            CorrelationKey::None => 3,
        };
        let mut prefix = [0; 8];
        for (to, from) in prefix.iter_mut().zip(key.as_bytes()) {
            *to = *from;
        }
        Self {
            hour: Hour::of(filed_unix_ns),
            bucket: pair_bucket_of(&key, call),
            kind,
            prefix: u64::from_be_bytes(prefix),
            index,
        }
    }

    fn leading(&self) -> (Hour, u16, u8, u64) {
        (self.hour, self.bucket, self.kind, self.prefix)
    }

    /// The call that has this place.
    pub(super) fn call<'a>(&self, calls: &'a [Call]) -> Option<&'a Call> {
        calls.get(usize::try_from(self.index).ok()?)
    }
}

/// The places of `calls`, in the order of rows. Equal input gives equal order.
pub(super) fn places(calls: &[Call], window: Option<&StartWindow>) -> Vec<Place> {
    let mut places: Vec<Place> = (0_u32..)
        .zip(calls)
        .map(|(index, call)| Place::of(index, call, window))
        .collect();
    places.sort_by(|a, b| {
        a.leading().cmp(&b.leading()).then_with(|| {
            let (a, b) = (a.call(calls), b.call(calls));
            a.map(tie_break).cmp(&b.map(tie_break))
        })
    });
    places
}

fn tie_break(call: &Call) -> (CorrelationKey, u64, crate::call::CallId) {
    (CorrelationKey::of(call), call.started_unix_ns, call.id)
}
