//! How far the clocks of hosts are apart, as far as pairs show it.
//!
//! Where two hosts recorded the sides of a pair, their starts differ by what the clocks differ and by what
//! the mirror took longer: the median says how much. Where the sides were recorded at their caller too,
//! cause and effect bound what the clocks alone come to ([`Sighting`]). Nothing else of the report depends
//! on either: calls are paired by ids, and latencies are taken by one clock each.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::pair::{Pair, Sighting};

/// Pairs of hosts told of: those first by name, whatever came first.
const HOSTS_MAX: usize = 256;

/// Longest shift told apart, in microseconds: 366 days.
const SHIFT_MAX_US: u64 = 366 * 86_400 * 1_000_000;

/// How two hosts' clocks differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClockShift {
    /// Host that recorded the primaries.
    pub primary_host: String,
    /// Host that recorded the candidates.
    pub candidate_host: String,
    /// Pairs that they recorded.
    pub pairs: u64,
    /// Median of the candidate's start less the primary's, in microseconds.
    pub start_shift_us: i64,
    /// The candidate's clock less the primary's is no less than this; absent if nothing bounds it.
    pub skew_low_us: Option<i64>,
    /// And no more than this. Below `skew_low_us`, if a clock was set in between.
    pub skew_high_us: Option<i64>,
}

/// Starts of pairs, by hosts.
#[derive(Debug, Default)]
pub(super) struct ClockSums {
    shifts: BTreeMap<(String, String), Shifts>,
    /// Bounds of the server's clock less the caller's, in nanoseconds, by caller and server.
    bounds: BTreeMap<(String, String), (Option<i64>, i64)>,
}

/// Three digits are enough of a shift; nothing is allocated before the first.
#[derive(Debug, Default)]
struct Shifts {
    later: Option<Histogram<u64>>,
    earlier: Option<Histogram<u64>>,
}

impl ClockSums {
    pub(super) fn add_pair(&mut self, pair: &Pair) {
        let (old, new) = (pair.primary.workload.host(), pair.candidate.workload.host());
        if old == new || old.is_empty() || new.is_empty() {
            return;
        }
        let key = (old.to_owned(), new.to_owned());
        let (old, new) = (pair.primary.started_unix_ns, pair.candidate.started_unix_ns);
        self.shifts.entry(key).or_default().record(old, new);
        if self.shifts.len() > HOSTS_MAX {
            self.shifts.pop_last();
        }
    }

    pub(super) fn add_sighting(&mut self, sighting: &Sighting) {
        let (caller, server) = (sighting.caller.host(), sighting.server.host());
        if caller.is_empty() || server.is_empty() {
            return;
        }
        let key = (caller.to_owned(), server.to_owned());
        let bounds = self.bounds.entry(key).or_insert((None, i64::MAX));
        bounds.0 = bounds.0.max(sighting.low_ns);
        bounds.1 = bounds.1.min(sighting.high_ns);
        if self.bounds.len() > HOSTS_MAX {
            self.bounds.pop_last();
        }
    }

    /// In order of the hosts' names.
    pub(super) fn into_shifts(self) -> Vec<ClockShift> {
        let shift = |((primary_host, candidate_host), shifts): (&(String, String), &Shifts)| {
            let (low, high) = self.skew(primary_host, candidate_host);
            ClockShift {
                primary_host: primary_host.clone(),
                candidate_host: candidate_host.clone(),
                pairs: shifts.count(),
                start_shift_us: shifts.median_us(),
                skew_low_us: low.map(|ns| ns.div_euclid(1_000)),
                skew_high_us: high.map(|ns| ns.div_euclid(1_000).saturating_add(1)),
            }
        };
        self.shifts.iter().map(shift).collect()
    }

    /// Bounds of the candidate's clock less the primary's, by every caller that knows both.
    fn skew(&self, primary: &str, candidate: &str) -> (Option<i64>, Option<i64>) {
        let bound = |caller: &str, host: &str| -> Option<(Option<i64>, i64)> {
            if caller == host {
                return Some((Some(0), 0));
            }
            let key = (caller.to_owned(), host.to_owned());
            self.bounds.get(&key).copied()
        };
        let mut callers: Vec<&str> = self.bounds.keys().map(|(caller, _)| &**caller).collect();
        callers.dedup();
        let (mut low, mut high) = (None, None);
        for caller in callers {
            let (Some(old), Some(new)) = (bound(caller, primary), bound(caller, candidate)) else {
                continue;
            };
            let least = new.0.map(|new| new.saturating_sub(old.1));
            let most = old.0.map(|old| new.1.saturating_sub(old));
            low = low.max(least);
            high = match (high, most) {
                (Some(high), Some(most)) => Some(most.min(high)),
                (high, most) => high.or(most),
            };
        }
        (low, high)
    }
}

