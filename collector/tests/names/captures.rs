//! The large captures with known truth: some of their connections whole, others cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::records::records;
use crate::run::{Run, run};

type Truth = BTreeMap<(u16, u32), String>;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TWINTAP_CAPTURES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TWINTAP_CAPTURES names no folder of captures");
    }
    folder
}

fn truth(folder: &Path, name: &str) -> Truth {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| line[key].as_u64().unwrap();
        let (port, stream) = (number("cport"), number("sid"));
        let call = (u16::try_from(port).unwrap(), u32::try_from(stream).unwrap());
        (call, line["method"].as_str().unwrap().to_owned())
    });
    lines.collect()
}

/// Prints the share of calls that got a name; no name may be wrong.
fn check(what: &str, run: &Run, truth: &Truth) {
    let mut shares: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut unseen, mut named) = (0, 0);
    for call in &run.calls {
        let Some(method) = truth.get(&(call.client_port, call.stream_id)) else {
            continue;
        };
        let is_known = ["seen", "inferred"].contains(&call.certainty.as_str());
        assert!(
            !is_known || call.method == *method,
            "{what}: {call:?} {method}"
        );
        if call.certainty != "seen" {
            let share = shares.entry(method).or_default();
            share.0 += 1;
            unseen += 1;
            share.1 += u32::from(is_known);
            named += u32::from(is_known);
        }
    }
    println!(
        "{what}: {named} of {unseen} names inferred, 0 wrong; of each method {shares:?}; {:?}",
        run.ingested.names
    );
}

/// The port of the client: Ethernet, IPv4 without options, TCP.
fn client_port(record: &[u8], clients: &BTreeSet<u16>) -> u16 {
    let port = |at: usize| u16::from_be_bytes([record[at], record[at + 1]]);
    let (source, destination) = (port(16 + 14 + 20), port(16 + 14 + 20 + 2));
    if clients.contains(&source) {
        source
    } else {
        destination
    }
}

/// The capture without the first `percent` of the packets of every `nth` connection.
fn cut(capture: &[u8], truth: &Truth, nth: usize, percent: usize) -> Vec<u8> {
    let clients: BTreeSet<u16> = truth.keys().map(|(port, _)| *port).collect();
    let chosen: BTreeSet<_> = clients.iter().copied().step_by(nth).collect();
    let places = records(capture);
    let all = || places.windows(2).map(|it| &capture[it[0]..it[1]]);
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for record in all() {
        *counts.entry(client_port(record, &clients)).or_default() += 1;
    }
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    let mut out = capture[..places[0]].to_vec();
    for record in all() {
        let port = client_port(record, &clients);
        let seen = seen.entry(port).or_default();
        *seen += 1;
        if !chosen.contains(&port) || *seen * 100 > counts[&port] * percent {
            out.extend_from_slice(record);
        }
    }
    out
}

#[test]
fn no_name_is_wrong_where_no_connection_is_whole() {
    let Some(folder) = folder() else { return };
    for name in ["unary", "mixed"] {
        let capture = std::fs::read(folder.join(format!("{name}.midconn.pcap"))).unwrap();
        let truth = truth(&folder, &format!("{name}.wire.jsonl"));
        check(
            &format!("{name}.midconn"),
            &run(&[&capture], None, 2),
            &truth,
        );
    }
}

#[test]
fn no_name_is_wrong_where_some_connections_are_whole() {
    let Some(folder) = folder() else { return };
    for name in ["unary", "mixed"] {
        let capture = std::fs::read(folder.join(format!("{name}.pcap"))).unwrap();
        let truth = truth(&folder, &format!("{name}.wire.jsonl"));
        for (nth, percent) in [(2, 35), (3, 10), (2, 60)] {
            let cut = cut(&capture, &truth, nth, percent);
            let what = format!("{name}, {percent} % of one connection in {nth} cut");
            check(&what, &run(&[&cut], None, 2), &truth);
        }
    }
}
