//! A recorded body to a [`Direction`]: messages, when they arrived, and what is missing.

use bytes::Bytes;
use twintap_record::{Body, Cut};

use super::{Direction, Message};
use twintap_decode::grpc::{
    LengthPrefixedMessage, MESSAGES_MAX, MessageSplitter, PREFIX_LEN, Step, Tail,
};

/// Largest count that is kept; what claims more contradicts itself.
pub(super) const COUNT_MAX: u64 = i64::MAX.unsigned_abs();

/// Builds a direction; sets `incomplete` where `body` is malformed or contradicts itself. A body
/// that is absent means that no DATA was seen.
pub(super) fn from_body(body: Option<Body>, encoding: Bytes, incomplete: &mut bool) -> Direction {
    let Some(body) = body else {
        return Direction {
            messages_count: Some(0),
            encoding,
            ..Direction::default()
        };
    };
    let (captured_bytes, truncated) = captured(&body, incomplete);
    let (messages, is_whole) = messages(&body, truncated, incomplete);
    let truncated = truncated || !is_whole;
    let captured_count = messages.len() as u64;
    let messages_count = match body.digest {
        _ if !truncated => Some(captured_count),
        Some(_) => Some(body.messages_count.clamp(captured_count, COUNT_MAX)),
        // Without a digest the filter could not read the bytes, so it could not count either.
        None => None,
    };
    Direction {
        messages,
        messages_count,
        body_bytes: body.bytes_count.clamp(captured_bytes, COUNT_MAX),
        body_digest: body.digest,
        truncated,
        end_stream: body.end_stream,
        encoding,
    }
}

/// The same of a body that its sender calls something else than gRPC: it has no messages.
pub(super) fn from_other_body(
    body: Option<Body>,
    encoding: Bytes,
    incomplete: &mut bool,
) -> Direction {
    let body = body.unwrap_or_default();
    let (captured_bytes, truncated) = captured(&body, incomplete);
    Direction {
        messages: Vec::new(),
        messages_count: Some(0),
        body_bytes: body.bytes_count.clamp(captured_bytes, COUNT_MAX),
        body_digest: body.digest,
        truncated,
        end_stream: body.end_stream,
        encoding,
    }
}

/// How many bytes were captured, and whether there were more.
fn captured(body: &Body, incomplete: &mut bool) -> (u64, bool) {
    let captured_bytes = body.captured.len() as u64;
    let truncated = captured_bytes < body.bytes_count || body.cut != Cut::None as i32;
    *incomplete |= captured_bytes > body.bytes_count || body.bytes_count > COUNT_MAX;
    (captured_bytes, truncated)
}

/// Its messages, and whether these are all.
fn messages(body: &Body, truncated: bool, incomplete: &mut bool) -> (Vec<Message>, bool) {
    let mut arrivals = Arrivals::new(&body.marks);
    let mut splitter = MessageSplitter::default();
    splitter.push(body.captured.clone());

    let room = usize::try_from(body.messages_count).unwrap_or(usize::MAX);
    let room = room.min(body.captured.len() / PREFIX_LEN);
    let mut messages = Vec::with_capacity(room.min(MESSAGES_MAX));
    let mut message = |message: LengthPrefixedMessage, incomplete: &mut bool| {
        *incomplete |= message.flag_is_reserved;
        messages.push(Message {
            offset_ns: arrivals.of(message.end_offset),
            compressed: message.compressed,
            declared_bytes: message.declared_bytes,
            bytes: message.bytes,
        });
    };
    let mut count = 0;
    while let Step::Message(whole) = splitter.next_step() {
        if count == MESSAGES_MAX {
            return (messages, false);
        }
        message(whole, incomplete);
        count += 1;
    }
    match splitter.finish() {
        Tail::Clean => {}
        Tail::CutPrefix(_) => *incomplete |= !truncated,
        Tail::CutMessage(cut) => {
            *incomplete |= !truncated;
            message(cut, incomplete);
        }
    }
    *incomplete |= arrivals.is_malformed;
    (messages, true)
}

/// Walks `Body.marks`: pairs of (bytes, nanoseconds), each the difference to the pair before.
struct Arrivals<'a> {
    marks: std::slice::Iter<'a, u64>,
    end_offset: u64,
    ns: u64,
    /// Did a sum overflow, or lack a pair its second half?
    is_malformed: bool,
}

impl<'a> Arrivals<'a> {
    fn new(marks: &'a [u64]) -> Self {
        let is_malformed = !marks.len().is_multiple_of(2);
        Self {
            marks: marks.iter(),
            end_offset: 0,
            ns: 0,
            is_malformed,
        }
    }

