//! The methods of known services that accept all messages of a class so far.

use bytes::Bytes;
use twintap_decode::exchange::{Exchange, HalfStream};
use twintap_decode::grpc::{BodyMessage, decompress, sniff_encoding};

use super::descriptors::{Descriptors, Half};

/// Messages of each half of a call that are tried.
const MESSAGES_MAX: usize = 32;
/// Bytes of a compressed message when it is decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 10;
/// Messages that are not empty and that only one method accepts, before that one is taken.
const ACCEPTED_MIN: u32 = 8;

/// Those that are left.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    /// Numbers of methods.
    left: Vec<usize>,
    /// Messages tried that were not empty.
    tried: u32,
}

impl Candidates {
    /// All methods.
    pub(super) fn new(descriptors: &Descriptors) -> Self {
        Self {
            left: (0..descriptors.methods_count()).collect(),
            tried: 0,
        }
    }

    /// Rules out those that `exchange` is not of.
    pub(super) fn narrow(&mut self, descriptors: &Descriptors, exchange: &Exchange) {
        self.narrow_half(descriptors, Half::Request, &exchange.request);
        self.narrow_half(descriptors, Half::Response, &exchange.response);
    }

    fn narrow_half(&mut self, descriptors: &Descriptors, half: Half, stream: &HalfStream) {
        if let Some(count) = stream.body.messages_count() {
            self.left
                .retain(|index| descriptors.may_have(*index, half, count));
        }
        for message in stream.body.messages().iter().take(MESSAGES_MAX) {
            let Some(bytes) = readable(stream, message) else {
                continue;
            };
            self.tried = self.tried.saturating_add(u32::from(!bytes.is_empty()));
            self.left
                .retain(|index| descriptors.accepts(*index, half, &bytes));
        }
    }

    /// Is method `index` ruled out?
    pub(super) fn is_ruled_out(&self, index: usize) -> bool {
        !self.left.contains(&index)
    }

    /// The only one left, after enough was tried.
    pub(super) fn only(&self) -> Option<usize> {
        match self.left.as_slice() {
            [only] if self.tried >= ACCEPTED_MIN => Some(*only),
            _ => None,
        }
    }
}

/// The bytes of a whole message, decompressed.
fn readable(stream: &HalfStream, message: &BodyMessage) -> Option<Bytes> {
    let bytes = stream
        .body
        .kept()
        .get(message.range())
        .filter(|_| message.is_whole())?;
    let bytes = Bytes::copy_from_slice(bytes);
    match message.flag {
        0 => Some(bytes),
        1 => {
            let encoding = sniff_encoding(&bytes)?;
            decompress(encoding, &bytes, DECOMPRESSED_BYTES_MAX).ok()
        }
        _ => None,
    }
}
