//! The calls that carry an id, with all that decide whom they belong to: what `twintap show` pairs.
//!
//! Pairing looks for a partner by the strongest id first and by weaker ones where one side lost an id
//! ([`pair`](crate::pair)). So that a few calls are paired as all of them are, calls are read that share any id with those
//! found, and the like of these, until nothing new comes: of request and trace ids, which many calls share, only
//! those of the same method and request, as pairing has it.

use std::collections::BTreeSet;

use crate::call::Call;
use crate::store::parquet::{Dataset, Ids, ReadError};

/// Calls of a few ids.
#[derive(Debug, Default)]
pub struct Found {
    /// The calls that carry what was asked for, and those that could be their partners.
    pub calls: Vec<Call>,
    /// Are there more than were read?
    pub is_cut: bool,
}

/// Reads at most `calls_max` calls that carry one of `ids` and are wanted, and as many that could be
/// their partners.
pub fn with_partners(
    dataset: &Dataset,
    ids: &Ids,
    is_wanted: impl Fn(&Call) -> bool,
    calls_max: usize,
) -> Result<Found, ReadError> {
    let mut found = Found::default();
    let mut known = Known::default();
    read(dataset, ids, &is_wanted, calls_max, &mut found, &mut known)?;
    let calls_max = calls_max.saturating_add(found.calls.len());
    while !found.is_cut && known.is_new {
        known.is_new = false;
        let ids = known.ids.clone();
        let requests = known.requests.clone();
        let is_related = |call: &Call| {
            is_wanted(call)
                && (ids.pair_ids.contains(&call.pair_id) || requests.contains(&request_of(call)))
        };
        read(dataset, &ids, is_related, calls_max, &mut found, &mut known)?;
    }
    Ok(found)
}

/// What calls that were read have, and others are looked for by.
#[derive(Default)]
struct Known {
    calls: BTreeSet<crate::call::CallId>,
    ids: Ids,
    requests: BTreeSet<Request>,
    /// Did anything come to these since it was last asked?
    is_new: bool,
}

/// What calls with an id that many share have in common if they belong together.
type Request = (String, u64, Option<u64>);

fn request_of(call: &Call) -> Request {
    let request = &call.request;
    let method = call.rpc_method.clone();
    (method, request.body_bytes, request.body_digest)
}

fn read(
    dataset: &Dataset,
    ids: &Ids,
    is_wanted: impl Fn(&Call) -> bool,
    calls_max: usize,
    found: &mut Found,
    known: &mut Known,
) -> Result<(), ReadError> {
    let is_new = |call: &Call| !known.calls.contains(&call.id) && is_wanted(call);
    let room = calls_max.saturating_sub(found.calls.len());
    let mut calls = dataset.find(ids, is_new, room.saturating_add(1))?;
    found.is_cut |= calls.len() > room;
    calls.truncate(room);
    for call in &calls {
        known.calls.insert(call.id);
        known.is_new |= known.ids.add_all_of(call) | known.requests.insert(request_of(call));
    }
    found.calls.extend(calls);
    Ok(())
}
