//! Which calls a command looks at (`--since`, `--until`, `--method`, `--candidate`), and why there are none.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::UsageError;
use crate::call::{Call, PAIR_BUCKETS, Position, Role};
use crate::escape::{escape, shorten};
use crate::pipeline::selection::Selection;
use crate::report::rows::time_text;
use crate::store::data_dir;
use crate::store::parquet::{Dataset, Projection};

/// Names given as examples.
const EXAMPLES_MAX: usize = 5;

/// Names kept to give examples of; more are not counted.
const NAMES_MAX: usize = 1_000;

/// Characters shown of a name.
const NAME_CHARS_MAX: usize = 120;

/// Options that select calls.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SelectionArgs {
    /// Only calls that started at or after this: RFC 3339, a date (from midnight UTC), or how long ago
    /// (`2h`, `30m`)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only calls that started before this
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Only methods that match, such as `shop.v1.Shop/*`; `*` matches any text
    #[arg(long, value_name = "GLOB")]
    method: Option<String>,
}

impl SelectionArgs {
    /// What they come to now.
    pub(super) fn selection(&self) -> anyhow::Result<Selection> {
        let now = Timestamp::now();
        let parse = |text: &Option<String>| text.as_deref().map(|text| parse_time(text, now));
        let selection = Selection {
            since_ns: parse(&self.since).transpose()?,
            until_ns: parse(&self.until).transpose()?,
            method: self.method.clone(),
        };
        if selection.range_ns().is_empty() {
            return Err(UsageError::error("--since is not before --until"));
        }
        Ok(selection)
    }
}

/// Why there is no call of `selection` to look at in `data_dir`: reads all of them once more. `None` if there
/// is one, and if `candidate` is asked for, one that was mirrored to it.
pub(super) fn why_nothing(
    selection: &Selection,
    data_dir: &Path,
    candidate: Option<&str>,
) -> anyhow::Result<Option<String>> {
    let dataset = Dataset::open(data_dir)?;
    let seen = Seen::of(&dataset, selection, candidate)?;
    let dir = data_dir.display();
    let Some((first, last)) = seen.started else {
        let outer = data_dir::holding(data_dir).map_or_else(String::new, |outer| {
            format!(
                "; is {} meant, the data directory that it lies in?",
                outer.display()
            )
        });
        return Ok(Some(format!("there are no calls in {dir}{outer}")));
    };
    if seen.in_range == 0 {
        let given = match (selection.since_ns, selection.until_ns) {
            (Some(_), Some(_)) => "--since and --until leave",
            (Some(_), None) => "--since leaves",
            _ => "--until leaves",
        };
        let (first, last) = (time_text(first), time_text(last));
        return Ok(Some(format!(
            "{given} no call: those in {dir} started from {first} to {last}"
        )));
    }
    if let (0, Some(glob)) = (seen.of_method, &selection.method) {
        let methods = examples(&seen.methods);
        return Ok(Some(format!(
            "--method {glob:?} leaves no call: there are calls of {methods}"
        )));
    }
    let missing = candidate.filter(|_| seen.of_candidate == 0);
    Ok(missing.map(|name| match seen.candidates.is_empty() {
        true => {
            format!("--candidate {name:?} leaves no pair: no mirrored call says whom it went to")
        }
        false => {
            let names = examples(&seen.candidates);
            format!("--candidate {name:?} leaves no pair: calls were mirrored to {names}")
        }
    }))
}

/// What there is besides what was asked for.
#[derive(Default)]
struct Seen {
    /// Of the first and of the last call.
    started: Option<(u64, u64)>,
    in_range: u64,
    /// Methods of calls in the range.
    methods: BTreeSet<String>,
    /// Calls in the range whose method matches.
    of_method: u64,
    /// By what the candidates of these go.
    candidates: BTreeSet<String>,
    /// Mirrored calls of these that went to the candidate that was asked for.
    of_candidate: u64,
}

impl Seen {
    fn of(
        dataset: &Dataset,
        selection: &Selection,
        candidate: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut seen = Self::default();
        let buckets = 0..u16::try_from(PAIR_BUCKETS).unwrap_or(u16::MAX);
        for call in dataset.calls_in_buckets(buckets, Projection::WithoutPayload) {
            let call = call?;
            let at = call.started_unix_ns;
            let (first, last) = seen.started.unwrap_or((at, at));
            seen.started = Some((first.min(at), last.max(at)));
            if !selection.is_in_range(&call) {
                continue;
            }
            seen.in_range += 1;
            keep(&mut seen.methods, &call.rpc_method);
            if !selection.is_method(&call) {
                continue;
            }
            seen.of_method += 1;
            if call.role == Role::Candidate {
                let names = names(&call);
                let is_asked_for = names.iter().any(|name| candidate == Some(name));
                seen.of_candidate += u64::from(is_asked_for);
                for name in names {
                    keep(&mut seen.candidates, &name);
                }
            }
        }
        Ok(seen)
    }
}

/// By what `--candidate` may name the side of `call`.
fn names(call: &Call) -> Vec<String> {
    let workload = &call.workload;
    let at_caller = matches!(call.position, Position::Upstream | Position::Outbound);
    let mut names = vec![String::from_utf8_lossy(&call.cluster_name).into_owned()];
    names.push(workload.service.clone());
    if !at_caller {
        names.push(workload.workload_name.clone());
        names.push(workload.app_version.clone());
    }
    names
}

fn keep(names: &mut BTreeSet<String>, name: &str) {
    if !name.is_empty() && names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn examples(names: &BTreeSet<String>) -> String {
    let some = names.iter().take(EXAMPLES_MAX);
    let some = some.map(|name| shorten(&escape(name), NAME_CHARS_MAX));
    let mut text = some.collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(EXAMPLES_MAX);
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// RFC 3339, a date, or a duration before `now`.
fn parse_time(text: &str, now: Timestamp) -> anyhow::Result<u64> {
    // A date alone: of a date with a time, but no zone, the time would be lost without a word.
    let date = |text: &str| Date::strptime("%Y-%m-%d", text)?.to_zoned(TimeZone::UTC);
    let ago = |text: &str| {
        let ago = text.trim_end_matches(" ago");
        now.checked_sub(ago.parse::<jiff::SignedDuration>()?.abs())
    };
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| date(text).map(|midnight| midnight.timestamp()))
        .or_else(|_| ago(text));
    let time = time.map_err(|_| {
        UsageError::error(format!(
            "{text:?} is no time: give RFC 3339 (2026-08-01T10:00:00Z), a date (2026-08-01) or an age (2h)"
        ))
    })?;
    u64::try_from(time.as_nanosecond())
        .map_err(|_| UsageError::error(format!("{text:?} is before 1970")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_dates_or_ages() {
        let now: Timestamp = "2026-08-01T12:00:00Z".parse().unwrap();
        let point = parse_time("2026-08-01T10:00:00Z", now).unwrap();
        assert_eq!(parse_time("2h", now).unwrap(), point);
        assert_eq!(parse_time("2h ago", now).unwrap(), point);
        let midnight = parse_time("2026-08-01T00:00:00Z", now).unwrap();
        assert_eq!(parse_time("2026-08-01", now).unwrap(), midnight);
        for wrong in ["yesterday", "2026-08-01T10:00:00", "2026-13-01", ""] {
            assert!(parse_time(wrong, now).is_err(), "{wrong}");
        }
    }
}
