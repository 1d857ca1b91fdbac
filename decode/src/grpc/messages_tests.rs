//! The splitter: catalogue of malformed bodies, and independence of chunk borders.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn split(chunks: &[Bytes]) -> (Vec<LengthPrefixedMessage>, Tail) {
    let mut splitter = MessageSplitter::default();
    let mut messages = Vec::new();
    for chunk in chunks {
        splitter.push(chunk.clone());
        while let Step::Message(message) = splitter.next_step() {
            messages.push(message);
        }
    }
    assert_eq!(splitter.next_step(), Step::NeedMore);
    (messages, splitter.finish())
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

fn split_one(body: Vec<u8>) -> (Vec<LengthPrefixedMessage>, Tail) {
    split(&[Bytes::from(body)])
}

#[test]
fn an_empty_body_has_no_messages() {
    assert_eq!(split_one(Vec::new()), (vec![], Tail::Clean));
}

#[test]
fn messages_are_slices_of_the_body() {
    let body = Bytes::from([frame(0, b"one"), frame(1, b""), frame(0, b"three")].concat());
    let (messages, tail) = split(std::slice::from_ref(&body));
    assert_eq!(tail, Tail::Clean);
    let seen: Vec<_> = messages
        .iter()
        .map(|m| (m.compressed, m.declared_bytes, &*m.bytes, m.end_offset))
        .collect();
    assert_eq!(
        seen,
        [
            (false, 3, &b"one"[..], 8),
            (true, 0, b"", 13),
            (false, 5, b"three", 23)
        ]
    );
    assert_eq!(messages[0].bytes.as_ptr(), body[5..].as_ptr());
}

#[test]
fn a_length_of_two_to_the_32_allocates_nothing_and_is_cut() {
    let (messages, tail) = split_one(b"\x00\xff\xff\xff\xffabc".to_vec());
    assert!(messages.is_empty());
    let Tail::CutMessage(message) = tail else {
        panic!("{tail:?}")
    };
    assert_eq!(
        (message.declared_bytes, &*message.bytes),
        (u32::MAX, &b"abc"[..])
    );
}

#[test]
fn trailing_bytes_within_a_prefix_are_counted() {
    for length in 1..PREFIX_LEN {
        let body = [frame(0, b"m"), vec![0; length]].concat();
        let (messages, tail) = split_one(body);
        assert_eq!((messages.len(), tail), (1, Tail::CutPrefix(length)));
    }
}

#[test]
fn a_message_without_any_of_its_bytes_is_cut_not_lost() {
    let (_, tail) = split_one(vec![1, 0, 0, 0, 9]);
    let Tail::CutMessage(message) = tail else {
        panic!("{tail:?}")
    };
    assert!(message.compressed && message.bytes.is_empty());
    assert_eq!((message.declared_bytes, message.end_offset), (9, 5));
}

#[test]
fn a_reserved_flag_is_told_and_stepped_over() {
    for flag in [2, 0x80, 255] {
        let (messages, tail) = split_one([frame(flag, b"x"), frame(0, b"y")].concat());
        assert_eq!(tail, Tail::Clean);
        assert!(messages[0].flag_is_reserved && !messages[0].compressed);
        assert!(!messages[1].flag_is_reserved);
    }
}

#[test]
fn chunks_pushed_before_a_step_are_joined() {
    let body = frame(0, b"together");
    let mut splitter = MessageSplitter::default();
    splitter.push(Bytes::copy_from_slice(&body[..7]));
    splitter.push(Bytes::copy_from_slice(&body[7..]));
    assert!(matches!(splitter.next_step(), Step::Message(m) if m.bytes == "together"));
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(
        messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut body: Vec<u8> = messages.iter().flat_map(|(flag, m)| frame(*flag, m)).collect();
        body.extend(tail);
        let body = Bytes::from(body);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        let chunks: Vec<Bytes> = at.windows(2).map(|w| body.slice(w[0]..w[1])).collect();
        prop_assert_eq!(split(&chunks), split(&[body]));
    }

    #[test]
    fn no_byte_is_lost_or_made_up(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (messages, tail) = split_one(body.clone());
        let mut seen: usize = messages.iter().map(|m| PREFIX_LEN + m.bytes.len()).sum();
        seen += match tail {
            Tail::Clean => 0,
            Tail::CutPrefix(length) => length,
            Tail::CutMessage(message) => PREFIX_LEN + message.bytes.len(),
        };
        prop_assert_eq!(seen, body.len());
    }
}
