//! How fast and how completely calls are rebuilt from captures with known truth.
//!
//! `make bench-pcap CAPTURES=DIR`. `DIR` holds captures and, beside each, what was on the wire
//! (`<name>.wire.jsonl` or `<name>.truth.jsonl`). Speed is measured with the process pinned to one
//! core, page cache warm, the best of several runs, next to `tcpdump -r` and tshark in the same run;
//! completeness on the lines that `twintap ingest --format ndjson` prints, as anybody could. Prints a
//! table beside the goals and writes `target/bench/pcap.json`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::string_slice,
    unreachable_pub,
    reason = "a benchmark prints, takes time, and stops at the first surprise"
)]

mod client_saw;
mod copies;
mod score;
mod speed;

use std::path::{Path, PathBuf};
use std::process::exit;

use score::Score;

/// Capture, its truth, and the least share of untouched calls that must be perfect, in percent.
/// Those without a share begin midway: there, no name is certain.
const CAPTURES: [(&str, &str, Option<f64>); 11] = [
    ("unary", "unary.wire.jsonl", Some(100.0)),
    ("mixed", "mixed.wire.jsonl", Some(100.0)),
    ("unary.reorder", "unary.reorder.truth.jsonl", Some(100.0)),
    ("mixed.reorder", "mixed.reorder.truth.jsonl", Some(100.0)),
    ("unary.loss05", "unary.loss05.truth.jsonl", Some(99.9)),
    ("unary.burst05", "unary.burst05.truth.jsonl", Some(99.9)),
    ("mixed.loss05", "mixed.loss05.truth.jsonl", Some(99.8)),
    ("mixed.burst05", "mixed.burst05.truth.jsonl", Some(99.8)),
    ("mixed.lossreorder", "mixed.loss05.truth.jsonl", Some(99.8)),
    ("unary.midconn", "unary.midconn.truth.jsonl", None),
    ("mixed.midconn", "mixed.midconn.truth.jsonl", None),
];

/// TLS captures: each with its key log beside it, with its secrets inside, and what the client saw.
const TLS_CAPTURES: [&str; 2] = ["tls12", "tls13"];

#[derive(Default)]
struct Metrics(serde_json::Map<String, serde_json::Value>);

impl Metrics {
    fn add(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value.into());
    }
}

fn main() {
    let Some(folder) = std::env::var_os("TWINTAP_CAPTURES").map(PathBuf::from) else {
        println!("bench-pcap needs captures with known truth: make bench-pcap CAPTURES=DIR");
        exit(2);
    };
    let mut metrics = Metrics::default();
    speed(&folder, &mut metrics);
    completeness(&folder, &mut metrics);
    tls(&folder, &mut metrics);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench/pcap.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let json = serde_json::json!({ "metrics": metrics.0 });
    std::fs::write(&path, format!("{json:#}\n")).unwrap();
    println!("\nwritten: target/bench/pcap.json");
}

