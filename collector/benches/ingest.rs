//! How many records a second one core takes from POST to durable ack to Parquet.
//!
//! `cargo bench -p twintap --bench ingest [-- <records in thousands>]`. Starts the real `twintap
//! serve` on a directory of the disk under `target/`, posts encoded batches over several
//! connections as fast as they are acknowledged, ends it, and divides the records by the CPU time
//! (user and system) that the process took until everything was in Parquet. Prints a table beside
//! the goals and writes `target/bench/ingest.json`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::string_slice,
    unreachable_pub,
    reason = "a benchmark prints, takes time, and stops at the first surprise"
)]

mod realistic;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use twintap::store::accounting::Accounting;

/// One Envoy with a few workers.
const CONNECTIONS: usize = 8;
/// What the filter sends at most.
const BATCH_BYTES: usize = 960 << 10;
/// Where a batch holds its producer id: after version, key and length.
const PRODUCER_ID_AT: usize = 4;
/// Distinct batches: enough that none comes twice in one Parquet file.
const POOL_BYTES: usize = 160 << 20;

struct Goal {
    metric: &'static str,
    unit: &'static str,
    value: f64,
    goal: Option<(&'static str, f64)>,
}

fn main() {
    let thousands = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let records = thousands.map_or(400, |text| text.parse().expect("a number")) * 1000;
    let small = run("1 KiB", 512, records);
    let large = run("16 KiB", 8192, records / 8);
    let goals = [
        Goal {
            metric: "records_per_s_1kib",
            unit: "records/s per core",
            value: small.records_per_cpu_s,
            goal: Some((">=", 150_000.0)),
        },
        Goal {
            metric: "mb_per_s_16kib",
            unit: "MB/s per core",
            value: large.mb_per_cpu_s,
            goal: None,
        },
        Goal {
            metric: "ack_p99_ms",
            unit: "ms",
            value: small.ack_p99_ms.max(large.ack_p99_ms),
            goal: Some(("<=", 100.0)),
        },
    ];
    println!("\n{:20} {:>12}  {:20} goal", "metric", "value", "unit");
    for Goal {
        metric,
        unit,
        value,
        goal,
    } in &goals
    {
        let goal = goal.map_or("-".to_owned(), |(sign, goal)| format!("{sign} {goal}"));
        println!("{metric:20} {value:12.1}  {unit:20} {goal}");
    }
    write_json(&goals);
}

fn write_json(goals: &[Goal]) {
    let metrics: serde_json::Map<String, serde_json::Value> = goals
        .iter()
        .map(|goal| (goal.metric.to_owned(), goal.value.into()))
        .collect();
    let folder = target().join("bench");
    fs::create_dir_all(&folder).unwrap();
    let json = serde_json::json!({ "metrics": metrics });
    fs::write(folder.join("ingest.json"), format!("{json:#}\n")).unwrap();
}

struct Measured {
    records_per_cpu_s: f64,
    mb_per_cpu_s: f64,
    ack_p99_ms: f64,
}

fn run(name: &str, body_bytes: usize, records: usize) -> Measured {
    let pool = pool(body_bytes);
    let per_batch = pool.len();
    let encoded: usize = pool.iter().map(|batch| batch.bytes.len()).sum();
    let in_pool: usize = pool.iter().map(|batch| batch.records).sum();
    let folder = target().join("tmp");
    fs::create_dir_all(&folder).unwrap();
    let data = tempfile::Builder::new()
        .prefix("bench-ingest-")
        .tempdir_in(folder)
        .unwrap();
    let mut collector = Collector::start(data.path());

    let batches = records.div_ceil(in_pool / per_batch);
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let mut acks: Vec<Duration> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| send(&collector.address, &pool, &next, batches)))
            .collect();
        senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap())
            .collect()
    });
    let acked_after = began.elapsed();
    let cpu = collector.end();
    let all_after = began.elapsed();

    let total = Accounting::load(data.path()).unwrap().total;
    assert_eq!(
        total.published, total.received,
        "not everything is in Parquet"
    );
    acks.sort_unstable();
    let p99 = acks[acks.len() * 99 / 100];
    let sent = total.received as f64;
    let megabytes = sent * (encoded as f64 / in_pool as f64) / 1e6;
    println!(
        "{name}: {sent} records of {} B, {:.2} us CPU each ({:.2} user, {:.2} system); \
         acknowledged in {:.1} s, in Parquet after {:.1} s; ack p50 {:.1} ms, p99 {:.1} ms",
        encoded / in_pool,
        cpu.total() * 1e6 / sent,
        cpu.user * 1e6 / sent,
        cpu.system * 1e6 / sent,
        acked_after.as_secs_f64(),
        all_after.as_secs_f64(),
        acks[acks.len() / 2].as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
    );
    Measured {
        records_per_cpu_s: sent / cpu.total(),
        mb_per_cpu_s: megabytes / cpu.total(),
        ack_p99_ms: p99.as_secs_f64() * 1e3,
    }
}

