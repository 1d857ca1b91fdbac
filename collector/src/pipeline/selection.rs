//! Which calls a run looks at: a range of time and a pattern of methods.

use std::ops::Range;

use crate::call::Call;
use crate::compare::rules::matches_glob;

/// Calls this far outside the range are read too, so that a pair whose sides started on both sides of
/// the border is found.
const MARGIN_NS: u64 = 60_000_000_000;

/// The calls that were asked for; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only calls that started at this or later, in nanoseconds since the Unix epoch.
    pub since_ns: Option<u64>,
    /// Only calls that started before this.
    pub until_ns: Option<u64>,
    /// Pattern of methods.
    pub method: Option<String>,
}

impl Selection {
    /// The range, in nanoseconds since the Unix epoch.
    pub fn range_ns(&self) -> Range<u64> {
        self.since_ns.unwrap_or(0)..self.until_ns.unwrap_or(u64::MAX)
    }

    /// The range with calls shortly before and after it, that may be partners.
    pub fn widened_ns(&self) -> Range<u64> {
        let Range { start, end } = self.range_ns();
        start.saturating_sub(MARGIN_NS)..end.saturating_add(MARGIN_NS)
    }

    /// Did `call` start in the range?
    pub fn is_in_range(&self, call: &Call) -> bool {
        self.range_ns().contains(&call.started_unix_ns)
    }

    /// Is `call` of a method that was asked for?
    pub fn is_method(&self, call: &Call) -> bool {
        let glob = self.method.as_ref();
        glob.is_none_or(|glob| matches_glob(glob, &call.rpc_method))
    }

    /// Is `call` one of them, or perhaps a partner of one?
    pub fn may_want(&self, call: &Call) -> bool {
        self.widened_ns().contains(&call.started_unix_ns) && self.is_method(call)
    }
}
