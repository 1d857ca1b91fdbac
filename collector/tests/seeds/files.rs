//! Files and batches that programs write.

use twintap::store::accounting::{Accounting, CapturedFile, Figures, PacketFigures, VERSION};

use super::Seeds;
use crate::properties::folder;
use crate::properties::parquet::{call, written};

/// The golden corpus of the contract.
macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../record/tests/corpus/", $name, ".bin")).to_vec()
    };
}

pub(super) fn batches() -> Seeds {
    vec![
        ("heartbeat", golden!("v1-heartbeat-with-every-reason")),
        ("cut_and_redacted", golden!("v1-stream-cut-and-redacted")),
        ("trailers_only", golden!("v1-trailers-only-and-aborted")),
        ("unary", golden!("v1-unary-upstream")),
    ]
}

pub(super) fn accountings() -> Seeds {
    let figures = Figures {
        observed: 9,
        recorded: 8,
        undelivered: 1,
        received: 7,
        stored: 7,
        published: 7,
        dropped: [("buffer_full".to_owned(), 1)].into(),
        ..Figures::default()
    };
    let capture = Accounting::of_capture(&[7; 16], figures, 2, 1_785_578_400_000_000_000);
    let live = Accounting {
        packets: Some(PacketFigures::default()),
        is_open: true,
        ..capture.clone()
    };
    let ingest = Accounting {
        files: vec![CapturedFile {
            path: "a.pcap".to_owned(),
            fingerprint: "x".to_owned(),
        }],
        moved_aside: 1,
        moved_files: vec!["part.parquet".to_owned()],
        is_partial: true,
        ..capture.clone()
    };
    let empty = Accounting {
        version: VERSION,
        ..Accounting::default()
    };
    let most = Figures {
        undelivered: u64::MAX,
        published: u64::MAX,
        pending: u64::MAX,
        ..Figures::default()
    };
    let largest = Accounting {
        is_open: true,
        moved_aside: u64::MAX,
        ..Accounting::of_capture(&[7; 16], most, u64::MAX, u64::MAX)
    };
    let json = |accounting: &Accounting| serde_json::to_vec(accounting).unwrap();
    vec![
        ("capture", json(&capture)),
        ("live", json(&live)),
        ("ingest", json(&ingest)),
        ("largest", json(&largest)),
        ("empty", json(&empty)),
    ]
}

pub(super) fn parts() -> Seeds {
    let folder = folder::temporary();
    let path = written(vec![call()], folder.path()).unwrap().remove(0);
    vec![("one_call", std::fs::read(path).unwrap())]
}
