//! Lines two lists up, so that one element more or less is one difference.
//!
//! Equal ends are cut off, then the shortest edit script of Myers ("An O(ND) Difference Algorithm
//! and Its Variations", 1986) finds the equal elements between, within
//! [`ALIGN_EDITS_MAX`](limits::ALIGN_EDITS_MAX) edits. Between equal elements, what is left of both
//! sides is matched up by `distance`, order kept. Works on fingerprints: equal numbers mean equal
//! elements.

use std::collections::{HashMap, HashSet, VecDeque};

use super::limits;

/// One line of an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Elements that belong together, equal or not.
    Both(usize, usize),
    /// An element that only the primary has.
    Primary(usize),
    /// An element that only the candidate has.
    Candidate(usize),
}

impl Step {
    /// Where the element is, of two lists that were aligned, and what either side has of it.
    pub(super) fn of<'t, T>(
        self,
        primary: &'t [T],
        candidate: &'t [T],
    ) -> (usize, Option<&'t T>, Option<&'t T>) {
        match self {
            Self::Both(i, j) => (i, primary.get(i), candidate.get(j)),
            Self::Primary(i) => (i, primary.get(i), None),
            Self::Candidate(j) => (j, None, candidate.get(j)),
        }
    }
}

/// Largest gap, as the product of both lengths, in which elements are matched up by distance.
const GAP_CELLS_MAX: usize = 4096;

/// Lines up `primary` and `candidate`. `distance` tells how unlike two elements are, or `None`
/// when it may not be asked any more.
pub(super) fn align(
    primary: &[u64],
    candidate: &[u64],
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(primary.len().max(candidate.len()));
    let (mut i, mut j) = (0, 0);
    for (x, y) in anchors(primary, candidate) {
        gap(i..x, j..y, distance, &mut steps);
        steps.push(Step::Both(x, y));
        (i, j) = (x + 1, y + 1);
    }
    gap(i..primary.len(), j..candidate.len(), distance, &mut steps);
    steps
}

/// An alignment of lists whose elements may have moved.
#[derive(Debug)]
pub(super) struct Alignment {
    /// Do elements that both sides have stand in another order?
    pub(super) is_reordered: bool,
    /// What belongs together, but for what is in `equal`.
    pub(super) steps: Vec<Step>,
    /// Elements with equal numbers that belong together and are no steps, wherever they stand.
    pub(super) equal: Vec<(usize, usize)>,
}

/// Lines up two lists, taking elements that only moved out first.
pub(super) fn align_with_moves(
    primary: &[u64],
    candidate: &[u64],
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
) -> Alignment {
    let matched = occurrences(primary, candidate);
    if is_ascending(&matched) || anchors(primary, candidate).len() >= matched.len() {
        return Alignment {
            is_reordered: false,
            steps: align(primary, candidate, distance),
            equal: Vec::new(),
        };
    }
    let a = unmatched(primary.len(), matched.iter().map(|(i, _)| *i));
    let b = unmatched(candidate.len(), matched.iter().map(|(_, j)| *j));
    let mut steps = Vec::new();
    let mut between = |i: usize, j: usize| distance(*a.get(i)?, *b.get(j)?);
    gap(0..a.len(), 0..b.len(), &mut between, &mut steps);
    let at = |list: &[usize], index: usize| list.get(index).copied().unwrap_or(index);
    let steps = steps.into_iter().map(|step| match step {
        Step::Both(i, j) => Step::Both(at(&a, i), at(&b, j)),
        Step::Primary(i) => Step::Primary(at(&a, i)),
        Step::Candidate(j) => Step::Candidate(at(&b, j)),
    });
    Alignment {
        is_reordered: true,
        steps: steps.collect(),
        equal: matched,
    }
}

/// Lines up two lists whose order is nothing: equal elements first, then, of the rest, those that
/// differ least. Equal elements are no steps.
pub(super) fn align_unordered(
    primary: &[u64],
    candidate: &[u64],
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
) -> Alignment {
    let mut matched = occurrences(primary, candidate);
    let a = unmatched(primary.len(), matched.iter().map(|(i, _)| *i));
    let b = unmatched(candidate.len(), matched.iter().map(|(_, j)| *j));
    let near = nearest(&a, &b, distance);
    let equal = matched.clone();
    matched.extend(&near);
    matched.sort_unstable();
    Alignment {
        equal,
        ..joined(primary.len(), candidate.len(), &matched, near)
    }
}