impl Shifts {
    fn record(&mut self, primary_ns: u64, candidate_ns: u64) {
        let us = primary_ns.abs_diff(candidate_ns) / 1_000;
        let side = if candidate_ns < primary_ns {
            &mut self.earlier
        } else {
            &mut self.later
        };
        if side.is_none() {
            *side = Histogram::new(3).ok();
        }
        if let Some(histogram) = side {
            // Refused only beyond what memory can address.
            histogram.record(us.min(SHIFT_MAX_US)).unwrap_or_default();
        }
    }

    fn count(&self) -> u64 {
        let count = |side: &Option<Histogram<u64>>| side.as_ref().map_or(0, Histogram::len);
        count(&self.later) + count(&self.earlier)
    }

    fn median_us(&self) -> i64 {
        let earlier = self.earlier.as_ref().map_or(0, Histogram::len);
        // The lower one of two in the middle, counted from 1, from the earliest.
        let rank = self.count().div_ceil(2);
        let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
        if rank <= earlier {
            // The earliest is the largest of those that are earlier.
            -signed(at_rank(&self.earlier, earlier - rank + 1))
        } else {
            signed(at_rank(&self.later, rank - earlier))
        }
    }
}

/// The value of that rank, counted from 1.
fn at_rank(histogram: &Option<Histogram<u64>>, rank: u64) -> u64 {
    let mut seen = 0;
    let mut steps = histogram.iter().flat_map(Histogram::iter_recorded);
    let step = steps.find(|step| {
        seen += step.count_since_last_iteration();
        seen >= rank
    });
    let middle = |value| histogram.as_ref().map(|all| all.median_equivalent(value));
    step.and_then(|step| middle(step.value_iterated_to()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::{Call, Workload};
    use crate::pair::FoundBy;

    fn host(name: &str) -> Arc<Workload> {
        Arc::new(Workload {
            node_id: name.to_owned(),
            ..Workload::default()
        })
    }

    fn pair(old: (&str, u64), new: (&str, u64)) -> Pair {
        let call = |(name, us): (&str, u64)| Call {
            workload: host(name),
            started_unix_ns: us * 1_000,
            ..Call::default()
        };
        Pair {
            primary: Box::new(call(old)),
            candidate: Box::new(call(new)),
            found_by: FoundBy::PairId,
            is_ambiguous: false,
            attempts_count: 1,
        }
    }

    #[test]
    fn the_median_shift_of_two_hosts_is_told() {
        let mut sums = ClockSums::default();
        for shift in [-50_000_i64, 3, 7_000, 7_010, 90_000_000] {
            let new = 1_000_000_000_u64.checked_add_signed(shift).unwrap();
            sums.add_pair(&pair(("old", 1_000_000_000), ("new", new)));
        }
        sums.add_pair(&pair(("old", 1), ("old", 5)));
        let shifts = sums.into_shifts();
        assert_eq!(shifts.len(), 1, "one host has one clock");
        assert_eq!(shifts[0].pairs, 5);
        assert!(
            (6_950..=7_050).contains(&shifts[0].start_shift_us),
            "{shifts:?}"
        );
        let mut behind = ClockSums::default();
        for us in [100, 200, 300] {
            behind.add_pair(&pair(("old", 10_000), ("new", 10_000 - us)));
        }
        let median = behind.into_shifts()[0].start_shift_us;
        assert!((-202..=-198).contains(&median), "{median}");
    }

    #[test]
    fn callers_bound_the_skew_of_two_servers() {
        let mut sums = ClockSums::default();
        sums.add_pair(&pair(("old", 1_000), ("new", 4_000)));
        let mut sight = |server, low_us: i64, high_us: i64| {
            sums.add_sighting(&Sighting {
                caller: host("gateway"),
                server: host(server),
                low_ns: Some(low_us * 1_000),
                high_ns: high_us * 1_000,
            });
        };
        sight("old", -100, 300);
        sight("old", -200, 200);
        sight("new", 2_900, 3_100);
        let shift = &sums.into_shifts()[0];
        // 2900 - 200 to 3100 + 100, and what rounding takes.
        assert_eq!(
            (shift.skew_low_us, shift.skew_high_us),
            (Some(2_700), Some(3_201))
        );
    }

    #[test]
    fn of_many_hosts_the_same_are_kept_in_any_order() {
        let names: Vec<String> = (0..HOSTS_MAX + 40).map(|n| format!("{n:04}")).collect();
        let told = |order: &mut dyn Iterator<Item = &String>| {
            let mut sums = ClockSums::default();
            for name in order {
                sums.add_pair(&pair(("old", 1), (name, 2)));
                sums.add_pair(&pair(("old", 1), (&names[0], 2)));
            }
            sums.into_shifts()
        };
        let forth = told(&mut names.iter());
        assert_eq!(forth.len(), HOSTS_MAX);
        assert_eq!(forth, told(&mut names.iter().rev()));
    }
}
