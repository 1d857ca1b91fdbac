//! What a call costs from packets to the finished exchange, on one core.
//!
//! `TWINTAP_CAPTURE=FILE cargo bench -p twintap-decode --bench calls` prints the best of several
//! runs over a capture in memory; that of a TLS capture is decrypted if it has its secrets inside
//! (pcapng). Without a capture there is nothing to measure, and it says so. `TWINTAP_RUNS` sets how
//! many; 1 is for counting instructions:
//! `TWINTAP_RUNS=1 valgrind --tool=callgrind target/release/deps/calls-*`.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use twintap_decode::capture::{Reader, Step};
use twintap_decode::exchange::{CallSink, ConnectionName, Exchange, Limits};
use twintap_decode::http2::Connection as Http2;
use twintap_decode::link::{Dissection, Dissector, LinkConfig};
use twintap_decode::tcp::{Connection, Connections, Limits as TcpLimits, Tracker};
use twintap_decode::tls::{self, Keys};

const RUNS_DEFAULT: usize = 15;

/// Counts calls and their messages, and drops them.
#[derive(Clone, Copy, Default)]
struct Totals {
    calls: u32,
    messages: u32,
}

impl CallSink for Totals {
    fn call(&mut self, call: Box<Exchange>) {
        let call = black_box(call);
        self.calls += 1;
        let count = call.request.body.messages().len() + call.response.body.messages().len();
        self.messages += u32::try_from(count).unwrap_or(0);
    }
}

#[derive(Default)]
struct Opener {
    totals: Arc<Mutex<Totals>>,
    keys: Keys,
}

impl Connections for Opener {
    type Sink = tls::Connection<Http2<Arc<Mutex<Totals>>>>;

    fn open(&mut self, connection: &Connection) -> Option<Self::Sink> {
        let name = ConnectionName {
            id: connection.number,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        let http2 = Http2::new(name, Limits::default(), Arc::clone(&self.totals));
        Some(tls::Connection::new(Keys::clone(&self.keys), http2))
    }

    fn close(&mut self, _: &Connection, mut sink: Self::Sink) {
        sink.finish();
        sink.inner_mut().finish();
    }
}

fn decode(mut input: &[u8]) -> Totals {
    let mut reader = Reader::new();
    let mut dissector = Dissector::new(LinkConfig::default());
    let opener = Opener::default();
    let keys = Keys::clone(&opener.keys);
    let mut tracker = Tracker::new(TcpLimits::default(), opener);
    loop {
        match reader.next(&mut input, true) {
            Step::Packet(packet) => {
                if let Dissection::Segment(segment) = dissector.packet(&packet) {
                    tracker.segment(&segment);
                }
            }
            Step::Secrets(secrets) => drop(keys.lock().map(|mut keys| keys.add(secrets.bytes))),
            Step::End => break,
            _ => {}
        }
    }
    let (opener, _) = tracker.finish();
    let mut totals = opener.totals.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *totals)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn best(capture: &[u8], runs: usize) -> (Duration, Totals) {
    let run = |_| {
        let begin = std::time::Instant::now();
        let totals = decode(black_box(capture));
        (begin.elapsed(), totals)
    };
    (0..runs)
        .map(run)
        .min_by_key(|(elapsed, _)| *elapsed)
        .unwrap_or_default()
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
    let runs = std::env::var("TWINTAP_RUNS").ok();
    let runs = runs.and_then(|runs| runs.parse().ok());
    let (elapsed, totals) = best(&capture, runs.unwrap_or(RUNS_DEFAULT));
    let seconds = elapsed.as_secs_f64();
    let bytes = f64::from(u32::try_from(capture.len()).unwrap_or(u32::MAX));
    println!(
        "{:.0} MB/s, {:.0} calls/s, {:.0} messages/s, {:.0} ns/call",
        bytes / seconds / 1e6,
        f64::from(totals.calls) / seconds,
        f64::from(totals.messages) / seconds,
        seconds * 1e9 / f64::from(totals.calls.max(1)),
    );
}
