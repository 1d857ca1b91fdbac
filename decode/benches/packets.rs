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

/// Counts what it takes.
#[derive(Default)]
struct Sink(u64);

impl ByteSink for Sink {
    fn start(&mut self, _: u64, _: Way, _: Start) {}
    fn bytes(&mut self, _: u64, _: Way, bytes: &[u8]) {
        self.0 += u64::try_from(black_box(bytes).len()).unwrap_or(0);
    }
    fn gap(&mut self, _: u64, _: Way, _: u64) {}
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
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut tracker = Tracker::new(Limits::default(), Total::default());
    let packets = each(capture, |packet| {
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
fn best(stage: fn(&[u8]) -> u64, capture: &[u8]) -> (Duration, u64) {
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
    let stages: [(&str, fn(&[u8]) -> u64); 3] =
        [("reader", read), ("+ link", dissect), ("+ tcp", track)];
    for (name, stage) in stages {
        let (elapsed, packets) = best(stage, &capture);
        let nanoseconds = elapsed.as_secs_f64() * 1e9;
        let per_packet = nanoseconds / f64::from(u32::try_from(packets.max(1)).unwrap_or(u32::MAX));
        let bytes = f64::from(u32::try_from(capture.len()).unwrap_or(u32::MAX));
        let mb_per_s = bytes / nanoseconds * 1e3;
        println!("{name:8} {packets:9} packets {per_packet:8.1} ns/packet {mb_per_s:9.0} MB/s");
    }
}
