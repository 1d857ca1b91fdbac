//! Values that two fields of one message have swapped: each differs, and together they say why.

use super::Sink;
use crate::compare::difference::{Difference, Kind};
use crate::compare::limits;
use crate::compare::looks_like::LooksLike;

impl Sink<'_> {
    /// Marks pairs of values, among the differences from index `from` on, that two fields of the
    /// message at the current path have swapped.
    pub(in crate::compare) fn mark_swapped(&mut self, from: usize) {
        let parent = self.path.len();
        let is_field = |found: &Difference| {
            let below = found.path.get(parent..).unwrap_or_default();
            found.kind == Kind::Value && !below.trim_start_matches('.').contains(['.', '['])
        };
        let Some(found) = self.differences.get_mut(from..) else {
            return;
        };
        for index in 0..found.len().min(limits::SWAPS_MAX) {
            let (left, right) = found.split_at_mut(index);
            let Some(b) = right.first_mut().filter(|b| is_field(b)) else {
                continue;
            };
            let is_partner = |a: &&mut Difference| {
                is_field(a)
                    && a.primary == b.candidate
                    && a.candidate == b.primary
                    && a.primary.as_ref().is_some_and(|text| is_telling(text))
            };
            if let Some(a) = left.iter_mut().find(is_partner) {
                a.looks_like = Some(LooksLike::SwappedFields);
                b.looks_like = Some(LooksLike::SwappedFields);
            }
        }
    }
}

/// Would two fields hardly have this value by chance?
fn is_telling(text: &str) -> bool {
    text.len() > 1 && !matches!(text, "true" | "false" | "0.0" | "1.0" | "\"\"")
}
