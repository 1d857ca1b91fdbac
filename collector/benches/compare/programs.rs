//! The programs that are measured, and what they read.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use twintap::store::parquet::{WriteSettings, write_part};
use uuid::Uuid;

use super::calls::{Change, Orders, differs};

/// Pairs of one Parquet file.
const PAIRS_PER_PART: u64 = 32_768;

/// What one run took, and found.
pub struct Run {
    pub cpu_s: f64,
    pub elapsed_s: f64,
    pub rss_mib: f64,
    pub mismatched: u64,
}

pub fn write_dataset(orders: &Orders, data: &Path, pairs: u64, change: Change) {
    std::fs::create_dir_all(data).unwrap();
    let mut first = 0;
    while first < pairs {
        let last = (first + PAIRS_PER_PART).min(pairs);
        let mut calls = Vec::new();
        for number in first..last {
            let (primary, candidate) = orders.pair(number, change);
            calls.extend([primary, candidate]);
        }
        write_part(&calls, data, Uuid::now_v7(), &WriteSettings::default()).unwrap();
        first = last;
    }
}

/// The logs of the old and the new service.
pub fn write_logs(folder: &Path, pairs: u64) -> [PathBuf; 2] {
    [false, true].map(|is_new| {
        let path = folder.join(if is_new { "new.jsonl" } else { "old.jsonl" });
        let mut log = BufWriter::new(std::fs::File::create(&path).unwrap());
        for number in 0..pairs {
            let differs = is_new && differs(number, Change::SomePairs);
            writeln!(log, "{}", Orders::log_line(number, differs)).unwrap();
        }
        log.flush().unwrap();
        path
    })
}

/// `twintap compare` on the dataset.
pub fn compare(orders: &Orders, data: &Path) -> Run {
    let descriptors = data.join("orders.binpb");
    std::fs::write(&descriptors, &orders.descriptors).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command
        .arg("compare")
        .arg(data)
        .arg("--descriptors")
        .arg(&descriptors);
    command.args([
        "--no-write",
        "--fail-over",
        "1",
        "--incomplete-over",
        "1",
        "--output",
        "json",
    ]);
    let (run, out) = measured(&mut command);
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let methods = report["methods"].as_array().unwrap();
    Run {
        mismatched: methods
            .iter()
            .map(|method| method["mismatched"].as_u64().unwrap())
            .sum(),
        ..run
    }
}

/// The script on the logs.
pub fn script(logs: &[PathBuf; 2]) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/script.py");
    let mut command = Command::new("python3");
    command.arg(script).args(logs);
    let (run, out) = measured(&mut command);
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    Run {
        mismatched: report["mismatched"].as_u64().unwrap(),
        ..run
    }
}

/// Runs `command`; the kernel counts its CPU time and its peak of memory.
fn measured(command: &mut Command) -> (Run, Vec<u8>) {
    let (before, began) = (children(), Instant::now());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut out = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut out).unwrap();
        out
    });
    // The peak stays readable until the process is gone.
    let status = format!("/proc/{}/status", child.id());
    let mut rss_mib = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        rss_mib = rss_mib.max(peak_mib(&status));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let run = Run {
        cpu_s: children() - before,
        elapsed_s: began.elapsed().as_secs_f64(),
        rss_mib,
        mismatched: 0,
    };
    (run, reader.join().unwrap())
}

/// CPU seconds of all children that were waited for.
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / ticks
}

fn peak_mib(status: &str) -> f64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
