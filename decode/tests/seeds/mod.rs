//! The generated seeds of the fuzz targets: one small valid input for each thing that a layer
//! knows, to mutate from.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not marked as tests"
)]

mod batches;
mod connections;
mod files;
mod segments;
mod sessions;

use std::io::Write as _;

use crate::properties::grpc_body::kinds;
use crate::properties::hpack::fates;
use crate::properties::script::ScriptWriter;
use crate::support::frames::message;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |target, seeds: Vec<(&'static str, Vec<u8>)>| {
        all.extend(seeds.into_iter().map(|(name, seed)| (target, name, seed)));
    };
    add("capture_reader", files::captures());
    add("envelope", batches::batches());
    add("link", segments::packets());
    add("tcp", segments::segments());
    add("tls", sessions::sessions());
    add("http2", connections::conversations());
    add("hpack", blocks());
    add("grpc_body", bodies());
    add("whole_path", files::conversations());
    all
}

/// The examples of RFC 7541, appendix C, as their request and response sequences.
fn blocks() -> Vec<(&'static str, Vec<u8>)> {
    const PLAIN: [&str; 3] = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    const CODED: [&str; 3] = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    const EVICTING: [&str; 4] = [
        "3fe101",
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad17186\
         3c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b3\
         35dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];
    let script = |late: u8, fate: u8, blocks: &[&str]| {
        let writer = ScriptWriter(vec![late]);
        let write = |writer: ScriptWriter, (at, block): (usize, &&str)| {
            writer
                .bytes(&[if at == 1 { fate } else { 0 }])
                .payload(&hex(block))
        };
        blocks.iter().enumerate().fold(writer, write).0
    };
    vec![
        ("plain", script(0, 0, &PLAIN)),
        ("huffman", script(0, 0, &CODED)),
        ("evicting", script(0, 0, &EVICTING)),
        ("late", script(1, 0, &PLAIN)),
        (
            "lost",
            script(0, fates::LOST, &[PLAIN[0], PLAIN[1], PLAIN[2], PLAIN[1]]),
        ),
        (
            "cut",
            script(0, fates::CUT, &[CODED[0], CODED[2], CODED[1], CODED[2]]),
        ),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap();
    let bytes = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::try_from(digit(&pair[0]) * 16 + digit(&pair[1])).unwrap();
    bytes.map(byte).collect()
}

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let script = |steps: &[(u8, &[u8])]| {
        let write =
            |writer: ScriptWriter, step: &(u8, &[u8])| writer.bytes(&[step.0]).payload(step.1);
        steps.iter().fold(ScriptWriter::default(), write).0
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&[b'a'; 300]).unwrap();
    let gzip = message(1, &gzip.finish().unwrap());
    let zstd = message(1, &zstd::encode_all(&[b'a'; 300][..], 1).unwrap());
    let snappy = message(
        1,
        &snap::raw::Encoder::new()
            .compress_vec(&[b'a'; 300])
            .unwrap(),
    );
    let two = [message(0, b"one"), message(0, b"")].concat();
    vec![
        ("two", script(&[(kinds::BYTES, &two)])),
        (
            "split",
            script(&[(kinds::BYTES, &two[..4]), (kinds::BYTES, &two[4..])]),
        ),
        (
            "gap_inside",
            script(&[
                (kinds::BYTES, &two[..6]),
                (kinds::GAP, &[0; 2]),
                (kinds::BYTES, &two[8..]),
            ]),
        ),
        (
            "suspect",
            script(&[
                (kinds::BYTES, &two[..6]),
                (kinds::SUSPECT, b""),
                (kinds::BYTES, &two[6..]),
            ]),
        ),
        ("gzip", script(&[(kinds::BYTES, &gzip)])),
        ("zstd", script(&[(kinds::BYTES, &zstd)])),
        ("snappy", script(&[(kinds::BYTES, &snappy)])),
        (
            "huge_prefix",
            script(&[(kinds::BYTES, &[0, 0xff, 0xff, 0xff, 0xff, 1])]),
        ),
    ]
}
