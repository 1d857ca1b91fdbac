//! Input that is accepted, and made to cost as much as it can: at most [`AMPLIFICATION_MAX`] times as much as
//! what it counts as, and as ordinary input that counts as much costs.
//!
//! - Memory: what the process has grown by at its peak, in multiples of what the input counts as; a compressed
//!   capture as what is stored of it. [`MEMORY_FLOOR_BYTES`] are free: what any work costs, however little is sent.
//!   An ingest is a process of its own, whose memory counts from what it has for an empty capture.
//! - Processor: time until all of it is in Parquet, in multiples of what ordinary input that counts as much
//!   takes; [`CPU_FLOOR`] is free. A compressed capture counts as what it decompresses to.
//!
//! Bytes count as bytes. Headers of a capture count as their list's size (RFC 9113, 6.5.2), also the ordinary
//! ones: each is looked at, and held until its call is over.
//! Records of next to nothing count as as many ordinary ones: the collector works by the record, and a batch holds
//! at most 16 384.
//!
//! The input is large enough to tell its cost from the floors. What is refused (one kind here, most of the catalogue
//! in `collector/tests/serve/catalogue.rs`) costs less than what is taken.

mod batches;
mod captures;
mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use twintap_e2e::process::Process;
use twintap_e2e::{artifacts, figures, http1 as get, wait};
use twintap_record::{CONTENT_TYPE, PATH};

use crate::collector::{PATIENCE, Place};
use crate::full_or;
use crate::oracle::without_variables;

/// Promised, of memory and of processor time. A reduced run is too short, and its machine too busy, to measure a
/// few hundred milliseconds well.
const AMPLIFICATION_MAX: [f64; 2] = [10.0, 30.0];
const MEMORY_FLOOR_BYTES: u64 = 32 << 20;
const CPU_FLOOR: Duration = Duration::from_millis(300);
/// Sent of each kind of batch.
const BATCHES_BYTES: [u64; 2] = [8 << 20, 4 << 20];
/// In each capture.
const CAPTURE_BYTES: [usize; 2] = [4 << 20, 1 << 20];
/// The ordinary one is longer, since all others are measured by it.
const ORDINARY_TIMES: usize = 4;
/// In the compressed capture, once it is not: a thousand times what is stored.
const BOMB_BYTES: [usize; 2] = [32 << 20, 8 << 20];

/// What some input cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Bytes that were sent, or are in the file.
    sent: u64,
    /// Bytes of ordinary input that its processor time is compared with.
    counted: u64,
    /// Bytes that its memory is compared with.
    held: u64,
    /// Beyond what there was before.
    memory: u64,
    cpu: Duration,
}

/// Compares with ordinary input; shows and keeps the row; what is too much.
fn judge(name: &str, cost: Cost, usual: Cost) -> Option<String> {
    let memory = cost.memory.saturating_sub(MEMORY_FLOOR_BYTES) as f64 / cost.held as f64;
    let share = cost.counted as f64 / usual.counted as f64;
    let cpu = cost.cpu.saturating_sub(CPU_FLOOR).as_secs_f64() / (usual.cpu.as_secs_f64() * share);
    let shown = format!("{name}: {cost:?}: memory x{memory:.1}, processor x{cpu:.1}");
    eprintln!("{shown}");
    let row = json!({
        "input": name,
        "sent_kib": cost.sent >> 10,
        "counted_kib": cost.held >> 10,
        "grown_kib": cost.memory >> 10,
        "memory": memory,
        "cpu": cpu,
    });
    figures::keep("amplification", &format!("input: {name}"), row);
    let most = full_or(AMPLIFICATION_MAX[0], AMPLIFICATION_MAX[1]);
    (memory.max(cpu) > most).then_some(shown)
}

async fn post(address: SocketAddr, body: Vec<u8>) -> StatusCode {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    let driver = tokio::spawn(connection);
    let request = Request::post(PATH)
        .header("host", "harness")
        .header("content-type", CONTENT_TYPE)
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status();
    drop(response.into_body().collect().await);
    driver.abort();
    status
}

