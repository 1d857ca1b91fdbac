//! The body of one half-stream: without gaps the messages of [`MessageSplitter`], however it is
//! cut; with gaps, messages within the bytes that are kept. Decompression keeps to its cap.

use bytes::Bytes;
use twintap_decode::grpc::{
    Body, BodyLimits, MessageSplitter, Step, Tail, decompress, sniff_encoding,
};

use super::script::Script;

/// What a step is, by its first byte.
pub(crate) mod kinds {
    pub(crate) const BYTES: u8 = 0;
    /// As many bytes as the payload has were lost.
    pub(crate) const GAP: u8 = 1;
    /// Bytes of the connection were lost.
    pub(crate) const SUSPECT: u8 = 2;
    pub(crate) const COUNT: u8 = 3;
}

const ENCODINGS: [&[u8]; 6] = [b"", b"identity", b"gzip", b"deflate", b"zstd", b"snappy"];

/// Most that may come out of one message.
const INFLATED_BYTES_MAX: usize = 64 * 1024;

/// Few, so that short inputs reach them.
const LIMITS: BodyLimits = BodyLimits {
    kept_bytes_max: 4096,
    messages_max: 64,
};

/// `bytes` are steps: bytes, a gap, or a suspicion.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (mut body, mut wide) = (Body::default(), Body::default());
    let (mut whole, mut total, mut is_plain, mut now) = (Vec::new(), 0_u64, true, 0);
    while let (Some(kind), Some(payload)) = (script.byte(), script.payload()) {
        now += 1;
        match kind % kinds::COUNT {
            kinds::GAP => {
                let len = payload.len() as u64 * u64::from(kind);
                body.gap(now, len, &LIMITS);
                (total, is_plain) = (total + len, false);
            }
            kinds::SUSPECT => {
                body.suspect();
                is_plain = false;
            }
            _ => {
                body.push(now, payload, &LIMITS);
                wide.push(now, payload, &BodyLimits::default());
                whole.extend_from_slice(payload);
                total += payload.len() as u64;
            }
        }
    }
    body.finish(now, &LIMITS);
    wide.finish(now, &BodyLimits::default());
    assert_eq!(body.bytes_count(), total);
    assert!(body.kept().len() <= LIMITS.kept_bytes_max);
    assert!(body.messages().len() <= LIMITS.messages_max);
    for message in body.messages() {
        assert!(body.kept().get(message.range()).is_some(), "{message:?}");
    }
    if is_plain {
        assert_eq!(body.messages_count(), wide.messages_count());
        assert_eq!(body.digest(), wide.digest());
    }
    let messages = assert_as_split(&wide, whole.into());
    messages.iter().for_each(assert_capped);
}

/// The messages of `body`, of which [`MessageSplitter`] must say the same.
fn assert_as_split(body: &Body, whole: Bytes) -> Vec<Bytes> {
    let mut splitter = MessageSplitter::default();
    // In two pieces, so that a message may lie in both.
    let middle = whole.len() / 2;
    splitter.push(whole.slice(..middle));
    splitter.push(whole.slice(middle..));
    let (mut messages, mut declared) = (Vec::new(), Vec::new());
    while let Step::Message(message) = splitter.next_step() {
        declared.push(message.declared_bytes);
        messages.push(message.bytes);
    }
    if let Tail::CutMessage(message) = splitter.finish() {
        declared.push(message.declared_bytes);
        messages.push(message.bytes);
    }
    let ours: Vec<_> = body
        .messages()
        .iter()
        .map(|message| message.declared_bytes)
        .collect();
    assert_eq!(ours, declared);
    for (ours, theirs) in body.messages().iter().zip(&messages) {
        assert_eq!(body.kept().get(ours.range()), Some(&theirs[..]));
    }
    messages
}

fn assert_capped(message: &Bytes) {
    for encoding in ENCODINGS.into_iter().chain(sniff_encoding(message)) {
        if let Ok(inflated) = decompress(encoding, message, INFLATED_BYTES_MAX) {
            assert!(inflated.len() <= INFLATED_BYTES_MAX);
        }
    }
}
