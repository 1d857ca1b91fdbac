//! Can two calls be the sides of one, by when they started?
//!
//! Needed where calls share an id: of two calls with one id and equal requests, each may have lost the
//! side that the other kept, and what is left must not become a pair. One recorder at the caller has
//! one clock, and a mirror starts between the start of the request and shortly after its end: also of
//! one pair id, should that be used again. Two recorders have two clocks: then only calls far apart
//! are told apart, and only where the id may be shared.

use super::Settings;
use super::attempts::Logical;
use super::views::View;
use crate::call::{Call, Position};

/// May `candidate` be the mirror of `primary`? `is_shared` says that others may have their id too.
pub(super) fn may_be_one_call(
    primary: &Logical,
    candidate: &Call,
    is_shared: bool,
    settings: &Settings,
) -> bool {
    let (started, mirrored) = (primary.call.started_unix_ns, candidate.started_unix_ns);
    if !has_one_clock(&primary.call, candidate) {
        return !is_shared || started.abs_diff(mirrored) <= settings.start_gap_max_ns;
    }
    // A request whose end was not seen may have gone on until its stream ended.
    let timing = &primary.call.timing;
    let lasted = timing.request_end_ns.or(timing.duration_ns).unwrap_or(0);
    let last = started
        .saturating_add(lasted)
        .saturating_add(settings.mirror_delay_max_ns);
    // The filter of the mirror may run first, in the same moment.
    let first = primary
        .first_started_unix_ns
        .saturating_sub(settings.mirror_delay_max_ns);
    (first..=last).contains(&mirrored)
}

/// Were both timed by one host?
fn has_one_clock(primary: &Call, candidate: &Call) -> bool {
    primary.position == Position::Upstream && View::of(primary) == View::of(candidate)
}
