//! The calls of a capture in clear text, sent again between TLS peers: they are the same calls, and
//! whatever is lost, no value is wrong.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::crypto::ring::cipher_suite as suites;
use twintap_decode::capture::{Reader, Step as Record};
use twintap_decode::exchange::{ConnectionName, Exchange, Limits};
use twintap_decode::http2::Connection as Http2;
use twintap_decode::link::{Dissection, Dissector, LinkConfig};
use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tcp::{Connection, Connections, Limits as TcpLimits, Tracker};
use twintap_decode::tls::{self, Keys};

use super::peers::{Act, Options, Seen, connect};
use super::truth::{Truth, compare, read};

/// Bytes of a segment, as Ethernet has them.
const SEGMENT_BYTES: usize = 1448;

/// What both ways of a connection said, in order.
#[derive(Default)]
struct Talk(Vec<(Way, Vec<u8>)>);

impl ByteSink for Talk {
    fn start(&mut self, _: u64, _: Way, start: Start) {
        assert_eq!(start, Start::Seen);
    }

    fn bytes(&mut self, _: u64, way: Way, bytes: &[u8]) {
        match self.0.last_mut() {
            Some((its, last)) if *its == way => last.extend(bytes),
            _ => self.0.push((way, bytes.to_vec())),
        }
    }

    fn gap(&mut self, _: u64, _: Way, _: u64) {
        panic!("the capture has no gaps");
    }

    fn gap_up_to(&mut self, _: u64, _: Way, _: u64) {
        panic!("the capture has no gaps");
    }

    fn time(&mut self, _: u64) {}

    fn end(&mut self, _: u64, _: Way, _: Ending) {}
}

#[derive(Default)]
struct Talks(Vec<(ConnectionName, Talk)>);

impl Connections for Talks {
    type Sink = Talk;

    fn open(&mut self, _: &Connection) -> Option<Talk> {
        Some(Talk::default())
    }

    fn close(&mut self, connection: &Connection, talk: Talk) {
        let name = ConnectionName {
            id: connection.number,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        self.0.push((name, talk));
    }
}

fn talks(mut capture: &[u8]) -> Vec<(ConnectionName, Talk)> {
    let mut tracker = Tracker::new(TcpLimits::default(), Talks::default());
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut reader = Reader::new();
    while let Record::Packet(packet) = reader.next(&mut capture, true) {
        if let Dissection::Segment(segment) = dissector.packet(&packet) {
            tracker.segment(&segment);
        }
    }
    tracker.finish().0.0
}

/// The connections of the capture that is here, encrypted, and their calls.
fn encrypted(options: Options) -> (Vec<(ConnectionName, Seen)>, Vec<Truth>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/captures");
    let capture = std::fs::read(folder.join("mixed.pcap")).unwrap();
    let truths = read(&std::fs::read_to_string(folder.join("mixed.wire.jsonl")).unwrap());
    let encrypt = |(name, talk): (ConnectionName, Talk)| {
        let acts = talk.0.into_iter().map(|(way, bytes)| Act::Send(way, bytes));
        let acts: Vec<_> = acts.collect();
        (name, connect(options, &acts))
    };
    (talks(&capture).into_iter().map(encrypt).collect(), truths)
}

/// The calls of these connections without the segments that `is_lost` names by their number.
fn decrypt(
    connections: &[(ConnectionName, Seen)],
    is_lost: impl Fn(usize) -> bool,
) -> VecDeque<Box<Exchange>> {
    let calls = Arc::<Mutex<VecDeque<_>>>::default();
    let mut number = 0;
    for (name, seen) in connections {
        let keys = Keys::default();
        keys.lock().unwrap().add(&seen.key_log);
        let http2 = Http2::new(*name, Limits::default(), Arc::clone(&calls));
        let mut connection = tls::Connection::new(keys, http2);
        for way in [Way::Forward, Way::Reverse] {
            connection.start(0, way, Start::Seen);
        }
        for (way, bytes) in &seen.sent {
            for segment in bytes.chunks(SEGMENT_BYTES) {
                number += 1;
                let at = number as u64 * 1_000;
                match is_lost(number) {
                    true => connection.gap(at, *way, segment.len() as u64),
                    false => connection.bytes(at, *way, segment),
                }
            }
        }
        for way in [Way::Forward, Way::Reverse] {
            connection.end(number as u64 * 1_000, way, Ending::Fin);
        }
        connection.finish();
        let mut http2 = connection.into_inner();
        http2.finish();
        assert!(http2.tally().adds_up());
    }
    std::mem::take(&mut *calls.lock().unwrap())
}

#[test]
fn calls_within_tls_are_those_in_clear_text() {
    for options in [Options::tls12(), Options::tls13()] {
        let (connections, truths) = encrypted(options);
        let score = compare(&decrypt(&connections, |_| false), &truths);
        assert_eq!(score.perfect, truths.len(), "{:#?}", score.notes);
        let wrong = (score.wrong_certain, score.phantom, score.duplicate);
        assert_eq!(wrong, (0, 0, 0));
    }
}

#[test]
fn without_any_segment_no_value_is_wrong() {
    let small = Some(300);
    let chacha = Some(suites::TLS13_CHACHA20_POLY1305_SHA256);
    for options in [
        Options::tls12(),
        Options::tls13(),
        Options {
            suite: chacha,
            record_bytes_max: small,
            ..Options::tls13()
        },
    ] {
        let (connections, truths) = encrypted(options);
        let sent = connections.iter().flat_map(|(_, seen)| &seen.sent);
        let segments = sent.map(|(_, bytes)| bytes.len().div_ceil(SEGMENT_BYTES));
        let count: usize = segments.sum();
        for lost in (1..=count).step_by(4) {
            // One, some in a row, or some here and there.
            let is_lost = |number: usize| match lost % 3 {
                0 => number == lost,
                1 => (lost..lost + 5).contains(&number),
                _ => number >= lost && (number - lost).is_multiple_of(17),
            };
            let score = compare(&decrypt(&connections, is_lost), &truths);
            let wrong = (score.wrong_certain, score.phantom, score.duplicate);
            assert_eq!(wrong, (0, 0, 0), "without {lost}: {:#?}", score.notes);
        }
    }
}
