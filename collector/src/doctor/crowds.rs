//! Ids with more records on one side and at one place than attempts explain: ids that clients share.
//!
//! ```text
//! bucket range ──▶ calls, one by one ──▶ hash of (id, side, place) ──▶ count ──▶ crowds
//! ```
//!
//! No call is held: a count takes 12 bytes, and calls with one id share a pairing bucket, so counts last for
//! a range of buckets. Bounded: ids beyond [`IDS_MAX`] of one range are not counted, and their records
//! are ([`Crowds::not_counted`]). Two ids with one hash count as one.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use xxhash_rust::xxh3::Xxh3;

use crate::call::{Call, CorrelationKey, Role};

/// Records of one id on one side, seen at one place, that are still no sign of a constant id.
pub const RECORDS_OF_ID_MAX: u32 = 16;
/// Ids counted at once: about 100 MiB.
pub const IDS_MAX: usize = 1 << 22;

/// The id with most records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Its records on one side and at one place.
    pub records: u32,
    /// The id as text; a trace id in hexadecimal digits.
    pub id: String,
    hash: u64,
}

/// What was found of all calls added.
#[derive(Clone, Debug)]
pub struct Crowds {
    /// Ids with more than [`RECORDS_OF_ID_MAX`] records.
    pub ids: u64,
    /// The one with most; of equal ones the first.
    pub most: Option<Crowd>,
    /// Records with an id for which there was no place.
    pub not_counted: u64,
    ids_max: usize,
    counts: BTreeMap<u64, u32>,
}

impl Default for Crowds {
    fn default() -> Self {
        Self::with_ids_max(IDS_MAX)
    }
}

impl Crowds {
    fn with_ids_max(ids_max: usize) -> Self {
        Self {
            ids: 0,
            most: None,
            not_counted: 0,
            ids_max,
            counts: BTreeMap::new(),
        }
    }

    /// Counts `call` for its id, if it has one and a side.
    pub fn add(&mut self, call: &Call) {
        let key = CorrelationKey::of(call);
        if key == CorrelationKey::None || call.role == Role::Unknown {
            return;
        }
        let mut hasher = Xxh3::new();
        let place = (call.position, &call.workload.pod_name);
        (&key, call.role, place).hash(&mut hasher);
        let hash = hasher.finish();
        let is_full = self.counts.len() >= self.ids_max;
        let records = match self.counts.get_mut(&hash) {
            Some(records) => records,
            None if is_full => {
                self.not_counted += 1;
                return;
            }
            None => self.counts.entry(hash).or_default(),
        };
        *records = records.saturating_add(1);
        let records = *records;
        if records > RECORDS_OF_ID_MAX {
            self.ids += u64::from(records == RECORDS_OF_ID_MAX + 1);
            self.compare_with_most(records, hash, &key);
        }
    }

    /// Ends a range of buckets: no id of the calls so far comes again.
    pub fn end_buckets(&mut self) {
        self.counts.clear();
    }

    fn compare_with_most(&mut self, records: u32, hash: u64, key: &CorrelationKey) {
        match &mut self.most {
            Some(most) if records <= most.records => {}
            Some(most) if most.hash == hash => most.records = records,
            _ => {
                self.most = Some(Crowd {
                    records,
                    id: text(key),
                    hash,
                });
            }
        }
    }
}

fn text(key: &CorrelationKey) -> String {
    match key {
        CorrelationKey::TraceId(id) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        key => String::from_utf8_lossy(key.as_bytes()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::call::Position;

    fn call(id: &str) -> Call {
        Call {
            role: Role::Primary,
            request_id: Bytes::copy_from_slice(id.as_bytes()),
            ..Call::default()
        }
    }

    fn add(crowds: &mut Crowds, call: &Call, times: u32) {
        for _ in 0..times {
            crowds.add(call);
        }
    }

    fn most(crowds: &Crowds) -> Option<(u32, &str)> {
        let most = crowds.most.as_ref()?;
        Some((most.records, &most.id))
    }

    #[test]
    fn an_id_is_crowded_from_one_record_more_than_attempts_explain() {
        let mut crowds = Crowds::default();
        add(&mut crowds, &call("retried"), RECORDS_OF_ID_MAX);
        assert_eq!((crowds.ids, most(&crowds)), (0, None));
        add(&mut crowds, &call("shared"), RECORDS_OF_ID_MAX + 1);
        add(&mut crowds, &call("constant"), 100);
        add(&mut crowds, &call("shared"), 10);
        assert_eq!((crowds.ids, most(&crowds)), (2, Some((100, "constant"))));
    }

    #[test]
    fn sides_and_places_are_counted_apart() {
        let mut crowds = Crowds::default();
        for position in [Position::Inbound, Position::Outbound, Position::Upstream] {
            for role in [Role::Primary, Role::Candidate] {
                let call = Call {
                    position,
                    role,
                    ..call("id")
                };
                add(&mut crowds, &call, RECORDS_OF_ID_MAX);
            }
        }
        assert_eq!(crowds.ids, 0);
    }

    #[test]
    fn calls_without_id_or_side_are_no_crowd() {
        let mut crowds = Crowds::default();
        add(&mut crowds, &call(""), 100);
        let sideless = Call {
            role: Role::Unknown,
            ..call("id")
        };
        add(&mut crowds, &sideless, 100);
        assert_eq!((crowds.ids, crowds.not_counted), (0, 0));
    }

    #[test]
    fn ids_without_a_place_in_the_table_are_told() {
        let mut crowds = Crowds::with_ids_max(2);
        for id in ["a", "b", "c", "d"] {
            add(&mut crowds, &call(id), 20);
        }
        assert_eq!((crowds.ids, crowds.not_counted), (2, 40));
        assert_eq!(crowds.counts.len(), 2);
        crowds.end_buckets();
        add(&mut crowds, &call("e"), 20);
        assert_eq!((crowds.ids, crowds.not_counted), (3, 40));
    }
}
