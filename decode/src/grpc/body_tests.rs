//! Bodies in pieces and with gaps: messages whole, damaged or hidden, and never made up.

use proptest::prelude::*;

use super::*;

const LIMITS: BodyLimits = BodyLimits {
    kept_bytes_max: 1000,
    messages_max: 8,
};

fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, bytes].concat()
}

fn body(chunks: &[&[u8]]) -> Body {
    let mut body = Body::default();
    for (at, chunk) in (1..).zip(chunks) {
        body.push(at, chunk, &LIMITS);
    }
    body
}

fn texts(body: &Body) -> Vec<&[u8]> {
    body.messages()
        .iter()
        .map(|message| &body.kept()[message.range()])
        .collect()
}

#[test]
fn messages_know_when_their_last_byte_came() {
    let bytes = [message(b"one"), message(b""), message(b"three")].concat();
    let (first, second) = bytes.split_at(15);
    let mut body = body(&[first, second]);
    body.finish(9, &LIMITS);
    assert_eq!(texts(&body), [&b"one"[..], b"", b"three"]);
    let times: Vec<_> = body
        .messages()
        .iter()
        .map(|message| message.at_unix_ns)
        .collect();
    assert_eq!(times, [1, 1, 2]);
    assert!(body.messages().iter().all(BodyMessage::is_whole));
    assert_eq!(body.digest(), Some(xxh3_64(&bytes)));
    assert_eq!((body.messages_count(), body.bytes_count()), (Some(3), 23));
}

#[test]
fn length_count_and_digest_stay_right_beyond_the_limit() {
    let bytes = [message(&[1; 900]), message(&[2; 900]), message(&[3; 900])].concat();
    let mut body = body(&bytes.chunks(100).collect::<Vec<_>>());
    body.finish(9, &LIMITS);
    assert_eq!(body.kept().len(), LIMITS.kept_bytes_max);
    assert_eq!(
        (body.messages_count(), body.bytes_count()),
        (Some(3), bytes.len() as u64)
    );
    assert_eq!(body.digest(), Some(xxh3_64(&bytes)));
    let whole: Vec<_> = body.messages().iter().map(BodyMessage::is_whole).collect();
    assert_eq!(whole, [true, false, false]);
    assert!(body.is_truncated() && !body.has_gap());
}

#[test]
fn more_messages_than_the_limit_are_counted_and_missed() {
    for (sent, listed) in [(8, 8), (9, 8), (20, 8)] {
        let bytes = message(b"x").repeat(sent);
        let body = body(&[&bytes]);
        assert_eq!(body.messages().len(), listed);
        assert_eq!(body.messages_count(), Some(sent as u64));
        assert_eq!(body.is_truncated(), listed < sent, "{sent}");
    }
}

#[test]
fn a_gap_within_a_message_damages_it_alone() {
    let bytes = [message(&[7; 50]), message(b"next")].concat();
    let mut body = body(&[&bytes[..20]]);
    body.gap(2, 10, &LIMITS);
    body.push(3, &bytes[30..], &LIMITS);
    body.finish(4, &LIMITS);
    let damages: Vec<_> = body
        .messages()
        .iter()
        .map(|message| message.damage)
        .collect();
    assert_eq!(damages, [Damage::Certain, Damage::None]);
    assert_eq!(texts(&body)[1], b"next");
    assert_eq!(body.bytes_count(), bytes.len() as u64);
    assert_eq!((body.digest(), body.messages_count()), (None, None));
}

#[test]
fn after_a_gap_over_a_boundary_no_message_is_made_up() {
    let bytes = [message(&[7; 50]), message(b"next"), message(b"more")].concat();
    let mut body = body(&[&bytes[..20]]);
    body.gap(2, 37, &LIMITS);
    body.push(3, &bytes[57..], &LIMITS);
    body.finish(4, &LIMITS);
    assert_eq!(body.messages().len(), 1);
    assert_eq!(body.messages()[0].damage, Damage::Certain);
}

#[test]
fn a_body_that_may_lack_bytes_and_ends_unevenly_does_lack_some() {
    for (tail, damage) in [(&b""[..], Damage::Possible), (b"\0\0", Damage::Certain)] {
        let mut body = body(&[&message(b"before")]);
        body.suspect();
        body.push(2, &message(b"after"), &LIMITS);
        body.push(2, tail, &LIMITS);
        body.finish(3, &LIMITS);
        let damages: Vec<_> = body
            .messages()
            .iter()
            .map(|message| message.damage)
            .collect();
        assert_eq!(damages, [Damage::None, damage]);
        assert_eq!(body.messages_count(), None);
    }
}

#[test]
fn a_cut_message_is_listed_with_what_there_is() {
    let mut body = body(&[&message(b"whole"), &message(b"cut")[..7]]);
    body.finish(5, &LIMITS);
    assert_eq!(texts(&body), [&b"whole"[..], b"cu"]);
    assert_eq!(
        (body.messages()[1].damage, body.messages()[1].declared_bytes),
        (Damage::Certain, 3)
    );
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(
        sizes in prop::collection::vec(0..60_usize, 0..8),
        chunk in 1..40_usize,
    ) {
        let sent: Vec<Vec<u8>> = sizes.iter().map(|size| vec![9; *size]).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|bytes| message(bytes)).collect();
        let mut body = body(&bytes.chunks(chunk).collect::<Vec<_>>());
        body.finish(1, &LIMITS);
        prop_assert_eq!(texts(&body), sent.iter().map(|b| &**b).collect::<Vec<_>>());
        prop_assert!(body.is_at_boundary());
        prop_assert_eq!(body.digest(), Some(xxh3_64(&bytes)));
    }
}