    /// When the byte before `end_offset` arrived. Offsets must not decrease from call to call.
    fn of(&mut self, end_offset: u64) -> Option<u64> {
        while self.end_offset < end_offset {
            let (bytes, ns) = (self.marks.next()?, self.marks.next()?);
            let sums = self
                .end_offset
                .checked_add(*bytes)
                .zip(self.ns.checked_add(*ns));
            let Some((end_offset, ns)) = sums.filter(|(_, ns)| *ns <= COUNT_MAX) else {
                self.is_malformed = true;
                self.marks = [].iter();
                return None;
            };
            (self.end_offset, self.ns) = (end_offset, ns);
        }
        Some(self.ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(captured: &'static [u8]) -> Body {
        Body {
            captured: Bytes::from_static(captured),
            bytes_count: captured.len() as u64,
            digest: Some(7),
            messages_count: 1,
            ..Body::default()
        }
    }

    fn direction(body: Body) -> (Direction, bool) {
        let mut incomplete = false;
        let direction = from_body(Some(body), Bytes::new(), &mut incomplete);
        (direction, incomplete)
    }

    #[test]
    fn more_messages_than_a_filter_records_are_cut() {
        let most = |count: usize| Body {
            captured: Bytes::from(vec![0_u8; count * PREFIX_LEN]),
            bytes_count: (count * PREFIX_LEN) as u64,
            messages_count: count as u64,
            ..body(b"")
        };
        let (whole, _) = direction(most(MESSAGES_MAX));
        assert_eq!(
            (whole.messages.len(), whole.truncated),
            (MESSAGES_MAX, false)
        );
        let (cut, incomplete) = direction(most(MESSAGES_MAX + 1));
        assert_eq!((cut.messages.len(), cut.truncated), (MESSAGES_MAX, true));
        assert_eq!(cut.messages_count, Some(MESSAGES_MAX as u64 + 1));
        assert!(!incomplete, "it is right, only too much");
    }

    #[test]
    fn an_error_page_has_no_messages_and_is_complete() {
        let mut incomplete = false;
        let page = body(b"upstream connect error");
        let direction = from_other_body(Some(page), Bytes::new(), &mut incomplete);
        assert!(direction.messages.is_empty() && !direction.truncated && !incomplete);
        assert_eq!(
            (direction.messages_count, direction.body_bytes),
            (Some(0), 22)
        );
    }

    #[test]
    fn no_body_is_no_message() {
        let mut incomplete = false;
        let direction = from_body(None, Bytes::from_static(b"gzip"), &mut incomplete);
        assert_eq!(
            (direction.messages_count, direction.truncated),
            (Some(0), false)
        );
        assert_eq!((&*direction.encoding, incomplete), (&b"gzip"[..], false));
    }

    #[test]
    fn each_message_knows_when_its_last_byte_arrived() {
        // Messages end at 7 and 13; DATA ended at 6, 9 and 13.
        let marks = vec![6, 100, 3, 50, 4, 25];
        let captured = b"\0\0\0\0\x02ab\0\0\0\0\x01c";
        let (direction, incomplete) = direction(Body {
            marks,
            ..body(captured)
        });
        let offsets: Vec<_> = direction.messages.iter().map(|m| m.offset_ns).collect();
        assert_eq!(offsets, [Some(150), Some(175)]);
        assert!(!incomplete && !direction.truncated);
        assert_eq!(
            (direction.messages_count, direction.body_bytes),
            (Some(2), 13)
        );
    }

    #[test]
    fn marks_that_end_early_or_overflow_leave_the_offset_unknown() {
        for (marks, malformed) in [
            (vec![], false),
            (vec![3, 9], false),
            (vec![3], true),
            (vec![1, u64::MAX, 9, 9], true),
        ] {
            let (direction, incomplete) = direction(Body {
                marks: marks.clone(),
                ..body(b"\0\0\0\0\x01a")
            });
            assert_eq!(direction.messages[0].offset_ns, None, "{marks:?}");
            assert_eq!(incomplete, malformed, "{marks:?}");
        }
    }

    #[test]
    fn a_cut_body_is_truncated_and_not_malformed() {
        let cut = Body {
            bytes_count: 1000,
            messages_count: 3,
            cut: Cut::Limit as i32,
            ..body(b"\0\0\0\0\x09abc")
        };
        let (direction, incomplete) = direction(cut);
        assert!(direction.truncated && !incomplete);
        assert_eq!(
            (direction.messages_count, direction.body_bytes),
            (Some(3), 1000)
        );
        assert_eq!(
            (
                &*direction.messages[0].bytes,
                direction.messages[0].declared_bytes
            ),
            (&b"abc"[..], 9)
        );
    }

    #[test]
    fn a_whole_body_that_ends_within_a_message_is_incomplete() {
        for captured in [
            &b"\0\0\0\0\x09abc"[..],
            b"\0\0",
            b"\0\0\0\0\x01a\0",
            b"\x02\0\0\0\0",
        ] {
            let (direction, incomplete) = direction(body(captured));
            assert!(incomplete && !direction.truncated, "{captured:?}");
        }
    }

    #[test]
    fn an_unread_body_has_an_unknown_number_of_messages() {
        let unread = Body {
            bytes_count: 50,
            digest: None,
            messages_count: 0,
            cut: Cut::HostError as i32,
            ..body(b"")
        };
        let (direction, _) = direction(unread);
        assert_eq!(
            (direction.messages_count, direction.truncated),
            (None, true)
        );
    }
}
