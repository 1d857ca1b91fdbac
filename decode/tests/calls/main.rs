//! Captures with known truth, through all layers.
//!
//! `TWINTAP_CAPTURES=DIR cargo test -p twintap-decode --test calls -- --nocapture` also replays
//! the large captures of that folder and prints how each compares with what was on the wire.
//! `TWINTAP_NOTES=1` prints the first calls that differ.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, with the helpers that only they use"
)]

mod fields;
mod interop;
mod packets;
#[path = "../support/records.rs"]
mod records;
mod replay;
mod truth;

use std::path::{Path, PathBuf};

use records::records;
use replay::replay;
use truth::{Score, Truth, compare, read};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TWINTAP_CAPTURES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TWINTAP_CAPTURES names no folder of captures");
    }
    folder
}

fn score(folder: &Path, capture: &str, truths: &[Truth]) -> Score {
    let bytes = std::fs::read(folder.join(capture)).unwrap();
    let replay = replay(&bytes);
    assert!(replay.tally.adds_up(), "{capture}: {:?}", replay.tally);
    let score = compare(&replay.calls, truths);
    println!(
        "{capture:28} {:6.3} % perfect of {:5}, methods {:7.3} %, messages {:7.3} %, phantom {}, \
         duplicate {}, missing {}, wrong certain {}, wrong inferred {}, touched {} unflagged {}, flagged for nothing {}, \
         status known {}, impure {}, {:?}",
        score.perfect_pct(),
        score.untouched,
        score.methods_pct(),
        score.messages_pct(),
        score.phantom,
        score.duplicate,
        score.missing,
        score.wrong_certain,
        score.wrong_inferred,
        score.touched,
        score.touched_unflagged,
        score.untouched_flagged,
        score.status_known,
        score.impure,
        replay.tally,
    );
    if std::env::var_os("TWINTAP_NOTES").is_some() {
        for note in &score.notes {
            println!("    {note}");
        }
        for (protocol, counters) in &replay.connections {
            println!("    {protocol:?} {counters:?}");
        }
    }
    assert_eq!(score.wrong_certain, 0, "{capture}: {:#?}", score.notes);
    assert_eq!(score.duplicate, 0, "{capture}");
    assert_eq!(score.phantom, 0, "{capture}: {:#?}", score.notes);
    score
}

/// The capture that is here.
fn small() -> (Vec<u8>, Vec<Truth>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/captures");
    (
        std::fs::read(folder.join("mixed.pcap")).unwrap(),
        truths(&folder, "mixed.wire.jsonl"),
    )
}

fn assert_nothing_is_wrong(capture: &[u8], truths: &[Truth], what: &str) {
    let replay = replay(capture);
    assert!(replay.tally.adds_up(), "{what}: {:?}", replay.tally);
    let score = compare(&replay.calls, truths);
    let wrong = (score.wrong_certain, score.phantom, score.duplicate);
    assert_eq!(wrong, (0, 0, 0), "{what}: {:#?}", score.notes);
}

#[test]
fn the_capture_that_is_here_decodes_perfectly() {
    let (capture, truths) = small();
    let replay = replay(&capture);
    let score = compare(&replay.calls, &truths);
    assert_eq!(score.perfect, truths.len(), "{:#?}", score.notes);
    assert_eq!(
        (score.phantom, score.duplicate, score.wrong_certain),
        (0, 0, 0)
    );
    assert_eq!(replay.tally.damaged_calls, 0);
}

#[test]
fn a_capture_that_lacks_any_packet_has_no_wrong_value() {
    let (capture, truths) = small();
    let places = records(&capture);
    // A step that meets every kind of packet; all of them where there is time.
    let step = if std::env::var_os("TWINTAP_CAPTURES").is_some() {
        1
    } else {
        7
    };
    for index in (0..places.len() - 1).step_by(step) {
        let lossy = [&capture[..places[index]], &capture[places[index + 1]..]].concat();
        assert_nothing_is_wrong(&lossy, &truths, &format!("without packet {}", index + 1));
    }
}

#[test]
fn a_capture_that_begins_anywhere_has_no_wrong_value() {
    let (capture, truths) = small();
    let places = records(&capture);
    let step = if std::env::var_os("TWINTAP_CAPTURES").is_some() {
        1
    } else {
        11
    };
    for index in (1..places.len() - 1).step_by(step) {
        let late = [&capture[..places[0]], &capture[places[index]..]].concat();
        assert_nothing_is_wrong(&late, &truths, &format!("from packet {}", index + 1));
    }
}

#[test]
fn captures_that_lose_packets_at_random_have_no_wrong_value() {
    let Some(folder) = folder() else { return };
    for (capture, truth) in [
        ("unary.pcap", "unary.wire.jsonl"),
        ("mixed.pcap", "mixed.wire.jsonl"),
    ] {
        let (bytes, truths) = (
            std::fs::read(folder.join(capture)).unwrap(),
            truths(&folder, truth),
        );
        let places = records(&bytes);
        // One packet of so many is lost, with so many after it.
        for (seed, one_of, burst) in [(1_u64, 500, 1), (2, 100, 1), (3, 30, 1), (4, 2_000, 20)] {
            let (mut state, mut losing) = (seed, 0);
            let mut lossy = bytes[..places[0]].to_vec();
            for record in places.windows(2) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                if (state >> 33).is_multiple_of(one_of) {
                    losing = burst;
                }
                if losing == 0 {
                    lossy.extend_from_slice(&bytes[record[0]..record[1]]);
                }
                losing = losing.max(1) - 1;
            }
            assert_nothing_is_wrong(&lossy, &truths, &format!("{capture}, seed {seed}"));
        }
    }
}