/// Lines up two lists by keys: equal keys belong together, wherever they stand.
pub(super) fn align_by_key(primary: &[u64], candidate: &[u64]) -> Alignment {
    let matched = occurrences(primary, candidate);
    joined(primary.len(), candidate.len(), &matched, matched.clone())
}

/// The alignment of lists of these lengths in which the pairs of `matched`, in the order of their
/// first, belong together. Those of `shown` are steps, and what has no partner.
fn joined(
    primary_len: usize,
    candidate_len: usize,
    matched: &[(usize, usize)],
    shown: Vec<(usize, usize)>,
) -> Alignment {
    let a = unmatched(primary_len, matched.iter().map(|(i, _)| *i));
    let b = unmatched(candidate_len, matched.iter().map(|(_, j)| *j));
    let both = shown.into_iter().map(|(i, j)| Step::Both(i, j));
    Alignment {
        is_reordered: !is_ascending(matched),
        steps: both
            .chain(a.into_iter().map(Step::Primary))
            .chain(b.into_iter().map(Step::Candidate))
            .collect(),
        equal: Vec::new(),
    }
}

/// The indices below `length` that are not among `matched`.
fn unmatched(length: usize, matched: impl Iterator<Item = usize>) -> Vec<usize> {
    let matched: HashSet<usize> = matched.collect();
    (0..length)
        .filter(|index| !matched.contains(index))
        .collect()
}

/// Are these pairs, sorted by their first, also sorted by their second?
fn is_ascending(matched: &[(usize, usize)]) -> bool {
    matched.is_sorted_by_key(|(_, j)| *j)
}

/// Gives the elements of `a` and `b` partners, the nearest first. By index where there are too many
/// to try, or no more may be tried.
fn nearest(
    a: &[usize],
    b: &[usize],
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
) -> Vec<(usize, usize)> {
    let mut tried = Vec::new();
    let every = a.iter().flat_map(|i| b.iter().map(move |j| (*i, *j)));
    let is_small = a.len() * b.len() <= GAP_CELLS_MAX && a.len() * b.len() > 1;
    if is_small {
        for (i, j) in every {
            match distance(i, j) {
                Some(apart) => tried.push((apart, i, j)),
                None => break,
            }
        }
    }
    if tried.len() < a.len() * b.len() {
        return a.iter().copied().zip(b.iter().copied()).collect();
    }
    tried.sort_unstable();
    let (mut taken_a, mut taken_b) = (HashSet::new(), HashSet::new());
    let mut near = Vec::new();
    for (_, i, j) in tried {
        if !taken_a.contains(&i) && !taken_b.contains(&j) {
            taken_a.insert(i);
            taken_b.insert(j);
            near.push((i, j));
        }
    }
    near.sort_unstable();
    near
}

/// The first occurrence of each element with its first in the other list, the second with the
/// second, and so on; in the order of `primary`.
fn occurrences(primary: &[u64], candidate: &[u64]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, VecDeque<usize>> = HashMap::new();
    for (index, element) in candidate.iter().enumerate() {
        places.entry(*element).or_default().push_back(index);
    }
    let partner = |(index, element)| Some((index, places.get_mut(element)?.pop_front()?));
    primary.iter().enumerate().filter_map(partner).collect()
}

/// Pairs of equal elements, ascending on both sides.
pub(super) fn anchors(primary: &[u64], candidate: &[u64]) -> Vec<(usize, usize)> {
    let prefix = primary
        .iter()
        .zip(candidate)
        .take_while(|(x, y)| x == y)
        .count();
    let rest_a = primary.get(prefix..).unwrap_or_default();
    let rest_b = candidate.get(prefix..).unwrap_or_default();
    let suffix = rest_a
        .iter()
        .rev()
        .zip(rest_b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let middle_a = rest_a.get(..rest_a.len() - suffix).unwrap_or_default();
    let middle_b = rest_b.get(..rest_b.len() - suffix).unwrap_or_default();
    let mut found: Vec<(usize, usize)> = (0..prefix).map(|index| (index, index)).collect();
    found.extend(
        longest_common(middle_a, middle_b)
            .into_iter()
            .map(|(x, y)| (x + prefix, y + prefix)),
    );
    found.extend((0..suffix).map(|k| (primary.len() - suffix + k, candidate.len() - suffix + k)));
    found
}

/// Myers' greedy algorithm; empty when the lists are further apart than the limit.
fn longest_common(a: &[u64], b: &[u64]) -> Vec<(usize, usize)> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let edits_max = limits::ALIGN_EDITS_MAX.min(a.len() + b.len());
    // `rows[d][k + d]` is the furthest x on diagonal k = x - y after d edits (k from -d to d).
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=edits_max {
        let mut row = vec![0; 2 * edits + 1];
        for column in (0..=2 * edits).step_by(2) {
            let mut x = start_of(rows.last(), edits, column);
            // y = x - k with k = column - edits.
            let mut y = (x + edits).saturating_sub(column);
            while let (Some(left), Some(right)) = (a.get(x), b.get(y)) {
                if left != right {
                    break;
                }
                (x, y) = (x + 1, y + 1);
            }
            if let Some(cell) = row.get_mut(column) {
                *cell = x;
            }
            if x >= a.len() && y >= b.len() {
                rows.push(row);
                return walk_back(&rows, a.len(), b.len());
            }
        }
        rows.push(row);
    }
    Vec::new()
}

