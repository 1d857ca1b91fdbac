//! The order of rows in a part: hour, bucket, pairing key, start, id.
//!
//! Sorting compares 16 bytes that hold hour, bucket, kind of key and the key's first bytes; only
//! where these are equal does it look at the calls.

use crate::call::{Call, CorrelationKey, pair_bucket_of};

use super::layout::Hour;

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
    fn of(index: u32, call: &Call) -> Self {
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
            hour: Hour::of(call.started_unix_ns),
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
pub(super) fn places(calls: &[Call]) -> Vec<Place> {
    let mut places: Vec<Place> = (0_u32..)
        .zip(calls)
        .map(|(index, call)| Place::of(index, call))
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
