//! The calls that carry an id, with all that decide whom they belong to: what `twintap show` pairs.
//!
//! Pairing looks for a partner by the strongest id, and by weaker ones where one side lost an id
//! ([`pair`](crate::pair)). So that a few calls are paired as all of them are, calls are read that share the strongest id
//! of one that was found, then those that share any id of one that pairing leaves alone, and the like of
//! these, until nothing new comes. A call with a partner has no part in the second search: thousands may
//! share its trace id. Of request and trace ids only calls of the same method and request count, as pairing
//! has it; these alone count where a call has no id.

use std::collections::BTreeSet;

use crate::call::{Call, CallId};
use crate::pair::{self, Reason, pair_calls};
use crate::store::parquet::{Dataset, FindLimits, Ids, ReadError, Request};

/// Calls of a few ids.
#[derive(Debug, Default)]
pub struct Found {
    /// The calls that carry what was asked for, and those that could be their partners.
    pub calls: Vec<Box<Call>>,
    /// Are there more than were read?
    pub is_cut: bool,
}

/// Reads the calls that carry one of `ids` and are wanted, up to `limits`, and as much again of those that
/// could be their partners.
pub fn with_partners(
    dataset: &Dataset,
    ids: &Ids,
    is_wanted: impl Fn(&Call) -> bool,
    pairing: &pair::Settings,
    limits: FindLimits,
) -> Result<Found, ReadError> {
    let mut reading = Reading {
        dataset,
        found: Found::default(),
        known: BTreeSet::new(),
        room: limits,
    };
    reading.read(ids, &is_wanted)?;
    reading.room.calls = reading.room.calls.saturating_add(limits.calls);
    reading.room.bytes = reading.room.bytes.saturating_add(limits.bytes);
    let mut sought = Sought::default();
    while !reading.found.is_cut {
        let next = sought.next(&reading.found.calls, pairing);
        if next == sought {
            break;
        }
        sought = next;
        reading.read(&sought.ids, |call| is_wanted(call) && sought.is_for(call))?;
    }
    Ok(reading.found)
}

/// What partners are looked for by.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sought {
    ids: Ids,
    /// What calls have in common that belong together by an id that many share.
    requests: BTreeSet<Request>,
}

impl Sought {
    /// The strongest ids of `calls`; if these were sought, all ids of those that are still alone.
    fn next(&self, calls: &[Box<Call>], pairing: &pair::Settings) -> Self {
        let mut next = self.clone();
        for call in calls {
            next.ids.add_key_of(call);
            next.requests.insert(Request::of(call));
        }
        if next != *self {
            return next;
        }
        for unpaired in pair_calls(calls.iter().cloned(), pairing).unpaired {
            if matches!(
                unpaired.reason,
                Reason::CandidateMissing | Reason::PrimaryMissing
            ) {
                next.ids.add_all_of(&unpaired.call);
            }
        }
        next
    }

    fn is_for(&self, call: &Call) -> bool {
        self.ids.pair_ids.contains(&call.pair_id) || self.requests.contains(&Request::of(call))
    }
}

/// What was read.
struct Reading<'a> {
    dataset: &'a Dataset,
    found: Found,
    known: BTreeSet<CallId>,
    /// How much more may be.
    room: FindLimits,
}