/// Does the best way to `column` of row `edits` come from above (a candidate's element more)?
fn comes_down(previous: &[usize], edits: usize, column: usize) -> bool {
    let from = |index: Option<usize>| index.and_then(|index| previous.get(index)).copied();
    column == 0 || (column != 2 * edits && from(column.checked_sub(2)) < from(Some(column)))
}

/// Where the snake of `column` in row `edits` begins.
fn start_of(previous: Option<&Vec<usize>>, edits: usize, column: usize) -> usize {
    let Some(previous) = previous else { return 0 };
    if comes_down(previous, edits, column) {
        previous.get(column).copied().unwrap_or(0)
    } else {
        previous.get(column.wrapping_sub(2)).copied().unwrap_or(0) + 1
    }
}

fn walk_back(rows: &[Vec<usize>], a_len: usize, b_len: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut x, mut y) = (a_len, b_len);
    for edits in (0..rows.len()).rev() {
        let column = (x + edits).saturating_sub(y);
        let previous = edits.checked_sub(1).and_then(|row| rows.get(row));
        let start = start_of(previous, edits, column);
        while x > start {
            (x, y) = (x - 1, y.saturating_sub(1));
            found.push((x, y));
        }
        match previous {
            Some(previous) if comes_down(previous, edits, column) => y = y.saturating_sub(1),
            Some(_) => x = x.saturating_sub(1),
            None => break,
        }
    }
    found.reverse();
    found
}

/// Matches up what lies between two equal elements.
fn gap(
    a: std::ops::Range<usize>,
    b: std::ops::Range<usize>,
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
    steps: &mut Vec<Step>,
) {
    let small = a.len() * b.len() <= GAP_CELLS_MAX && !a.is_empty() && !b.is_empty();
    if a.len() != b.len()
        && small
        && let Some(matched) = cheapest(&a, &b, distance)
    {
        steps.extend(matched);
        return;
    }
    let common = a.len().min(b.len());
    steps.extend(a.clone().zip(b.clone()).map(|(i, j)| Step::Both(i, j)));
    steps.extend(a.skip(common).map(Step::Primary));
    steps.extend(b.skip(common).map(Step::Candidate));
}

