//! `twintap show`: one pair, or one call without a partner, both sides next to each other.
//!
//! Reads little: bloom filters say which row groups may hold the id, and only the rows that carry it are
//! read whole.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use clap::ValueEnum;

use super::rules::RulesArgs;
use super::schema_args::SchemaArgs;
use super::{EXIT_INCOMPLETE, EXIT_IO, terminal};
use crate::call::{Call, request_id_variants};
use crate::compare;
use crate::compare::rules::matches_glob;
use crate::escape::escape;
use crate::pair::{self, Reason, pair_calls_of_all_ids};
use crate::pipeline::partners::{Found, with_partners};
use crate::report::side_by_side::{SHOW_VERSION, Shown, SideBySide};
use crate::report::text;
use crate::store::data_dir;
use crate::store::parquet::{Dataset, FindLimits, Ids};

/// Of calls with one id how many are looked at, and of what could be their partners: a trace may have any
/// number.
const LIMITS: FindLimits = FindLimits {
    calls: 10_000,
    bytes: 256 << 20,
};

/// Columns where there is no terminal.
const PLAIN_COLUMNS: usize = 120;

/// Shows both sides of one pair, and what differs.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Pair id, request id or trace id, as reports print it; of a call without any its own,
    /// PRODUCER_ID:RECORD_NUMBER
    #[arg(value_name = "PAIR")]
    pair: String,

    /// Data directory of `twintap serve` or `twintap ingest`
    #[arg(value_name = "DATA_DIR", default_value = "./twintap-data")]
    data_dir: PathBuf,

    #[command(flatten)]
    types: SchemaArgs,

    #[command(flatten)]
    rules: RulesArgs,

    /// Also count metadata that proxies and transport libraries set
    #[arg(long)]
    no_default_ignores: bool,

    /// Pair with this one of several candidates, as for compare
    #[arg(long, value_name = "NAME")]
    candidate: Option<String>,

    /// Only methods that match, such as `shop.v1.Shop/*`
    #[arg(long, value_name = "GLOB")]
    method: Option<String>,

    /// Pairs and calls shown, where several carry the id
    #[arg(long, value_name = "N", default_value_t = 10)]
    max: usize,

    /// Show equal metadata and requests too
    #[arg(long)]
    all: bool,

    /// Form on standard output
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// A form of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people at a terminal
    Text,
    /// For programs: one JSON object, described in docs/report.md
    Json,
}

const AFTER_HELP: &str = "\
Values are shown as they are stored: what the recorder redacted stays redacted.

Exit codes: 0 equal, or only differences that rules ignore; 1 something differs; 2 usage; 3 no call
carries the id, or the data cannot be read; 4 a call has no partner and should have one, or nothing was
compared, or the pair cannot be judged, or not all calls that share the id could be looked at.

Examples:
  twintap show 6f1c2a9e-4b1d-4c9a-9d5f-2f0c5a3b7e10
  twintap show 4bf92f3577b34da6a3ce929d0e0e4736 --descriptors shop.binpb --rules rules.yaml
  twintap show 01a208d2-0b48-7426-ada1-632e617cb699:17
  twintap show pair-7 ./twintap-data --output json | jq '.found[].differences'";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = compare::Settings {
        schema: args.types.load()?,
        default_ignores: !args.no_default_ignores,
        rules: args.rules.load_and_warn()?,
    };
    let data_dir = args.data_dir.display();
    data_dir::refuse_absent(&args.data_dir)?;
    data_dir::refuse_newer(&args.data_dir)?;
    let dataset = Dataset::open(&args.data_dir)?;
    let ids = ids_of(&args.pair);
    let is_wanted = |call: &Call| {
        let is_method = |glob: &String| matches_glob(glob, &call.rpc_method);
        args.method.as_ref().is_none_or(is_method)
    };
    let pairing = pair::Settings {
        candidate: args.candidate.clone(),
        // Where a call has no id there is no other way, and it is told.
        by_digest: true,
        ..pair::Settings::default()
    };
    let found = with_partners(&dataset, &ids, is_wanted, &pairing, LIMITS)?;
    let shown = shown(&args, found, &ids, &pairing, &settings);
    if shown.found.is_empty() {
        let of = match &args.method {
            Some(glob) => format!(" of a method that matches {glob:?}"),
            None => String::new(),
        };
        let others = dataset.find(&ids, |_| args.method.is_some(), LIMITS)?;
        let others: BTreeSet<_> = others.iter().map(|call| escape(&call.rpc_method)).collect();
        let others = match others.is_empty() {
            true => String::new(),
            false => format!(
                "; calls of {} do",
                others.into_iter().collect::<Vec<_>>().join(", ")
            ),
        };
        terminal::tell(format_args!(
            "no call in {data_dir}{of} carries the id {:?}{others}",
            args.pair
        ));
        return Ok(ExitCode::from(EXIT_IO));
    }
    let style = text::Style {
        width: terminal::columns(PLAIN_COLUMNS),
        colours: terminal::colours(),
        ..text::Style::default()
    };
    let out = match args.output {
        Output::Text => text::render_shown(&shown, style, args.all),
        Output::Json => serde_json::to_string_pretty(&shown)? + "\n",
    };
    terminal::print(&out)?;
    Ok(ExitCode::from(exit_code(&shown)))
}

