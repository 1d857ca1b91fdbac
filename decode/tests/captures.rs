//! Captures with known truth: every form of a capture gives the same streams, every damaged one
//! the right bytes or a gap.
//!
//! The captures are in the folder that `TWINTAP_CAPTURES` names; without it the tests say that
//! they are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use std::collections::BTreeMap;

use support::{Decoded, Stream, captures, decode_file};
use twintap_decode::stream::Start;

/// The ports of the captures' servers.
const SERVER_PORTS: [u16; 5] = [8080, 50051, 50052, 50053, 50443];

/// Streams by port of the client, in the order of the connections on that port.
fn by_client(decoded: &Decoded) -> BTreeMap<(u16, usize), (&Stream, &Stream)> {
    let mut generations = BTreeMap::<u16, usize>::new();
    let mut streams = BTreeMap::new();
    for (name, pair) in &decoded.connections {
        let (client, forward, reverse) = match name.initiator.port {
            port if SERVER_PORTS.contains(&port) => {
                (name.responder.port, &pair.reverse, &pair.forward)
            }
            port => (port, &pair.forward, &pair.reverse),
        };
        let generation = generations.entry(client).or_default();
        streams.insert((client, *generation), (forward, reverse));
        *generation += 1;
    }
    streams
}

fn assert_same(name: &str, decoded: &Decoded, clean: &Decoded) {
    let (actual, expected) = (by_client(decoded), by_client(clean));
    assert_eq!(
        actual.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{name}"
    );
    for (key, (forward, reverse)) in &actual {
        let (clean_forward, clean_reverse) = expected[key];
        for (stream, clean) in [(forward, clean_forward), (reverse, clean_reverse)] {
            assert_eq!(stream.gaps, clean.gaps, "{name} {key:?} {:?}", decoded.tcp);
            assert!(stream.runs == clean.runs, "{name} {key:?}: other bytes");
            assert_eq!(stream.start, clean.start, "{name} {key:?}");
        }
    }
}

/// Each run of `stream` is where it belongs in `clean`.
fn assert_right_or_gap(name: &str, stream: &Stream, clean: &[u8]) {
    let mut shift = None;
    if stream.start == Some(Start::Seen) {
        shift = Some(0);
    }
    for (at, run) in &stream.runs {
        let at = usize::try_from(*at).unwrap();
        let shift = *shift.get_or_insert_with(|| {
            let probe = &run[..run.len().min(64)];
            let found = clean
                .windows(probe.len())
                .position(|window| window == probe);
            found.unwrap_or_else(|| panic!("{name}: bytes that were never sent")) - at
        });
        assert!(
            clean.get(at + shift..at + shift + run.len()) == Some(run.as_slice()),
            "{name}: wrong bytes at {at}"
        );
    }
}

fn assert_all_right_or_gap(name: &str, decoded: &Decoded, clean: &Decoded) {
    let expected = by_client(clean);
    for (key, (forward, reverse)) in by_client(decoded) {
        let (clean_forward, clean_reverse) = expected[&key];
        assert_right_or_gap(name, forward, &clean_forward.whole());
        assert_right_or_gap(name, reverse, &clean_reverse.whole());
    }
}

#[test]
fn every_link_and_tunnel_gives_the_same_streams() {
    let Some(folder) = captures() else { return };
    let clean = decode_file(&folder, "small.pcap");
    assert_eq!(clean.connections.len(), 3);
    assert_eq!(clean.tcp.gaps.total(), 0);
    for name in [
        "bigendian.pcap",
        "erspan2.pcap",
        "ethpad.pcap",
        "geneve.pcap",
        "gre.pcap",
        "gretap_key.pcap",
        "ipfrag.pcap",
        "ipv6ext.pcap",
        "loop.pcap",
        "mirror_twice.pcap",
        "mpls.pcap",
        "ns.pcap",
        "null.pcap",
        "qinq.pcap",
        "raw.pcap",
        "seqwrap.pcap",
        "sll.pcap",
        "sll2.pcap",
        "small.pcapng",
        "tso_iplen0.pcap",
        "vlan.pcap",
        "vxlan.pcap",
    ] {
        let decoded = decode_file(&folder.join("hard"), name);
        assert_eq!(decoded.damages, [], "{name}");
        assert_eq!(decoded.link.broken.total(), 0, "{name}: {:?}", decoded.link);
        assert_same(name, &decoded, &clean);
    }
}

