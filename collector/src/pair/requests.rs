//! The calls of one pair id, by request: it is one per request, and where it was used again all the same, the
//! request body has to tell.

use std::collections::BTreeMap;

use crate::call::{Call, Role};

/// A whole request: its length and digest.
type Request = (u64, u64);

/// Parts `calls` by request, where either side has more than one; all of them come back as an error if some
/// are not whole, for they may be of any. A mirror with another request than its primary is told by who pairs.
pub(super) fn part(calls: Vec<Box<Call>>) -> Result<Vec<Vec<Box<Call>>>, Vec<Box<Call>>> {
    if !has_several(&calls, true) && !has_several(&calls, false) {
        return Ok(vec![calls]);
    }
    if calls.iter().any(|call| request_of(call).is_none()) {
        return Err(calls);
    }
    let mut parts: BTreeMap<Option<Request>, Vec<Box<Call>>> = BTreeMap::new();
    for call in calls {
        parts.entry(request_of(&call)).or_default().push(call);
    }
    Ok(parts.into_values().collect())
}

/// Has one side more than one request?
fn has_several(calls: &[Box<Call>], of_primary: bool) -> bool {
    let of_side = calls
        .iter()
        .filter(|call| (call.role == Role::Primary) == of_primary);
    let mut requests = of_side.filter_map(|call| request_of(call));
    let first = requests.next();
    requests.any(|request| Some(request) != first)
}

/// Absent where the request was not received to its end, or is not known.
fn request_of(call: &Call) -> Option<Request> {
    let request = &call.request;
    let digest = match request.body_bytes {
        0 => Some(request.body_digest.unwrap_or_default()),
        _ => request.body_digest,
    };
    request.end_stream.then_some((request.body_bytes, digest?))
}