/// What `text` may be.
fn ids_of(text: &str) -> Ids {
    let id = Bytes::copy_from_slice(text.as_bytes());
    Ids {
        pair_ids: BTreeSet::from([id.clone()]),
        request_ids: request_id_variants(&id).into_iter().collect(),
        trace_ids: trace_id(text).into_iter().collect(),
        calls: text.parse().into_iter().collect(),
        ..Ids::default()
    }
}

fn shown(
    args: &Args,
    looked_at: Found,
    ids: &Ids,
    pairing: &pair::Settings,
    settings: &compare::Settings,
) -> Shown {
    let calls_count = u64::try_from(looked_at.calls.len()).unwrap_or(u64::MAX);
    let pairing = pair_calls_of_all_ids(looked_at.calls, pairing);
    let schema = settings.schema.as_ref();
    let is_wanted = |call: &Call| carries(call, ids);
    let pairs = pairing
        .pairs
        .iter()
        .filter(|pair| is_wanted(&pair.primary) || is_wanted(&pair.candidate))
        .map(|pair| SideBySide::of_pair(pair, settings));
    let alone = pairing
        .unpaired
        .iter()
        .filter(|unpaired| is_wanted(&unpaired.call))
        .map(|unpaired| SideBySide::of_unpaired(unpaired, schema));
    let mut found: Vec<SideBySide> = pairs.chain(alone).collect();
    found.sort_by(|a, b| a.started_at().cmp(b.started_at()));
    let omitted = found.len().saturating_sub(args.max);
    found.truncate(args.max);
    Shown {
        version: SHOW_VERSION,
        asked: args.pair.clone(),
        found,
        omitted: u64::try_from(omitted).unwrap_or(u64::MAX),
        stopped_at_calls: looked_at.is_cut.then_some(calls_count),
    }
}

fn carries(call: &Call, ids: &Ids) -> bool {
    ids.pair_ids.contains(&call.pair_id)
        || ids.request_ids.contains(&call.request_id)
        || call.trace_id.is_some_and(|id| ids.trace_ids.contains(&id))
        || ids.calls.contains(&call.id)
}

/// The worst of all that is shown: a difference, then doubt. What is not meant to be compared is neither, beside
/// something that is.
fn exit_code(shown: &Shown) -> u8 {
    let is = |verdict: &str| shown.found.iter().any(|found| found.verdict == verdict);
    let misses_partner = |found: &SideBySide| found.reason.is_some_and(Reason::misses_partner);
    let mut unpaired = shown.found.iter().filter(|it| it.verdict == "unpaired");
    let nothing_compared = shown.found.iter().all(|it| it.verdict == "unpaired");
    if is("mismatched") {
        1
    } else if shown.stopped_at_calls.is_some()
        || is("incomparable")
        || nothing_compared
        || unpaired.any(misses_partner)
    {
        EXIT_INCOMPLETE
    } else {
        0
    }
}

/// 32 hexadecimal digits; 16 are a short B3 id, padded as it is stored.
fn trace_id(text: &str) -> Option<[u8; 16]> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !matches!(text.len(), 16 | 32) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_are_16_or_32_digits() {
        assert_eq!(trace_id("00000000000000ff").unwrap()[15], 0xff);
        assert_eq!(trace_id(&"ab".repeat(16)).unwrap(), [0xab; 16]);
        assert!(trace_id("abc").is_none() && trace_id(&"xy".repeat(16)).is_none());
    }
}