#[test]
fn a_reused_port_is_another_connection_with_the_same_streams() {
    let Some(folder) = captures() else { return };
    let clean = decode_file(&folder, "small.pcap");
    let reused = decode_file(&folder.join("hard"), "port_reuse.pcap");
    let (clean, reused) = (by_client(&clean), by_client(&reused));
    assert_eq!(reused.len(), 2 * clean.len());
    for ((client, _), (forward, reverse)) in reused {
        let (clean_forward, clean_reverse) = clean[&(client, 0)];
        assert_eq!(forward.whole(), clean_forward.whole());
        assert_eq!(reverse.whole(), clean_reverse.whole());
    }
}

#[test]
fn one_captured_direction_gives_its_streams() {
    let Some(folder) = captures() else { return };
    let clean = decode_file(&folder, "small.pcap");
    let half = decode_file(&folder.join("hard"), "client_only.pcap");
    let (clean, half) = (by_client(&clean), by_client(&half));
    assert_eq!(half.len(), clean.len());
    for (key, (forward, reverse)) in half {
        assert_eq!(forward.whole(), clean[&key].0.whole());
        assert_eq!(reverse.start, None);
    }
}

#[test]
fn a_snapshot_length_makes_gaps_of_exactly_what_it_cut() {
    let Some(folder) = captures() else { return };
    let clean = decode_file(&folder, "small.pcap");
    let cut = decode_file(&folder.join("hard"), "snap200.pcap");
    assert_all_right_or_gap("snap200", &cut, &clean);
    let (clean, cut) = (by_client(&clean), by_client(&cut));
    for (key, (forward, reverse)) in cut {
        assert_eq!(forward.len, clean[&key].0.len, "{key:?}");
        assert_eq!(reverse.len, clean[&key].1.len, "{key:?}");
    }
}

#[test]
fn reordered_captures_give_the_same_streams() {
    let Some(folder) = captures() else { return };
    for name in ["unary", "mixed"] {
        let clean = decode_file(&folder, &format!("{name}.pcap"));
        let reordered = decode_file(&folder, &format!("{name}.reorder.pcap"));
        assert_same(name, &reordered, &clean);
    }
}

#[test]
fn lossy_captures_give_the_right_bytes_or_a_gap() {
    let Some(folder) = captures() else { return };
    for (name, variants) in [
        ("unary", &["loss05", "burst05", "midconn"][..]),
        ("mixed", &["loss05", "burst05", "lossreorder", "midconn"]),
    ] {
        let clean = decode_file(&folder, &format!("{name}.pcap"));
        for variant in variants {
            let file = format!("{name}.{variant}.pcap");
            let lossy = decode_file(&folder, &file);
            assert_all_right_or_gap(&file, &lossy, &clean);
            println!("{file}: {:?}", lossy.tcp);
        }
    }
}

#[test]
fn every_capture_is_accounted_for() {
    let Some(folder) = captures() else { return };
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|kind| kind == "pcap" || kind == "pcapng")
            {
                // The helper asserts that packets and bytes add up.
                let decoded = decode_file(&folder, path.file_name().unwrap().to_str().unwrap());
                assert!(decoded.reader.packets > 0 || !decoded.damages.is_empty());
            }
        }
    }
}

#[test]
fn every_way_of_cutting_one_conversation_gives_the_same_streams() {
    let Some(folder) = captures() else { return };
    let folder = folder.join("hard");
    let clean = decode_file(&folder, "synth_mss.pcap");
    for name in ["synth_rand.pcap", "synth_mss.pcap"] {
        assert_same(name, &decode_file(&folder, name), &clean);
    }
    for name in ["synth_1byte.pcap", "synth_h2c_upgrade.pcap"] {
        let decoded = decode_file(&folder, name);
        assert_eq!(decoded.tcp.gaps.total(), 0, "{name}: {:?}", decoded.tcp);
        assert_eq!(
            decoded.tcp.discarded_bytes.total(),
            0,
            "{name}: {:?}",
            decoded.tcp
        );
    }
}
