//! Header blocks from the first or from midway: what is seen, unknown, and never wrong.

use super::*;
use crate::hpack::EntryId;

/// Fields as `name: value`, unknown ones as the entry they refer to.
fn text(block: &HeaderBlock) -> Vec<String> {
    let part = |text: Option<&[u8]>| {
        text.map_or("?".to_owned(), |text| {
            String::from_utf8_lossy(text).into_owned()
        })
    };
    let field = |field| format!("{}: {}", part(block.name(field)), part(block.value(field)));
    block.fields().iter().map(field).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> HeaderBlock {
    decoder.decode(block, 0, Expected::Any)
}

#[test]
fn requests_of_rfc_7541_appendix_c4_decode() {
    let mut decoder = Decoder::new(false);
    let first = decode(
        &mut decoder,
        b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
    );
    let common = [
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ];
    assert_eq!(text(&first), common);
    let second = decode(
        &mut decoder,
        b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
    );
    assert_eq!(text(&second)[3..], [common[3], "cache-control: no-cache"]);
    assert!(!second.is_incomplete());
}

#[test]
fn a_run_of_indices_means_what_the_table_says_now() {
    let mut decoder = Decoder::new(false);
    let run = [0x82, 0x86, 0xbe];
    for (insertion, entry) in [(b"\x40\x01a\x01b", "a: b"), (b"\x40\x01c\x01d", "c: d")] {
        decode(&mut decoder, insertion);
        for _ in 0..3 {
            // Alone, and with more behind it.
            let block = decode(&mut decoder, &run);
            assert_eq!(text(&block), [":method: GET", ":scheme: http", entry]);
            let longer = decode(&mut decoder, &[&run[..], b"\x00\x01x\x01y"].concat());
            assert_eq!(text(&longer)[..3], text(&block));
            assert_eq!(text(&longer)[3..], ["x: y"]);
        }
    }
    // The table is emptied.
    decode(&mut decoder, &[0x20]);
    assert_eq!(
        decode(&mut decoder, &run).defect(),
        Some(&Defect::Malformed(HpackError::IndexBeyondTable(62)))
    );
}

#[test]
fn an_entry_from_before_the_capture_has_one_id_for_ever() {
    let mut decoder = Decoder::new(true);
    let id = |block: &HeaderBlock| match block.fields()[0].name {
        Name::Unknown(id) => id,
        other => panic!("{other:?}"),
    };
    let first = decode(&mut decoder, &[0xbf]);
    // An insertion makes it deeper by one.
    decode(&mut decoder, b"\x40\x01a\x01b");
    let second = decode(&mut decoder, &[0xc0]);
    assert_eq!(id(&first), id(&second));
    assert_eq!(
        id(&first),
        EntryId {
            epoch: 0,
            ordinal: -2
        }
    );
    assert!(first.is_incomplete());
    assert_eq!(text(&decode(&mut decoder, &[0xbe])), ["a: b"]);
}

#[test]
fn never_indexed_stays_never_indexed() {
    let block = decode(&mut Decoder::new(false), b"\x10\x01a\x01b\x00\x01c\x01d");
    assert_eq!(text(&block), ["a: b", "c: d"]);
    assert!(block.fields()[0].never_indexed && !block.fields()[1].never_indexed);
}

#[test]
fn an_index_beyond_the_table_is_malformed() {
    let mut decoder = Decoder::new(false);
    let block = decode(&mut decoder, &[0x82, 0xbe, 0x84]);
    assert_eq!(
        block.defect(),
        Some(&Defect::Malformed(HpackError::IndexBeyondTable(62)))
    );
    assert_eq!(text(&block), [":method: GET"]);
}

#[test]
fn a_block_that_is_not_all_there_gives_its_beginning() {
    let mut decoder = Decoder::new(false);
    let block = decoder.decode(b"\x82\x44\x06/a.A/B\x40\x03x-", 20, Expected::Request);
    assert_eq!(text(&block), [":method: GET", ":path: /a.A/B"]);
    assert_eq!(block.defect(), Some(&Defect::Lost));
}

#[test]
fn a_size_update_evicts_and_one_over_the_limit_is_refused() {
    let mut decoder = Decoder::new(false);
    decode(&mut decoder, b"\x40\x01a\x01b");
    assert!(decode(&mut decoder, &[0x20, 0xbe]).defect().is_some());
    let mut decoder = Decoder::new(false);
    // 2^20 is over the limit until SETTINGS allow it.
    let update = [0x3f, 0xe1, 0xff, 0x3f];
    assert!(decode(&mut decoder, &update).defect().is_some());
    let mut decoder = Decoder::new(false);
    decoder.allow_table_bytes(1 << 20);
    assert_eq!(decode(&mut decoder, &update).defect(), None);
}

#[test]
fn a_header_list_bomb_is_cut_and_the_table_goes_on() {
    let mut decoder = Decoder::new(false);
    let value = [b'v'; 4000];
    let insertion = [&b"\x40\x01a\x7f\xa1\x1e"[..], &value].concat();
    decode(&mut decoder, &insertion);
    let bomb = vec![0xbe; 16_000];
    let block = decode(&mut decoder, &bomb);
    assert_eq!(block.defect(), Some(&Defect::TooLarge));
    assert!(block.fields().len() < 300);
    assert_eq!(decode(&mut decoder, &[0xbe]).fields().len(), 1);
}

/// Name, whether the decoder joins midway, blocks one after the other, what the last one gave.
type Case = (&'static str, bool, Vec<Vec<u8>>, &'static str);

/// Fields, and the defect behind them.
fn told(block: &HeaderBlock) -> String {
    let mut told = text(block).join(", ");
    if let Some(defect) = block.defect() {
        told.push_str(&format!("; {defect}"));
    }
    told
}

#[test]
fn malformed_and_odd_blocks_have_an_answer_each() {
    let insert = b"\x40\x01a\x01b".to_vec();
    let storm = {
        // Each entry alone fills the table; then many small ones, and back, with updates in between.
        let large = |byte: u8| [&b"\x40\x01x\x7f\xe1\x1e"[..], &[byte; 4064]].concat();
        let small = b"\x40\x01a\x01b".repeat(200);
        let mut blocks = Vec::new();
        for round in 0..1_000_u32 {
            blocks.push(large(b'a' + u8::try_from(round % 26).unwrap()));
            blocks.push([&[0x20, 0x3f, 0xe1, 0x1f][..], &small].concat());
        }
        blocks.push(vec![0xbe]);
        blocks
    };
    let cases: Vec<Case> = vec![
        (
            "index 0",
            false,
            vec![vec![0x82, 0x80, 0x84]],
            ":method: GET; index 0 in header block",
        ),
        (
            "an index of 2^32",
            false,
            vec![vec![0x82, 0xff, 0x81, 0xff, 0xff, 0xff, 0x0f]],
            ":method: GET; integer in header block is too large",
        ),
        (
            "an integer without end",
            false,
            vec![vec![
                0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ]],
            ":method: GET; integer in header block is too large",
        ),
        (
            "a string of 2^28 bytes",
            false,
            vec![b"\x82\x00\x01a\x7f\x81\xff\xff\x7fx".to_vec()],
            ":method: GET; header block ends within an instruction",
        ),
        (
            "EOS in a value",
            false,
            vec![b"\x82\x00\x01a\x84\xff\xff\xff\xff".to_vec()],
            ":method: GET; EOS in Huffman-coded string",
        ),
        (
            "eight bits of padding",
            false,
            vec![b"\x82\x00\x01a\x82\x1f\xff".to_vec()],
            ":method: GET; wrong padding of Huffman-coded string",
        ),
        (
            "padding of zeros",
            false,
            vec![b"\x82\x00\x01a\x81\x1e".to_vec()],
            ":method: GET; wrong padding of Huffman-coded string",
        ),
        (
            "a size update over the limit",
            false,
            vec![vec![0x3f, 0xe2, 0xff, 0x03, 0x82]],
            "; dynamic table size 65537 is over the limit",
        ),
        (
            "a size update behind a field",
            false,
            vec![insert.clone(), vec![0x82, 0x20, 0xbe]],
            ":method: GET; index 62 is beyond the dynamic table",
        ),
        (
            "three size updates in a row",
            false,
            vec![insert.clone(), vec![0x20, 0x3f, 0xe1, 0x1f, 0x20, 0x82]],
            ":method: GET",
        ),
        (
            "an entry larger than the table empties it",
            false,
            vec![
                insert.clone(),
                [&b"\x40\x01x\x7f\xe2\x1e"[..], &[b'v'; 4066]].concat(),
                vec![0xbe],
            ],
            "; index 62 is beyond the dynamic table",
        ),
        ("evictions without end", false, storm, "a: b"),
        (
            "a name in upper case",
            false,
            vec![b"\x00\x03X-A\x01b".to_vec()],
            "X-A: b",
        ),
        (
            "NUL, CR and LF in a value",
            false,
            vec![b"\x00\x01a\x05b\0\r\nc".to_vec()],
            "a: b\0\r\nc",
        ),
        (
            "an unknown pseudo-header",
            false,
            vec![b"\x82\x00\x04:odd\x01b".to_vec()],
            ":method: GET, :odd: b",
        ),
        (
            "a name of no byte",
            false,
            vec![b"\x00\x00\x01b".to_vec()],
            ": b",
        ),
        (
            "an index into what came before the capture",
            true,
            vec![vec![0x82, 0xbe, 0xff, 0x00]],
            ":method: GET, ?: ?, ?: ?",
        ),
        (
            "an index that no table of the peer can have",
            true,
            vec![vec![0x82, 0xff, 0x80, 0x80, 0x04]],
            ":method: GET, ?: ?",
        ),
        (
            "a table that is emptied midway",
            true,
            vec![
                vec![0xbe],
                [&[0x20, 0x3f, 0xe1, 0x1f][..], &insert].concat(),
                vec![0xbe],
            ],
            "a: b",
        ),
    ];
    let mut unlike = Vec::new();
    for (name, is_midway, blocks, expected) in cases {
        let mut decoder = Decoder::new(is_midway);
        let mut answer = String::new();
        for block in blocks {
            answer = told(&decode(&mut decoder, &block));
        }
        if answer != expected {
            unlike.push(format!(
                "{name}\n    expected {expected:?}\n    answer   {answer:?}"
            ));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}
