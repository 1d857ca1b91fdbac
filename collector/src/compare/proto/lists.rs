//! Repeated fields and maps.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{MapKey, Value};

use super::fields::{self, Kinds};
use super::fingerprint;
use crate::compare::align::{self, Step};
use crate::compare::difference::Kind;
use crate::compare::leaf::Leaf;
use crate::compare::render::{self, Raw};
use crate::compare::rules::ListOrder;
use crate::compare::sink::Sink;

/// Compares two lists of elements of `kinds`.
pub(super) fn lists(
    kinds: Kinds<'_>,
    primary: &[Value],
    candidate: &[Value],
    depth: u32,
    sink: &mut Sink,
) {
    // Each element is looked at once at least.
    if !sink.can_spend(primary.len().saturating_add(candidate.len())) {
        return;
    }
    let numbers = |list: &[Value], sink: &mut Sink| -> Vec<u64> {
        list.iter()
            .map(|element| fingerprint::of(element, sink))
            .collect()
    };
    let (a, b) = (numbers(primary, sink), numbers(candidate, sink));
    if a == b && !sink.reads_twice() {
        return;
    }
    let order = sink.list_order();
    let (keys_a, keys_b) = match order {
        Some(ListOrder::Keyed(field)) => (keys(primary, field, sink), keys(candidate, field, sink)),
        _ => (Vec::new(), Vec::new()),
    };
    let steps = {
        let mut distance = |i: usize, j: usize| {
            let (x, y) = (primary.get(i)?, candidate.get(j)?);
            sink.probe(|trial| fields::values(kinds, x, y, depth, trial))
        };
        match order {
            None => align::align_with_moves(&a, &b, &mut distance),
            Some(ListOrder::Set) => align::align_unordered(&a, &b, &mut distance),
            Some(ListOrder::Keyed(_)) => align::align_by_key(&keys_a, &keys_b),
        }
    };
    sink.note(|seen, at| seen.add_list(at, (&steps.steps, &steps.equal), candidate.len()));
    if steps.is_reordered {
        let text = |list: &[Value], kind| render::value(&Value::List(list.to_vec()), kind);
        let texts = render::lists(
            primary,
            candidate,
            |list| text(list, kinds.primary),
            |list| text(list, kinds.candidate),
            |a, b| {
                let (a, b) = (Raw::of(a, kinds.primary), Raw::of(b, kinds.candidate));
                render::sides(Some(a), Some(b))
            },
        );
        sink.report(Kind::ListOrder, texts.0, texts.1, None);
    }
    // Elements of equal numbers are equal, unless each side reads them in its own way.
    let equal = match sink.reads_twice() {
        true => steps.equal,
        false => Vec::new(),
    };
    let equal = equal.into_iter().map(|(i, j)| Step::Both(i, j));
    for step in steps.steps.into_iter().chain(equal) {
        if sink.is_decided() || !sink.spend(1) {
            return;
        }
        if let Step::Both(i, j) = step
            && a.get(i) == b.get(j)
            && !sink.reads_twice()
        {
            continue;
        }
        let (index, x, y) = step.of(primary, candidate);
        let mark = sink.enter_element(index);
        entry(kinds, x, y, depth, sink);
        sink.leave(mark);
    }
}

/// What tells the elements of `list` apart: the value of `field`, a path of names in them.
fn keys(list: &[Value], field: &str, sink: &mut Sink) -> Vec<u64> {
    list.iter()
        .map(|element| key_of(element, field).map_or(0, |key| fingerprint::of(&key, sink)))
        .collect()
}

fn key_of(element: &Value, field: &str) -> Option<Value> {
    let (name, below) = field.split_once('.').unwrap_or((field, ""));
    let value = element.as_message()?.get_field_by_name(name)?;
    if below.is_empty() {
        return Some(value.into_owned());
    }
    key_of(&value, below)
}

/// Compares two maps with values of `kinds`.
pub(super) fn maps(
    kinds: Kinds<'_>,
    primary: &HashMap<MapKey, Value>,
    candidate: &HashMap<MapKey, Value>,
    depth: u32,
    sink: &mut Sink,
) {
    let mut keys: BTreeMap<&MapKey, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (key, value) in primary {
        keys.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in candidate {
        keys.entry(key).or_default().1 = Some(value);
    }
    for (key, (a, b)) in keys {
        if sink.is_decided() || !sink.spend(1) {
            return;
        }
        let mark = sink.enter_element(render::map_key(key));
        entry(kinds, a, b, depth, sink);
        sink.leave(mark);
    }
}

/// Do rules take each of these entries, which one side lacks, for no difference that counts?
pub(super) fn are_ruled_out(entries: &HashMap<MapKey, Value>, kind: Kind, sink: &mut Sink) -> bool {
    sink.has_rules()
        && sink.can_spend(entries.len())
        && entries.iter().all(|(key, value)| {
            let mark = sink.enter_element(render::map_key(key));
            let leaf = Some(Leaf::of_value(value));
            let (a, b) = match kind {
                Kind::Missing => (leaf.as_ref(), None),
                _ => (None, leaf.as_ref()),
            };
            let is_ruled_out = sink.is_ruled_out(kind, a, b);
            sink.leave(mark);
            is_ruled_out
        })
}

/// An element or entry that one or both sides have.
fn entry(
    kinds: Kinds<'_>,
    primary: Option<&Value>,
    candidate: Option<&Value>,
    depth: u32,
    sink: &mut Sink,
) {
    match (primary, candidate) {
        (Some(a), Some(b)) => fields::values(kinds, a, b, depth, sink),
        (Some(a), None) => sink.report_values(Kind::Missing, kinds.side(a, false), None, None),
        (None, Some(b)) => sink.report_values(Kind::Extra, None, kinds.side(b, true), None),
        (None, None) => {}
    }
}