struct Batch {
    bytes: Bytes,
    records: usize,
}

fn pool(body_bytes: usize) -> Vec<Batch> {
    let record_bytes = realistic::batches(body_bytes, 64, 64)[0].len() / 64;
    let records = BATCH_BYTES / record_bytes;
    let count = POOL_BYTES / BATCH_BYTES;
    realistic::batches(body_bytes, records * count, records)
        .into_iter()
        .map(|bytes| Batch { bytes, records })
        .collect()
}

/// Posts batch after batch; each time through the pool is another producer.
fn send(address: &str, pool: &[Batch], next: &AtomicUsize, batches: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut acks = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= batches {
            return acks;
        }
        let mut body = pool[index % pool.len()].bytes.to_vec();
        let producer = (index / pool.len() + 1) as u128;
        body[PRODUCER_ID_AT..PRODUCER_ID_AT + 16].copy_from_slice(&producer.to_be_bytes());
        let head = format!(
            "POST /v1/records HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        // A full queue is answered with 503: as the filter does, try again.
        loop {
            let began = Instant::now();
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
            let answer = answer(&mut stream);
            if answer.starts_with("HTTP/1.1 200") {
                acks.push(began.elapsed());
                break;
            }
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(
                !answer.to_ascii_lowercase().contains("connection: close"),
                "{answer}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let mut read = 0;
    loop {
        read += stream.read(&mut bytes[read..]).unwrap();
        let text = String::from_utf8_lossy(&bytes[..read]);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text.into_owned();
            }
        }
        assert!(read > 0, "the collector closed the connection");
    }
}

struct Cpu {
    user: f64,
    system: f64,
}

impl Cpu {
    fn total(&self) -> f64 {
        self.user + self.system
    }
}

struct Collector {
    child: Child,
    address: String,
}

impl Collector {
    fn start(data_dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twintap"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args([
                "--set",
                "log_format=json",
                "--set",
                "log_level=warn,twintap::pipeline=info",
            ])
            .args([
                "--set",
                "drain_timeout=10m",
                "--set",
                "journal_bytes_max=16GiB",
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let entry: serde_json::Value = serde_json::from_str(&line).expect("a log line");
        let address = entry["fields"]["address"]
            .as_str()
            .expect("an address")
            .to_owned();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                println!("{line}");
            }
        });
        Self { child, address }
    }

    /// Ends it and says what it took. The kernel keeps the figures until it is waited for.
    fn end(&mut self) -> Cpu {
        let pid = self.child.id();
        kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::TERM).unwrap();
        loop {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            if fields[0] == "Z" {
                let ticks = rustix::param::clock_ticks_per_second() as f64;
                let seconds = |index: usize| fields[index].parse::<f64>().unwrap() / ticks;
                assert!(self.child.wait().unwrap().success());
                return Cpu {
                    user: seconds(11),
                    system: seconds(12),
                };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The build's target folder: on a disk, not in memory.
fn target() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_twintap"));
    program.parent().unwrap().parent().unwrap().to_owned()
}
