//! How many pairs a second are compared, in memory and from the dataset, next to a hand-made script.
//!
//! `make bench-compare [CALLS=10000000] [ONLY=scale]`. In memory: pairs of equal bytes, and pairs of 1 KiB messages
//! that differ in one field, by descriptor. From the dataset: the real `twintap compare` on Parquet,
//! next to `script.py`, which does on JSON lines what teams write by hand: pair by trace id, sort
//! keys, drop empty values, ignore the order of lists, count. All figures are of CPU time but one,
//! which says so. Then
//! `CALLS` calls are compared, and a tenth of them: memory, and how time grows (`ONLY=scale`: this alone). Prints a table beside
//! the goals and writes `target/bench/compare.json`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark prints, takes time, and stops at the first surprise"
)]

mod calls;
mod programs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use calls::{Change, Orders};
use rustix::time::{ClockId, clock_gettime};
use twintap::compare::{Outcome, Settings, compare};
use twintap::pair::{self, Pair, pair_calls};
use twintap::store::parquet::{Dataset, Projection};

/// Pairs in memory: more than fit into a processor's cache.
const PAIRS_IN_MEMORY: u64 = 4_000;
/// Measured this long at least, several times; the best counts.
const ROUND: Duration = Duration::from_millis(700);
const ROUNDS: u32 = 3;
/// Pairs that the program and the script both compare.
const PAIRS_OF_SCRIPT: u64 = 20_000;

struct Row {
    metric: &'static str,
    value: f64,
    goal: &'static str,
}

fn main() {
    let calls: u64 = std::env::var("CALLS").map_or(10_000_000, |text| text.parse().unwrap());
    let orders = Orders::new();
    let mut rows = Vec::new();
    if std::env::var("ONLY").as_deref() != Ok("scale") {
        rows.extend(per_core(&orders));
        rows.extend(beside_script(&orders));
    }
    if calls > 0 {
        rows.extend(at_scale(&orders, calls));
    }
    println!("\n{:30} {:>14}  goal", "metric", "value");
    for row in &rows {
        println!("{:30} {:14.1}  {}", row.metric, row.value, row.goal);
    }
    let metrics: serde_json::Map<String, serde_json::Value> = rows
        .iter()
        .map(|row| (row.metric.to_owned(), row.value.into()))
        .collect();
    let folder = target().join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    let json = serde_json::json!({ "metrics": metrics });
    std::fs::write(folder.join("compare.json"), format!("{json:#}\n")).unwrap();
}

fn per_core(orders: &Orders) -> [Row; 2] {
    [
        Row {
            metric: "pairs_per_s_equal",
            value: in_memory(orders, Change::Nothing),
            goal: ">= 1000000",
        },
        Row {
            metric: "pairs_per_s_differing_1kib",
            value: in_memory(orders, Change::EveryPair),
            goal: ">= 100000",
        },
    ]
}

/// Pairs a second of one core.
fn in_memory(orders: &Orders, change: Change) -> f64 {
    let pairs = read_back(orders, change);
    let settings = Settings {
        schema: Some(orders.schema()),
        ..Settings::default()
    };
    let expected = match change {
        Change::EveryPair => Outcome::Mismatched,
        _ => Outcome::Matched,
    };
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (began, mut judged) = (cpu(), 0_u64);
        while cpu() - began < ROUND {
            for pair in &pairs {
                let verdict = compare(&pair.primary, &pair.candidate, &settings);
                assert_eq!(verdict.outcome, expected);
            }
            judged += PAIRS_IN_MEMORY;
        }
        best = best.max(judged as f64 / (cpu() - began).as_secs_f64());
    }
    best
}

/// Pairs as the program holds them: read from Parquet, their bytes side by side.
fn read_back(orders: &Orders, change: Change) -> Vec<Pair> {
    let folder = folder("bench-compare-");
    programs::write_dataset(orders, folder.path(), PAIRS_IN_MEMORY, change);
    let dataset = Dataset::open(folder.path()).unwrap();
    let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
    let calls: Result<Vec<_>, _> = calls.collect();
    let pairs = pair_calls(calls.unwrap(), &pair::Settings::default()).pairs;
    assert_eq!(pairs.len() as u64, PAIRS_IN_MEMORY);
    pairs
}

fn beside_script(orders: &Orders) -> Vec<Row> {
    let folder = folder("bench-compare-");
    let data = folder.path().join("data");
    programs::write_dataset(orders, &data, PAIRS_OF_SCRIPT, Change::SomePairs);
    let logs = programs::write_logs(folder.path(), PAIRS_OF_SCRIPT);
    // Interleaved, so that a slow moment of the machine falls on both.
    let (mut program, mut script) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        program.push(programs::compare(orders, &data));
        script.push(programs::script(&logs));
    }
    let (program, script) = (best(&program), best(&script));
    assert_eq!(
        program.mismatched, script.mismatched,
        "program and script find as many pairs that differ"
    );
    let per_s = |cpu_s: f64| PAIRS_OF_SCRIPT as f64 / cpu_s;
    println!(
        "from the dataset: {:.0} pairs/s; script: {:.0} pairs/s; {} of {PAIRS_OF_SCRIPT} differ",
        per_s(program.cpu_s),
        per_s(script.cpu_s),
        program.mismatched
    );
    vec![
        Row {
            metric: "pairs_per_s_dataset",
            value: per_s(program.cpu_s),
            goal: "-",
        },
        Row {
            metric: "pairs_per_s_script",
            value: per_s(script.cpu_s),
            goal: "-",
        },
        Row {
            metric: "speedup_over_script",
            value: script.cpu_s / program.cpu_s,
            goal: ">= 100",
        },
        // The program reads on one core while it compares on another.
        Row {
            metric: "speedup_over_script_elapsed",
            value: script.elapsed_s / program.elapsed_s,
            goal: "-",
        },
    ]
}

/// The best of several runs, which all find the same.
fn best(runs: &[programs::Run]) -> programs::Run {
    let least = |of: fn(&programs::Run) -> f64| runs.iter().map(of).fold(f64::MAX, f64::min);
    let found = runs[0].mismatched;
    assert!(runs.iter().all(|run| run.mismatched == found));
    programs::Run {
        cpu_s: least(|run| run.cpu_s),
        elapsed_s: least(|run| run.elapsed_s),
        mismatched: found,
        ..runs[0]
    }
}

fn at_scale(orders: &Orders, calls: u64) -> Vec<Row> {
    let mut runs = Vec::new();
    for calls in [calls / 10, calls] {
        let folder = folder("bench-compare-");
        programs::write_dataset(orders, folder.path(), calls / 2, Change::SomePairs);
        let run = programs::compare(orders, folder.path());
        println!(
            "{calls} calls: {:.1} s CPU, {:.0} MiB, {} pairs differ",
            run.cpu_s, run.rss_mib, run.mismatched
        );
        runs.push(run);
    }
    vec![
        Row {
            metric: "rss_mib_10m_calls",
            value: runs[1].rss_mib,
            goal: "<= 1024",
        },
        Row {
            metric: "seconds_ratio_10m_over_1m",
            value: runs[1].cpu_s / runs[0].cpu_s,
            goal: "about 10",
        },
    ]
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn folder(prefix: &str) -> tempfile::TempDir {
    let parent = target().join("tmp");
    std::fs::create_dir_all(&parent).unwrap();
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(parent)
        .unwrap()
}

/// The build's target folder: on a disk, not in memory.
fn target() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_twintap"));
    program.parent().unwrap().parent().unwrap().to_owned()
}
