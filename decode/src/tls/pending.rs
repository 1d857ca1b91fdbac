//! What of one way waits for the hello of the other, or for secrets.

use super::record::{Framer, Next, content_type};
use crate::stream::Ending;

/// Bytes of one way that wait, with what keeping them costs. A server's flight, with which it
/// begins, is a few KiB; secrets in a capture come before it or soon after.
pub(super) const PENDING_BYTES_MAX: usize = 64 * 1024;

/// What keeping one event costs beside its bytes.
const EVENT_BYTES: usize = 64;

/// Something that TCP said of one way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
    End(Ending),
}

/// The same, kept.
#[derive(Debug)]
enum Kept {
    Bytes(Vec<u8>),
    Gap(u64),
    End(Ending),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<(u64, Kept)>,
    bytes: usize,
}

impl Pending {
    /// Keeps an event; `false` if that is more than may be kept.
    pub(super) fn push(&mut self, at_unix_ns: u64, event: Event<'_>) -> bool {
        let kept = match event {
            Event::Bytes(bytes) => {
                self.bytes += bytes.len();
                if let Some((at, Kept::Bytes(last))) = self.events.last_mut()
                    && *at == at_unix_ns
                {
                    last.extend_from_slice(bytes);
                    return self.bytes <= PENDING_BYTES_MAX;
                }
                Kept::Bytes(bytes.to_vec())
            }
            Event::Gap(len) => Kept::Gap(len),
            Event::End(ending) => Kept::End(ending),
        };
        self.bytes += EVENT_BYTES;
        self.events.push((at_unix_ns, kept));
        self.bytes <= PENDING_BYTES_MAX
    }

    /// Is there more than alerts and ChangeCipherSpec? A client that nobody answered has no more to say.
    pub(super) fn has_content(&self) -> bool {
        let is_idle = |kind| matches!(kind, content_type::ALERT | content_type::CHANGE_CIPHER_SPEC);
        let mut framer = Framer::default();
        for (_, event) in &self.events {
            let mut input = match event {
                Kept::Bytes(bytes) => bytes.as_slice(),
                Kept::Gap(_) => return true,
                Kept::End(_) => continue,
            };
            loop {
                match framer.next(&mut input) {
                    Next::Record(header, _) if is_idle(header.content_type) => {}
                    Next::Record(..) | Next::Malformed => return true,
                    Next::NeedMore => break,
                }
            }
        }
        framer
            .give_up()
            .header
            .is_some_and(|header| !is_idle(header.content_type))
    }

    /// Hands everything to `take`, in order.
    pub(super) fn drain(self, mut take: impl FnMut(u64, Event<'_>)) {
        for (at, event) in &self.events {
            let event = match event {
                Kept::Bytes(bytes) => Event::Bytes(bytes),
                Kept::Gap(len) => Event::Gap(*len),
                Kept::End(ending) => Event::End(*ending),
            };
            take(*at, event);
        }
    }
}