fn speed(folder: &Path, metrics: &mut Metrics) {
    let unary = folder.join("unary.pcap");
    let mixed = folder.join("mixed.pcap");
    let tls = folder.join("tls13.dsb.pcapng");
    println!(
        "{:<34} {:>12} {:>12}",
        "speed, one core", "measured", "goal"
    );
    let row = |metrics: &mut Metrics, name: &str, value: f64, goal: Option<f64>| {
        let goal = goal.map_or_else(String::new, |goal| format!(">= {goal}"));
        let digits = if value < 10.0 { 2 } else { 1 };
        println!("{name:<34} {value:>12.digits$} {goal:>12}");
        metrics.add(name, value);
    };
    // Interleaved, so that a slow moment of the machine falls on all alike.
    let runs = speed::interleaved(&unary, &mixed, &tls);
    row(metrics, "unary_mb_per_s", runs.unary.mb_per_s, Some(1000.0));
    row(
        metrics,
        "unary_calls_per_s",
        runs.unary.calls_per_s,
        Some(500_000.0),
    );
    row(metrics, "mixed_mb_per_s", runs.mixed.mb_per_s, Some(1200.0));
    row(
        metrics,
        "mixed_messages_per_s",
        runs.mixed.messages_per_s,
        Some(500_000.0),
    );
    row(metrics, "tls_mb_per_s", runs.tls.mb_per_s, Some(400.0));
    row(
        metrics,
        "ingest_mb_per_s",
        runs.ingest_mb_per_s,
        Some(250.0),
    );
    row(
        metrics,
        "two_core_speedup",
        runs.two_core_speedup,
        Some(1.8),
    );
    row(
        metrics,
        "two_process_speedup",
        runs.two_process_speedup,
        None,
    );
    println!("{:<34} {:>12.1} {:>12}", "rss_mib", runs.rss_mib, "<= 64.5");
    metrics.add("rss_mib", runs.rss_mib);
    for (name, rate) in [
        ("tcpdump_unary_mb_per_s", runs.tcpdump_mb_per_s),
        ("tshark_unary_mb_per_s", runs.tshark_mb_per_s),
    ] {
        match rate {
            Some(rate) => row(metrics, name, rate, None),
            None => println!("{name:<34} not installed: apt-get install tcpdump tshark"),
        }
    }
}

fn completeness(folder: &Path, metrics: &mut Metrics) {
    println!(
        "\n{:<20} {:>9} {:>8} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>10}",
        "capture",
        "perfect",
        "goal",
        "calls",
        "methods",
        "messages",
        "phantom",
        "duplicate",
        "unflagged",
        "wrong sure"
    );
    for (name, truth, goal) in CAPTURES {
        let truth = folder.join(truth);
        let lines = speed::lines(&folder.join(format!("{name}.pcap")), None);
        let Score {
            untouched,
            perfect,
            methods,
            messages,
            phantom,
            duplicate,
            unflagged,
            wrong_certain,
        } = score::score(&lines, &std::fs::read_to_string(truth).unwrap());
        let percent = |count: usize| 100.0 * count as f64 / untouched.max(1) as f64;
        let goal = goal.map_or_else(String::new, |goal| format!(">= {goal}"));
        println!(
            "{name:<20} {:>9.3} {goal:>8} {untouched:>8} {:>9.3} {:>9.3} {phantom:>7} \
             {duplicate:>9} {unflagged:>9} {wrong_certain:>10}",
            percent(perfect),
            percent(methods),
            percent(messages),
        );
        let key = name.replace('.', "_");
        metrics.add(&format!("perfect_pct_{key}"), percent(perfect));
        metrics.add(&format!("messages_pct_{key}"), percent(messages));
        metrics.add(&format!("wrong_certain_{key}"), wrong_certain as f64);
    }
}

fn tls(folder: &Path, metrics: &mut Metrics) {
    println!(
        "\n{:<20} {:>9} {:>8} {:>8} {:>12} {:>7} {:>10}",
        "with secrets", "perfect", "goal", "calls", "not on wire", "phantom", "wrong sure"
    );
    for name in TLS_CAPTURES {
        let truth = std::fs::read_to_string(folder.join(format!("{name}.truth.jsonl"))).unwrap();
        let keys = folder.join(format!("{name}.keys"));
        let lines = speed::lines(&folder.join(format!("{name}.pcap")), Some(&keys));
        let inside = speed::lines(&folder.join(format!("{name}.dsb.pcapng")), None);
        let sorted = |lines: &str| {
            let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert!(
            sorted(&lines) == sorted(&inside),
            "{name}: secrets inside give other calls"
        );
        let seen = client_saw::compare(&lines, &truth);
        let percent = 100.0 * seen.perfect as f64 / seen.calls.max(1) as f64;
        println!(
            "{name:<20} {percent:>9.3} {:>8} {:>8} {:>12} {:>7} {:>10}",
            ">= 100", seen.calls, seen.never_sent, seen.phantom, seen.wrong_certain
        );
        metrics.add(&format!("perfect_pct_{name}"), percent);
        metrics.add(&format!("wrong_certain_{name}"), seen.wrong_certain as f64);
    }
}
