//! Lost header blocks: which shifts remain possible, and when one is proved.

use super::super::block::Defect;
use super::*;

/// A literal that inserts.
fn insert(name: &str, value: &str) -> Vec<u8> {
    let string = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    [vec![0x40], string(name), string(value)].concat()
}

/// A reference to the entry at `depth`, 0 being the newest.
fn refer(depth: u8) -> Vec<u8> {
    vec![0x80 | (62 + depth)]
}

/// The table of a gRPC client: `path`, authority, te, content-type, user-agent; newest last.
fn client() -> (Decoder, Vec<u8>) {
    let mut decoder = Decoder::new(false);
    let insertions = [
        insert(":path", "/a.A/First"),
        insert(":authority", "svc"),
        insert("te", "trailers"),
        insert("content-type", "application/grpc"),
        insert("user-agent", "grpc-c/58"),
    ];
    let first = [&[0x83, 0x86][..], &insertions.concat()].concat();
    decoder.decode(&first, 0, Expected::Request);
    // :method POST and :scheme http, then references to the five, oldest first.
    let again = [
        vec![0x83, 0x86],
        refer(4),
        refer(3),
        refer(2),
        refer(1),
        refer(0),
    ]
    .concat();
    (decoder, again)
}

fn path(block: &HeaderBlock) -> Option<&[u8]> {
    block.find_value(super::super::KnownName::PATH)
}

#[test]
fn a_loss_without_insertions_is_proved_by_the_next_block() {
    let (mut decoder, again) = client();
    decoder.lose(1400);
    assert!(decoder.is_uncertain());
    let block = decoder.decode(&again, 0, Expected::Request);
    assert_eq!(path(&block), Some(&b"/a.A/First"[..]));
    assert!(!block.is_incomplete() && !decoder.is_uncertain());
}

#[test]
fn insertions_that_were_lost_are_counted() {
    let (mut decoder, _) = client();
    // Lost: :path /a.A/Second and another field. References are deeper by two.
    decoder.lose(100);
    let rest = [refer(5), refer(4), refer(3), refer(2)].concat();
    let second = [&[0x83, 0x86][..], &refer(1), &rest].concat();
    let second = decoder.decode(&second, 0, Expected::Request);
    // A client without :authority that lost three insertions would make sense too.
    assert!(decoder.is_uncertain() && second.is_incomplete());
    assert_eq!(path(&second), None);

    let first = [&[0x83, 0x86][..], &refer(6), &rest].concat();
    let first = decoder.decode(&first, 0, Expected::Request);
    assert!(!decoder.is_uncertain() && !first.is_incomplete());
    assert_eq!(path(&first), Some(&b"/a.A/First"[..]));
    // The lost entry is an unknown one; all else of the block before is known now.
    let (_, second) = decoder.take_revised().pop().unwrap();
    assert!(matches!(second.fields()[2].name, Name::Unknown(_)));
    assert_eq!(
        second.find_value(super::super::KnownName::TE),
        Some(&b"trailers"[..])
    );
}

#[test]
fn a_reference_with_two_meanings_is_ambiguous_and_then_revised() {
    let mut decoder = Decoder::new(false);
    let setup = [
        insert("content-type", "application/grpc"),
        insert("grpc-accept-encoding", "gzip"),
        insert("grpc-status", "0"),
        insert("grpc-status", "5"),
    ];
    decoder.decode(&setup.concat(), 0, Expected::Any);
    decoder.lose(8);
    let trailers = decoder.decode(&refer(1), 0, Expected::Trailers);
    let status = trailers.fields()[0];
    assert!(matches!(status.value, Value::Ambiguous(_)), "{trailers:?}");
    assert_eq!(trailers.alternatives(&status), ["0", "5"]);

    // :status 200 and the two that open a response; then the status again.
    let headers = [vec![0x88], refer(3), refer(2)].concat();
    decoder.decode(&headers, 0, Expected::Response);
    let again = decoder.decode(&refer(1), 0, Expected::Trailers);
    assert!(!again.is_incomplete() && !decoder.is_uncertain());
    let revised = decoder.take_revised();
    let (_, block) = revised
        .iter()
        .find(|(ticket, _)| Some(*ticket) == trailers.ticket())
        .unwrap();
    assert_eq!(block.value(&block.fields()[0]), Some(&b"0"[..]));
    assert!(!block.is_incomplete());
}

#[test]
fn many_statuses_make_sense_under_a_wrong_shift_and_prove_nothing() {
    let mut decoder = Decoder::new(false);
    let setup = [
        insert("x-note", "a"),
        insert("grpc-status", "12"),
        insert("grpc-message", "unimplemented"),
        insert("grpc-status", "13"),
        insert("grpc-message", "internal"),
    ];
    decoder.decode(&setup.concat(), 0, Expected::Any);
    // Lost: grpc-status 0 and a message, which the next trailers refer to.
    decoder.lose(20);
    let of_lost = [refer(1), refer(0)].concat();
    decoder.decode(&of_lost, 0, Expected::Trailers);
    // grpc-status 7 without indexing, and "unimplemented"; or, without a shift, x-note.
    let not_indexed = [&[0, 11][..], b"grpc-status", &[1], b"7"].concat();
    let other = [not_indexed, refer(4)].concat();
    decoder.decode(&other, 0, Expected::Trailers);
    let trailers = decoder.decode(&of_lost, 0, Expected::Trailers);
    assert!(decoder.is_uncertain() && trailers.is_incomplete());
}

#[test]
fn entries_newer_than_the_loss_are_sure() {
    let (mut decoder, _) = client();
    decoder.lose(500);
    decoder.decode(&insert("x-new", "1"), 0, Expected::Any);
    let block = decoder.decode(&refer(0), 0, Expected::Any);
    assert!(!block.is_incomplete());
    assert_eq!(block.value(&block.fields()[0]), Some(&b"1"[..]));
}

#[test]
fn a_table_with_nothing_known_begins_anew() {
    let mut decoder = Decoder::new(true);
    let before = decoder.decode(&refer(0), 0, Expected::Any);
    decoder.lose(10);
    assert!(!decoder.is_uncertain());
    let after = decoder.decode(&refer(0), 0, Expected::Any);
    assert_ne!(before.fields()[0].name, after.fields()[0].name);
}

#[test]
fn two_losses_in_a_row_add_up() {
    let (mut decoder, again) = client();
    decoder.lose(50);
    decoder.decode(&insert("x-new", "1"), 0, Expected::Any);
    decoder.lose(50);
    // One insertion in between: all references are deeper by one.
    let deeper: Vec<_> = again
        .iter()
        .map(|b| if *b >= 0xbe { b + 1 } else { *b })
        .collect();
    let block = decoder.decode(&deeper, 0, Expected::Request);
    assert_eq!(path(&block), Some(&b"/a.A/First"[..]));
    assert!(!decoder.is_uncertain());
}

#[test]
fn a_malformed_block_costs_the_blocks_after_it_nothing_certain() {
    let (mut decoder, again) = client();
    let broken = decoder.decode(
        &[0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        0,
        Expected::Any,
    );
    assert!(matches!(broken.defect(), Some(Defect::Malformed(_))));
    assert!(decoder.is_uncertain());
    let block = decoder.decode(&again, 0, Expected::Request);
    assert!(!block.is_incomplete());
}