impl Reading<'_> {
    fn read(&mut self, ids: &Ids, is_wanted: impl Fn(&Call) -> bool) -> Result<(), ReadError> {
        let is_new = |call: &Call| !self.known.contains(&call.id) && is_wanted(call);
        // One more tells that there are more.
        let limits = FindLimits {
            calls: self.room.calls.saturating_add(1),
            bytes: self.room.bytes.saturating_add(1),
        };
        for mut call in self.dataset.find(ids, is_new, limits)? {
            let bytes = call.weight(call.bytes_count());
            if self.room.calls == 0 || self.room.bytes < bytes {
                self.found.is_cut = true;
                break;
            }
            self.room.calls -= 1;
            self.room.bytes -= bytes;
            self.known.insert(call.id);
            // Otherwise it would keep the bytes of its neighbours in memory.
            call.detach();
            self.found.calls.push(call);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::call::{Message, Role};
    use crate::store::parquet::{WriteSettings, write_part};

    const LIMITS: FindLimits = FindLimits {
        calls: 10,
        bytes: 1 << 20,
    };

    /// A call of a trace that all share.
    fn call(number: u64, role: Role, pair_id: &str) -> Call {
        Call {
            id: CallId {
                producer_id: [role as u8; 16],
                record_number: number,
            },
            role,
            rpc_method: "shop.v1.Shop/Get".to_owned(),
            pair_id: Bytes::copy_from_slice(pair_id.as_bytes()),
            trace_id: Some([7; 16]),
            ..Call::default()
        }
    }

    fn pair_of(number: u64) -> [Call; 2] {
        let pair_id = format!("p{number}");
        [Role::Primary, Role::Candidate].map(|role| call(number, role, &pair_id))
    }

    fn found(calls: Vec<Call>, limits: FindLimits) -> Found {
        let pair_ids = [Bytes::from_static(b"p1")].into();
        let ids = Ids {
            pair_ids,
            ..Ids::default()
        };
        found_by(&ids, calls, limits)
    }

    fn found_by(ids: &Ids, calls: Vec<Call>, limits: FindLimits) -> Found {
        let folder = tempfile::tempdir().unwrap();
        write_part(calls, folder.path(), Uuid::nil(), &WriteSettings::default()).unwrap();
        let dataset = Dataset::open(folder.path()).unwrap();
        with_partners(&dataset, ids, |_| true, &pair::Settings::default(), limits).unwrap()
    }

    #[test]
    fn a_pair_is_sure_however_many_share_its_trace() {
        let found = found((1..=30).flat_map(pair_of).collect(), LIMITS);
        assert_eq!((found.calls.len(), found.is_cut), (2, false));
    }

    #[test]
    fn a_call_that_is_alone_is_looked_for_by_its_trace() {
        let lost = vec![call(1, Role::Primary, "p1"), call(1, Role::Candidate, "")];
        let few = found(lost.iter().cloned().chain(pair_of(2)).collect(), LIMITS);
        assert_eq!((few.calls.len(), few.is_cut), (4, false));
        let many = found(
            lost.into_iter().chain((2..=30).flat_map(pair_of)).collect(),
            LIMITS,
        );
        assert!(many.is_cut);
    }

    #[test]
    fn calls_without_any_id_are_found_by_their_own_and_by_what_they_asked() {
        let asking = |number, role, digest| {
            let mut call = call(number, role, "");
            call.trace_id = None;
            call.request.body_digest = Some(digest);
            call
        };
        let mut calls: Vec<Call> = pair_of(1).into();
        for (number, digest) in [(2, 20), (3, 30), (4, 20)] {
            calls.extend([Role::Primary, Role::Candidate].map(|role| asking(number, role, digest)));
        }
        let ids = Ids {
            calls: [asking(2, Role::Primary, 20).id].into(),
            ..Ids::default()
        };
        let found = found_by(&ids, calls, LIMITS);
        let mut numbers: Vec<u64> = found.calls.iter().map(|it| it.id.record_number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [2, 2, 4, 4]);
    }

    #[test]
    fn reading_stops_at_a_limit_of_bytes() {
        let large = pair_of(1).map(|mut call| {
            let bytes = Bytes::from(vec![1; 40_000]);
            call.response.messages = vec![Message {
                declared_bytes: 40_000,
                bytes,
                ..Message::default()
            }];
            call
        });
        let of = |bytes| found(large.to_vec(), FindLimits { bytes, ..LIMITS });
        let (all, one) = (of(100_000), of(60_000));
        assert_eq!((all.calls.len(), all.is_cut), (2, false));
        assert_eq!((one.calls.len(), one.is_cut), (1, true));
    }
}
