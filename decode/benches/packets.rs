//! What a packet costs in the lower half: reader, links, TCP, each with the ones before it.
//!
//! `TWINTAP_CAPTURE=FILE cargo bench -p twintap-decode --bench packets` prints the best of several
//! runs over a capture in memory. Without a capture there is nothing to measure, and it says so.

use std::hint::black_box;
use std::time::Duration;

use twintap_decode::capture::{Packet, Reader, Step};
use twintap_decode::link::{Dissection, Dissector, LinkConfig};
use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tcp::{Connection, Connections, Limits, Tracker};

const RUNS: usize = 15;

/// Reads a capture so far; returns how many packets it has.
type Stage = fn(&[u8]) -> u64;

/// Counts what it takes.
#[derive(Default)]
struct Sink(u64);

impl ByteSink for Sink {
    fn start(&mut self, _: u64, _: Way, _: Start) {}
    fn bytes(&mut self, _: u64, _: Way, bytes: &[u8]) {
        self.0 += u64::try_from(black_box(bytes).len()).unwrap_or(0);
    }
    fn gap(&mut self, _: u64, _: Way, _: u64) {}
    fn time(&mut self, _: u64) {}
    fn end(&mut self, _: u64, _: Way, _: Ending) {}
}

#[derive(Default)]
struct Total(u64);

impl Connections for Total {
    type Sink = Sink;
    fn open(&mut self, _: &Connection) -> Option<Sink> {
        Some(Sink::default())
    }
    fn close(&mut self, _: &Connection, sink: Sink) {
        self.0 += sink.0;
    }
}

/// Bytes of a window, as a collector reads a file.
const WINDOW_LEN: usize = 256 << 10;

/// Reads a capture through a window into which it is copied, as from a file; returns how many
/// packets it has.
fn each_through_a_window(capture: &[u8], mut take: impl FnMut(&Packet<'_>)) -> u64 {
    let mut reader = Reader::new();
    let mut window = Vec::with_capacity(WINDOW_LEN);
    let mut rest = capture;
    loop {
        let mut input = window.as_slice();
        loop {
            match reader.next(&mut input, rest.is_empty()) {
                Step::Packet(packet) => take(&packet),
                Step::More(_) => break,
                Step::End => return reader.counters().packets,
                _ => {}
            }
        }
        let passed = window.len() - input.len();
        window.drain(..passed);
        let (head, tail) = rest.split_at(rest.len().min(WINDOW_LEN - window.len()));
        window.extend_from_slice(head);
        rest = tail;
    }
}

/// Reads a capture in memory; returns how many packets it has.
fn each(mut input: &[u8], mut take: impl FnMut(&Packet<'_>)) -> u64 {
    let mut reader = Reader::new();
    loop {
        match reader.next(&mut input, true) {
            Step::Packet(packet) => take(&packet),
            Step::End => return reader.counters().packets,
            _ => {}
        }
    }
}

fn read(capture: &[u8]) -> u64 {
    each(capture, |packet| {
        black_box(packet);
    })
}

fn dissect(capture: &[u8]) -> u64 {
    let mut dissector = Dissector::new(LinkConfig::default());
    each(capture, |packet| {
        black_box(dissector.packet(packet));
    })
}

fn track(capture: &[u8]) -> u64 {
    track_with(|take| each(capture, take))
}

fn track_through_a_window(capture: &[u8]) -> u64 {
    track_with(|take| each_through_a_window(capture, take))
}

fn track_with(each: impl FnOnce(&mut dyn FnMut(&Packet<'_>)) -> u64) -> u64 {
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut tracker = Tracker::new(Limits::default(), Total::default());
    let packets = each(&mut |packet| {
        if let Dissection::Segment(segment) = dissector.packet(packet) {
            tracker.segment(&segment);
        }
    });
    let (total, counters) = tracker.finish();
    assert!(counters.adds_up(), "{counters:?}");
    assert_eq!(total.0, counters.delivered_bytes);
    packets
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn best(stage: Stage, capture: &[u8]) -> (Duration, u64) {
    let run = |_| {
        let begin = std::time::Instant::now();
        let packets = stage(black_box(capture));
        (begin.elapsed(), packets)
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() {
    let Some(path) = std::env::var_os("TWINTAP_CAPTURE") else {
        println!("skipped: TWINTAP_CAPTURE names no capture file");
        return;
    };
    let capture = match std::fs::read(&path) {
        Ok(capture) => capture,
        Err(error) => {
            println!("failed to read {}: {error}", path.display());
            return;
        }
    };
    let stages: [(&str, Stage); 4] = [
        ("reader", read),
        ("+ link", dissect),
        ("+ tcp", track),
        ("in windows", track_through_a_window),
    ];
    for (name, stage) in stages {
        let (elapsed, packets) = best(stage, &capture);
        let nanoseconds = elapsed.as_secs_f64() * 1e9;
        let per_packet = nanoseconds / f64::from(u32::try_from(packets.max(1)).unwrap_or(u32::MAX));
        let bytes = f64::from(u32::try_from(capture.len()).unwrap_or(u32::MAX));
        let mb_per_s = bytes / nanoseconds * 1e3;
        println!("{name:10} {packets:9} packets {per_packet:8.1} ns/packet {mb_per_s:9.0} MB/s");
    }
}