fn truths(folder: &Path, name: &str) -> Vec<Truth> {
    read(&std::fs::read_to_string(folder.join(name)).unwrap())
}

#[test]
fn clean_and_reordered_captures_decode_perfectly() {
    let Some(folder) = folder() else { return };
    for (capture, truth) in [
        ("unary.pcap", "unary.wire.jsonl"),
        ("mixed.pcap", "mixed.wire.jsonl"),
        ("unary.reorder.pcap", "unary.reorder.truth.jsonl"),
        ("mixed.reorder.pcap", "mixed.reorder.truth.jsonl"),
    ] {
        let score = score(&folder, capture, &truths(&folder, truth));
        assert_eq!(
            score.perfect, score.untouched,
            "{capture}: {:#?}",
            score.notes
        );
    }
}

#[test]
fn untouched_calls_of_lossy_captures_survive() {
    let Some(folder) = folder() else { return };
    for (capture, truth, perfect_pct) in [
        ("unary.loss05.pcap", "unary.loss05.truth.jsonl", 99.9),
        ("unary.burst05.pcap", "unary.burst05.truth.jsonl", 99.9),
        ("mixed.loss05.pcap", "mixed.loss05.truth.jsonl", 99.8),
        ("mixed.burst05.pcap", "mixed.burst05.truth.jsonl", 99.8),
        ("mixed.lossreorder.pcap", "mixed.loss05.truth.jsonl", 99.8),
    ] {
        let score = score(&folder, capture, &truths(&folder, truth));
        assert_eq!(score.touched_unflagged, 0, "{capture}: {:#?}", score.notes);
        assert!(
            score.untouched_flagged * 10 <= score.untouched,
            "{capture}: {} calls are flagged for nothing",
            score.untouched_flagged
        );
        assert!(
            score.perfect_pct() >= perfect_pct,
            "{capture}: {:#?}",
            score.notes
        );
    }
}

#[test]
fn captures_that_begin_midway_have_all_messages() {
    let Some(folder) = folder() else { return };
    for (capture, truth) in [
        ("unary.midconn.pcap", "unary.midconn.truth.jsonl"),
        ("mixed.midconn.pcap", "mixed.midconn.truth.jsonl"),
    ] {
        let score = score(&folder, capture, &truths(&folder, truth));
        assert_eq!(score.wrong_inferred, 0, "{capture}: {:#?}", score.notes);
        assert_eq!(
            score.messages_right, score.untouched,
            "{capture}: {:#?}",
            score.notes
        );
        assert!(
            score.impure * 1000 <= score.untouched,
            "{capture}: {} impure",
            score.impure
        );
    }
}

#[test]
fn rare_features_decode_in_every_segmentation() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("hard");
    let text = std::fs::read_to_string(folder.join("synth.truth.json")).unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let lines: Vec<_> = list.iter().map(ToString::to_string).collect();
    let truths = read(&lines.join("\n"));
    for form in ["mss", "rand", "h2c_upgrade"] {
        let score = score(&folder, &format!("synth_{form}.pcap"), &truths);
        assert_eq!(score.perfect, 32, "{form}: {:#?}", score.notes);
    }
    // This one ends within the response of its fourth call.
    let score = score(&folder, "synth_1byte.pcap", &truths[..4]);
    assert_eq!(
        (score.perfect, score.messages_right),
        (3, 4),
        "{:#?}",
        score.notes
    );
}

#[test]
fn cut_repeated_and_one_sided_captures_give_what_they_have() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("hard");
    let truths = truths(&folder, "small.wire.jsonl");
    for form in ["snap200", "client_only", "port_reuse"] {
        let bytes = std::fs::read(folder.join(format!("{form}.pcap"))).unwrap();
        let replay = replay(&bytes);
        let score = compare(&replay.calls, &truths);
        println!("{form} {score:#?} {:?}", replay.tally);
        assert_eq!(
            (score.wrong_certain, score.phantom, score.missing),
            (0, 0, 0),
            "{form}"
        );
        let is_reused = form == "port_reuse";
        assert_eq!(
            score.duplicate,
            if is_reused { truths.len() } else { 0 },
            "{form}"
        );
        assert_eq!(score.perfect == truths.len(), is_reused, "{form}");
    }
}

#[test]
fn every_link_and_tunnel_decodes_alike() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("hard");
    let truths = truths(&folder, "small.wire.jsonl");
    for form in [
        "small",
        "bigendian",
        "erspan2",
        "ethpad",
        "geneve",
        "gre",
        "gretap_key",
        "ipfrag",
        "ipv6ext",
        "loop",
        "mirror_twice",
        "mpls",
        "ns",
        "null",
        "qinq",
        "raw",
        "seqwrap",
        "sll",
        "sll2",
        "tso_iplen0",
        "vlan",
        "vxlan",
    ] {
        let score = score(&folder, &format!("{form}.pcap"), &truths);
        assert_eq!(score.perfect, score.untouched, "{form}: {:#?}", score.notes);
    }
}
