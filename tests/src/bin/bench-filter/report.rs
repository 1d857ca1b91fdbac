//! The table next to the goals, and `target/bench/filter.json`.

use std::fs;

use serde_json::{Map, Value};
use twintap_e2e::artifacts;

use crate::measure::{Measurements, Samples};

/// One figure: its name in the JSON, its goal, its value with lowest and highest.
struct Figure {
    name: &'static str,
    goal: Option<f64>,
    spread: Spread,
}

#[derive(Clone, Copy)]
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

/// Prints samples and figures.
pub(crate) fn print(measurements: &Measurements) {
    println!(
        "\n{:<16} {:>9} {:>10} {:>9} {:>9} {:>9}",
        "variant", "us/req", "req/s", "recorded", "dropped", "VM MiB"
    );
    for (name, samples) in &measurements.samples {
        println!(
            "{name:<16} {:>9.1} {:>10.0} {:>9} {:>9} {:>9.1}",
            spread(samples.cpu_ns.clone()).median / 1e3,
            spread(samples.requests_per_s.clone()).median,
            samples.recorded,
            samples.dropped,
            mib(samples.vm_bytes),
        );
    }
    println!(
        "\n{:<28} {:>8} {:>17} {:>8}",
        "figure", "median", "lowest - highest", "goal"
    );
    for Figure { name, goal, spread } in figures(measurements) {
        let Spread { low, median, high } = spread;
        let range = format!("{low:.3} - {high:.3}");
        let goal = goal.map_or_else(String::new, |goal| match median <= goal {
            true => format!("<= {goal} met"),
            false => format!("<= {goal} MISSED"),
        });
        println!("{name:<28} {median:>8.3} {range:>17}   {goal}");
    }
}

/// Writes `target/bench/filter.json`.
pub(crate) fn write_json(measurements: &Measurements) -> anyhow::Result<()> {
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    let metrics: Map<String, Value> = figures(measurements)
        .into_iter()
        .map(|figure| (figure.name.to_owned(), round(figure.spread.median).into()))
        .collect();
    let directory = artifacts::target().join("bench");
    fs::create_dir_all(&directory)?;
    let path = directory.join("filter.json");
    fs::write(
        &path,
        serde_json::to_string_pretty(&serde_json::json!({"metrics": metrics}))?,
    )?;
    println!("\nwritten: {}", path.display());
    Ok(())
}

fn figures(measurements: &Measurements) -> Vec<Figure> {
    let ratio = |name, over: &str, base: &str, goal| {
        let spread = spread(ratios(
            measurements.samples.get(over)?,
            measurements.samples.get(base)?,
        ));
        Some(Figure { name, goal, spread })
    };
    let noop = ratio("", "noop_1kib", "none_1kib", None).map(|noop| noop.spread.median * 1.02);
    let full_64kib = measurements.samples.get("full_64kib");
    let vm_bytes = measurements
        .samples
        .values()
        .map(|samples| samples.vm_bytes)
        .max();
    let figures = [
        ratio("cpu_ratio_full_1kib", "full_1kib", "none_1kib", Some(1.35)),
        ratio(
            "cpu_ratio_full_over_noop_1kib",
            "full_1kib",
            "noop_1kib",
            Some(1.10),
        ),
        ratio(
            "cpu_ratio_full_64kib",
            "full_64kib",
            "none_64kib",
            Some(1.8),
        ),
        full_64kib.map(|samples| single("dropped_full_64kib", samples.dropped as f64, Some(0.0))),
        ratio("cpu_ratio_cut_64kib", "cut_64kib", "none_64kib", Some(1.15)),
        ratio(
            "cpu_ratio_unsampled_1kib",
            "unsampled_1kib",
            "none_1kib",
            noop,
        ),
        ratio("cpu_ratio_noop_1kib", "noop_1kib", "none_1kib", None),
        ratio("cpu_ratio_tap_1kib", "tap_1kib", "none_1kib", None),
        vm_bytes.map(|bytes| single("vm_memory_mib", mib(bytes), Some(16.0))),
        measurements
            .module_bytes
            .map(|bytes| single("module_kb", bytes as f64 / 1e3, Some(300.0))),
    ];
    figures.into_iter().flatten().collect()
}

fn single(name: &'static str, value: f64, goal: Option<f64>) -> Figure {
    Figure {
        name,
        goal,
        spread: Spread {
            low: value,
            median: value,
            high: value,
        },
    }
}

fn ratios(over: &Samples, base: &Samples) -> Vec<f64> {
    over.cpu_ns
        .iter()
        .zip(&base.cpu_ns)
        .map(|(over, base)| over / base)
        .collect()
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        0 => (at(middle.saturating_sub(1)) + at(middle)) / 2.0,
        _ => at(middle),
    };
    Spread {
        low: at(0),
        median,
        high: at(values.len().saturating_sub(1)),
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
