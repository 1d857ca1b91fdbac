//! Which of several candidates answered a call.
//!
//! A route may mirror to more than one cluster. At the caller, the cluster says which; at the server,
//! the workload does. Versions of one candidate that replaced each other while it was recorded are
//! several candidates only where their calls share an id.

use std::collections::BTreeSet;

use crate::call::{Call, Position};

/// Is `name` one that this call's candidate goes by?
pub(super) fn is_named(call: &Call, name: &str) -> bool {
    let workload = &call.workload;
    let at_server = [
        &workload.service,
        &workload.workload_name,
        &workload.app_version,
    ];
    // A recorder at the caller tells its own workload, and the cluster that it sent to.
    let tells_server = !matches!(call.position, Position::Upstream | Position::Outbound);
    call.cluster_name == name.as_bytes()
        || workload.service == name
        || tells_server && at_server.iter().any(|known| *known == name)
}

/// Do these calls, recorded at one place, lead to more than one candidate?
pub(super) fn are_several(calls: &[Box<Call>]) -> bool {
    calls.len() > 1
        && calls
            .iter()
            .map(|call| variant_of(call))
            .collect::<BTreeSet<_>>()
            .len()
            > 1
}

/// What tells candidates apart at the place of `call`.
fn variant_of(call: &Call) -> [&[u8]; 3] {
    let workload = &call.workload;
    match call.position {
        Position::Upstream | Position::Outbound => [&call.cluster_name, &[], &[]],
        Position::Inbound | Position::Unknown | Position::Wire => [
            workload.service.as_bytes(),
            workload.workload_name.as_bytes(),
            workload.app_version.as_bytes(),
        ],
    }
}
