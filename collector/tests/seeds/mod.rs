//! The generated seeds of the fuzz targets: small valid inputs, to mutate from.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not marked as tests"
)]

mod files;
mod messages;
mod segments;
mod texts;

use crate::properties::script::ScriptWriter;

/// Name and bytes of each.
type Seeds = Vec<(&'static str, Vec<u8>)>;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |target, seeds: Seeds| {
        all.extend(seeds.into_iter().map(|(name, seed)| (target, name, seed)));
    };
    add("records", files::batches());
    add("journal", segments::segments());
    add("accounting", files::accountings());
    add("parquet", files::parts());
    add("messages", messages::messages());
    add("descriptor_set", messages::descriptor_sets());
    add("proto_file", texts::proto_files());
    add("rules", texts::rules());
    add("set_up", texts::set_ups());
    add("filter_config", texts::filter_configs());
    add("identity", identities());
    add("framing", bodies());
    all
}

fn identities() -> Seeds {
    let header = |which: u8, value: &str| [&[which], value.as_bytes()].concat();
    vec![
        ("pair_id", header(0, "0af7651916cd43dd8448eb211c80319c")),
        (
            "request_id",
            header(1, "f5a88b34-0a41-9bf4-8c3e-0123456789ab"),
        ),
        (
            "traceparent",
            header(2, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        (
            "b3",
            header(3, "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"),
        ),
        ("b3_short", header(3, "8448eb211c80319c-b7ad6b7169203331-1")),
        ("b3_trace_id", header(4, "8448eb211c80319c")),
    ]
}

fn bodies() -> Seeds {
    let body = b"\0\0\0\0\x03abc\x01\0\0\0\0\0\0\0\0\x02ab";
    let script = |pieces: &[&[u8]]| {
        let write = |writer: ScriptWriter, piece: &&[u8]| writer.payload(piece);
        pieces.iter().fold(ScriptWriter::default(), write).0
    };
    vec![
        ("whole", script(&[body])),
        (
            "split",
            script(&[&body[..2], &body[2..6], &body[6..15], &body[15..]]),
        ),
        ("cut", script(&[&body[..body.len() - 1]])),
        ("huge_prefix", script(&[&[0, 0xff, 0xff, 0xff, 0xff, 1]])),
    ]
}
