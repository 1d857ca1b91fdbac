//! Length-prefixed messages: the filter counts in pieces what the collector splits from the whole.

use bytes::Bytes;
use twintap_decode::grpc::{MessageSplitter, Step, Tail};
use twintap_filter::grpc::Framer;

use super::script::Script;

/// `bytes` are pieces of a body.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (mut framer, mut body) = (Framer::START, Vec::new());
    while let Some(piece) = script.payload() {
        framer.feed(piece);
        body.extend_from_slice(piece);
    }
    let mut splitter = MessageSplitter::default();
    splitter.push(Bytes::from(body));
    let mut count = 0;
    while let Step::Message(_) = splitter.next_step() {
        count += 1;
    }
    count += u64::from(matches!(splitter.finish(), Tail::CutMessage(_)));
    assert_eq!(framer.messages(), count);
}