/// Gives every element of the shorter side its partner in the longer, order kept, at the least
/// total distance.
fn cheapest(
    a: &std::ops::Range<usize>,
    b: &std::ops::Range<usize>,
    distance: &mut dyn FnMut(usize, usize) -> Option<u32>,
) -> Option<Vec<Step>> {
    let swapped = a.len() > b.len();
    let (short, long) = if swapped { (b, a) } else { (a, b) };
    let width = long.len() + 1;
    // best[s * width + l]: least cost of placing the first s of short among the first l of long.
    let mut best = vec![u32::MAX; (short.len() + 1) * width];
    best.get_mut(..width)?.fill(0);
    for s in 1..=short.len() {
        for l in s..=long.len() - (short.len() - s) {
            let (x, y) = (short.start + s - 1, long.start + l - 1);
            let cost = if swapped {
                distance(y, x)
            } else {
                distance(x, y)
            }?;
            let take = best.get((s - 1) * width + l - 1)?.saturating_add(cost);
            let skip = *best.get(s * width + l - 1)?;
            *best.get_mut(s * width + l)? = take.min(skip);
        }
    }
    let mut steps = Vec::new();
    let (mut s, mut l) = (short.len(), long.len());
    while l > 0 {
        let skip = best.get(s * width + l - 1).copied().unwrap_or(u32::MAX);
        let is_taken = s > 0 && (l == s || best.get(s * width + l).copied()? < skip);
        let (x, y) = (short.start + s.saturating_sub(1), long.start + l - 1);
        steps.push(match (is_taken, swapped) {
            (true, false) => Step::Both(x, y),
            (true, true) => Step::Both(y, x),
            (false, false) => Step::Candidate(y),
            (false, true) => Step::Primary(y),
        });
        s -= usize::from(is_taken);
        l -= 1;
    }
    steps.reverse();
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(a: &[u64], b: &[u64]) -> Vec<Step> {
        align(a, b, &mut |i, j| u32::try_from(a[i].abs_diff(b[j])).ok())
    }

    #[test]
    fn one_missing_element_is_one_step() {
        let found = steps(&[1, 2, 3, 4, 5], &[1, 2, 4, 5]);
        assert_eq!(
            found
                .iter()
                .filter(|step| matches!(step, Step::Primary(2)))
                .count(),
            1
        );
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn unequal_elements_find_the_nearest_partner() {
        let found = steps(&[10, 20, 30], &[11, 31]);
        assert_eq!(
            found,
            [Step::Both(0, 0), Step::Primary(1), Step::Both(2, 1)]
        );
    }

    #[test]
    fn without_order_the_nearest_belong_together() {
        let mut distance = |i: usize, j: usize| {
            let (a, b) = ([10_u64, 20, 30], [31_u64, 10, 22]);
            u32::try_from(a[i].abs_diff(b[j])).ok()
        };
        let found = align_unordered(&[10, 20, 30], &[31, 10, 22], &mut distance);
        assert!(found.is_reordered);
        assert_eq!(found.steps, [Step::Both(1, 2), Step::Both(2, 0)]);
        let shorter = align_unordered(&[1, 2, 3], &[3, 1], &mut |_, _| None);
        assert_eq!(shorter.steps, [Step::Primary(1)]);
    }

    #[test]
    fn without_order_lists_too_long_to_try_are_paired_by_index() {
        let a: Vec<u64> = (0..100_000).collect();
        let b: Vec<u64> = (200_000..300_001).collect();
        let found = align_unordered(&a, &b, &mut |_, _| None);
        assert!(!found.is_reordered);
        assert_eq!(found.steps.len(), 100_001);
        assert_eq!(found.steps.last(), Some(&Step::Candidate(100_000)));
    }

    #[test]
    fn equal_keys_belong_together_wherever_they_stand() {
        let found = align_by_key(&[7, 8, 9], &[9, 5, 7]);
        assert!(found.is_reordered);
        let steps = [
            Step::Both(0, 2),
            Step::Both(2, 0),
            Step::Primary(1),
            Step::Candidate(1),
        ];
        assert_eq!(found.steps, steps);
    }

    #[test]
    fn lists_too_far_apart_are_compared_by_index() {
        let a: Vec<u64> = (0..5_000).collect();
        let b: Vec<u64> = (10_000..15_000).collect();
        assert_eq!(steps(&a, &b).len(), 5_000);
    }

    proptest! {
        #[test]
        fn every_element_appears_once_and_in_order(
            a in prop::collection::vec(0u64..6, 0..24), b in prop::collection::vec(0u64..6, 0..24),
        ) {
            let found = steps(&a, &b);
            let left: Vec<usize> = found.iter().filter_map(|step| match step {
                Step::Both(i, _) | Step::Primary(i) => Some(*i), Step::Candidate(_) => None,
            }).collect();
            let right: Vec<usize> = found.iter().filter_map(|step| match step {
                Step::Both(_, j) | Step::Candidate(j) => Some(*j), Step::Primary(_) => None,
            }).collect();
            prop_assert_eq!(left, (0..a.len()).collect::<Vec<_>>());
            prop_assert_eq!(right, (0..b.len()).collect::<Vec<_>>());
        }

        #[test]
        fn anchors_are_a_longest_common_subsequence(
            a in prop::collection::vec(0u64..4, 0..16), b in prop::collection::vec(0u64..4, 0..16),
        ) {
            let found = anchors(&a, &b);
            for (i, j) in &found {
                prop_assert_eq!(a[*i], b[*j]);
            }
            let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
            for (i, x) in a.iter().enumerate() {
                for (j, y) in b.iter().enumerate() {
                    table[i + 1][j + 1] = if x == y { table[i][j] + 1 } else {
                        table[i][j + 1].max(table[i + 1][j])
                    };
                }
            }
            prop_assert_eq!(found.len(), table[a.len()][b.len()]);
        }
    }
}