/// The records with this outcome, as `/metrics` says.
fn records(metrics: &str, outcome: &str) -> u64 {
    let name = format!("twintap_records_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().expect("a count"))
}

/// What it costs to send so many bytes of such batches, or as many batches, and to store them.
async fn of_batches(kind: batches::Kind, sent_bytes_min: u64, record_bytes: u64) -> Cost {
    let place = Place::alone(&["publish_interval=100ms"]);
    let (mut collector, _) = place.start().await;
    let (memory, cpu) = (collector.process.rss_peak_bytes(), collector.process.cpu());
    let mut cost = Cost::default();
    let mut index = 0;
    while cost.counted < sent_bytes_min {
        let body = (kind.body)(index);
        let len = body.len() as u64;
        let status = post(collector.address(), body).await;
        assert_eq!(status, kind.answer, "{kind:?}");
        cost.sent += len;
        cost.counted += len.max(kind.records * record_bytes);
        cost.held = cost.counted;
        index += 1;
    }
    wait::until_or(
        "all is published",
        PATIENCE,
        || collector.log(),
        async || {
            let (_, metrics) = get::get(collector.address(), "/metrics").await.ok()?;
            let metrics = String::from_utf8_lossy(&metrics).into_owned();
            let of = |outcome| records(&metrics, outcome);
            (of("published") + of("quarantined") == of("stored")).then_some(())
        },
    )
    .await;
    cost.memory = collector.process.rss_peak_bytes() - memory;
    cost.cpu = collector.process.cpu() - cpu;
    collector.drain().await;
    cost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_costs_at_most_ten_times_what_it_counts_as() {
    let sent = full_or(BATCHES_BYTES[0], BATCHES_BYTES[1]);
    let ordinary = batches::ORDINARY;
    let record_bytes = (ordinary.body)(0).len() as u64 / ordinary.records;
    let usual = of_batches(ordinary, sent, record_bytes).await;
    let mut wrong = vec![];
    wrong.extend(judge(ordinary.name, usual, usual));
    for kind in batches::HOSTILE {
        let cost = of_batches(*kind, sent, record_bytes).await;
        wrong.extend(judge(kind.name, cost, usual));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What it costs to ingest this file, which counts as so many bytes.
async fn of_capture(file: &[u8], counted: usize, has_calls: bool) -> Cost {
    let place = Place::alone(&[]);
    let path = place.file("capture.pcap");
    std::fs::write(&path, file).expect("room for it");
    let took = place.file("took.json");
    let mut command = place.command(&artifacts::python());
    without_variables(&mut command);
    command.arg(artifacts::script("measured.py")).arg(&took);
    command.arg(artifacts::twintap()).arg("ingest").arg(&path);
    command.arg("--data-dir").arg(place.data_dir());
    let mut process = Process::start("twintap ingest", &mut command, &place.file("ingest.log"));
    let status = process.ended(PATIENCE).await;
    assert!(status.success(), "{status}: {}", process.log());
    let calls = place.data_dir().join("calls");
    assert_eq!(calls.exists(), has_calls, "{}", process.log());
    let took = std::fs::read(took).expect("it has ended");
    let took: serde_json::Value = serde_json::from_slice(&took).expect("it is JSON");
    Cost {
        sent: file.len() as u64,
        counted: counted as u64,
        held: counted as u64,
        memory: took["peak_kib"].as_u64().expect("a number") << 10,
        cpu: Duration::from_secs_f64(took["cpu_s"].as_f64().expect("a number")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_costs_at_most_ten_times_what_it_counts_as() {
    let bytes = full_or(CAPTURE_BYTES[0], CAPTURE_BYTES[1]);
    let of = async |kind: captures::Kind, bytes| {
        let made = (kind.capture)(bytes);
        of_capture(&made.file, made.counts_as, kind.has_calls && bytes > 0).await
    };
    let empty = of(captures::ORDINARY, 0).await;
    let beyond = |cost: Cost| Cost {
        memory: cost.memory.saturating_sub(empty.memory),
        cpu: cost.cpu.saturating_sub(empty.cpu),
        ..cost
    };
    let usual = beyond(of(captures::ORDINARY, bytes * ORDINARY_TIMES).await);
    let mut wrong = vec![];
    wrong.extend(judge(captures::ORDINARY.name, usual, usual));
    for kind in captures::HOSTILE {
        let cost = beyond(of(*kind, bytes).await);
        wrong.extend(judge(&format!("capture: {}", kind.name), cost, usual));
    }
    // Of packets that are all alike.
    let file = (captures::PADDED.capture)(full_or(BOMB_BYTES[0], BOMB_BYTES[1])).file;
    let mut gzip = GzEncoder::new(vec![], Compression::best());
    gzip.write_all(&file).expect("in memory");
    let bomb = gzip.finish().expect("in memory");
    let cost = Cost {
        held: bomb.len() as u64,
        ..beyond(of_capture(&bomb, file.len(), false).await)
    };
    wrong.extend(judge("capture: a gzip bomb", cost, usual));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
