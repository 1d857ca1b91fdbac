//! What a stream has recorded so far, in the order in which it happened.
//!
//! A tape is a chain of pages holding segments: a kind, a length, bytes. Segments never span pages;
//! neighbours of one kind in one page are merged. One part of a record (say, the request's body) is
//! the concatenation of the segments of its kind, so an uninterleaved unary call usually takes one
//! small page, and a body's bytes are written by the host straight to where they stay.
//!
//! ```text
//! page: │kind│ 0 │len lo│len hi│ bytes ...        │kind│ 0 │len lo│len hi│ bytes ... │ unused │
//!       └──────── prefix ───────┘                                           used ────┘
//! ```

use crate::copy::copy;
use crate::pages::{PageRef, Pages, SMALL_BYTES, Size};

const PREFIX_LEN: u16 = 4;
const PREFIX_BYTES: usize = PREFIX_LEN as usize;
/// A tail shorter than this is left unused rather than cutting a run of bytes in two.
const WORTHWHILE_BYTES: usize = 512;

/// Which part of the record a segment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Encoded `HeaderBlock.headers` of the request.
    RequestHeaders = 1,
    /// Bytes of the request's body.
    RequestBody = 2,
    /// Encoded `Body.marks` of the request.
    RequestMarks = 3,
    /// Encoded `HeaderBlock.headers` of the request's trailers.
    RequestTrailers = 4,
    /// Encoded `HeaderBlock.headers` of the response.
    ResponseHeaders = 5,
    /// Bytes of the response's body.
    ResponseBody = 6,
    /// Encoded `Body.marks` of the response.
    ResponseMarks = 7,
    /// Encoded `HeaderBlock.headers` of the response's trailers.
    ResponseTrailers = 8,
    /// The pair id.
    PairId = 9,
}

/// A chain of pages. All zero is the empty tape.
#[derive(Clone, Copy, Debug)]
pub struct Tape {
    head: PageRef,
    tail: PageRef,
    /// Bytes used in the tail page.
    used: u16,
    /// Position of the last segment's prefix in the tail page, plus 1; 0 if there is none.
    segment: u16,
}

/// What [`Tape::reserve`] may use beside the tail: how precious is the memory?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Small pages too, however many: headers.
    Must,
    /// Large pages once more is wanted than two small ones hold: bodies.
    Bulk,
}

impl Tape {
    /// Nothing recorded.
    pub const EMPTY: Self = Self {
        head: PageRef::NONE,
        tail: PageRef::NONE,
        used: 0,
        segment: 0,
    };

    /// Room for 1 to `want` more bytes of `kind`, or `None` if the pools are exhausted. What is
    /// written there counts once [`Tape::commit`] says so.
    pub fn reserve<'p>(
        &mut self,
        pages: &'p mut Pages<'_>,
        kind: Kind,
        want: usize,
        need: Need,
    ) -> Option<&'p mut [u8]> {
        let capacity = pages.bytes(self.tail).len();
        let merged = self.last_kind(pages) == Some(kind as u8);
        let prefix = if merged { 0 } else { PREFIX_BYTES };
        let mut start = usize::from(self.used).saturating_add(prefix);
        let room = capacity.saturating_sub(start);
        let splits = room < want;
        let fits_one_small = want <= SMALL_BYTES.saturating_sub(PREFIX_BYTES);
        if room == 0 || (splits && (room < WORTHWHILE_BYTES || fits_one_small)) {
            match take(pages, want, need) {
                Some(page) => {
                    self.link(pages, page);
                    start = PREFIX_BYTES;
                }
                // Rather a piece than nothing.
                None if room > 0 => {}
                None => return None,
            }
        }
        let end = start.saturating_add(want).min(pages.bytes(self.tail).len());
        pages
            .bytes_mut(self.tail)
            .get_mut(start..end)
            .filter(|room| !room.is_empty())
    }

    /// Makes the first `len` bytes of the room reserved last part of the tape.
    pub fn commit(&mut self, pages: &mut Pages<'_>, kind: Kind, len: usize) {
        if len == 0 {
            return;
        }
        let merged = self.last_kind(pages) == Some(kind as u8);
        if !merged {
            self.segment = self.used.saturating_add(1);
            self.used = self.used.saturating_add(PREFIX_LEN);
        }
        let at = usize::from(self.segment).saturating_sub(1);
        let bytes = pages.bytes_mut(self.tail);
        if let Some([kind_byte, _, low, high]) = bytes.get_mut(at..at.saturating_add(PREFIX_BYTES))
        {
            let before = if merged {
                u16::from_le_bytes([*low, *high])
            } else {
                0
            };
            let total = before.saturating_add(u16::try_from(len).unwrap_or(0));
            *kind_byte = kind as u8;
            [*low, *high] = total.to_le_bytes();
            self.used = self.used.saturating_add(u16::try_from(len).unwrap_or(0));
        }
        pages.set_used(self.tail, usize::from(self.used));
    }

    /// Appends all of `bytes`, or nothing: `false` if the pools are exhausted.
    pub fn append(&mut self, pages: &mut Pages<'_>, kind: Kind, bytes: &[u8]) -> bool {
        let before = *self;
        let before_last = self.last_len(pages);
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(room) = self.reserve(pages, kind, rest.len(), Need::Must) else {
                self.roll_back(pages, before, before_last);
                return false;
            };
            let len = copy(room, rest);
            self.commit(pages, kind, len);
            rest = rest.get(len..).unwrap_or_default();
        }
        true
    }

    /// Calls `each` with every run of bytes of `kind`, in order.
    pub fn each<F: FnMut(&[u8])>(&self, pages: &Pages<'_>, kind: Kind, mut each: F) {
        let mut page = self.head;
        while !page.is_none() {
            let mut rest = pages
                .bytes(page)
                .get(..pages.used(page))
                .unwrap_or_default();
            while let Some(([segment_kind, _, low, high], behind)) =
                rest.split_first_chunk::<PREFIX_BYTES>()
            {
                let len = usize::from(u16::from_le_bytes([*low, *high]));
                if *segment_kind == kind as u8 {
                    each(behind.get(..len).unwrap_or_default());
                }
                rest = behind.get(len..).unwrap_or_default();
            }
            page = pages.next(page);
        }
    }

    /// Bytes of `kind`.
    pub fn len(&self, pages: &Pages<'_>, kind: Kind) -> usize {
        let mut len = 0_usize;
        self.each(pages, kind, |run| len = len.saturating_add(run.len()));
        len
    }

    /// Gives back all pages.
    pub fn clear(&mut self, pages: &mut Pages<'_>) {
        pages.give_back(self.head);
        *self = Self::EMPTY;
    }

    fn link(&mut self, pages: &mut Pages<'_>, page: PageRef) {
        if self.tail.is_none() {
            self.head = page;
        } else {
            pages.set_next(self.tail, page);
        }
        self.tail = page;
        self.used = 0;
        self.segment = 0;
    }

    fn last_prefix<'p>(&self, pages: &'p Pages<'_>) -> Option<&'p [u8; PREFIX_BYTES]> {
        let at = usize::from(self.segment).checked_sub(1)?;
        pages.bytes(self.tail).get(at..)?.first_chunk()
    }

    fn last_kind(&self, pages: &Pages<'_>) -> Option<u8> {
        self.last_prefix(pages).map(|[kind, ..]| *kind)
    }

    fn last_len(&self, pages: &Pages<'_>) -> [u8; 2] {
        self.last_prefix(pages)
            .map_or([0; 2], |[_, _, low, high]| [*low, *high])
    }

    fn roll_back(&mut self, pages: &mut Pages<'_>, before: Self, last_len: [u8; 2]) {
        let behind = if before.tail.is_none() {
            self.head
        } else {
            pages.next(before.tail)
        };
        pages.give_back(behind);
        if before.tail.is_none() {
            *self = Self::EMPTY;
            return;
        }
        *self = before;
        pages.set_next(self.tail, PageRef::NONE);
        pages.set_used(self.tail, usize::from(self.used));
        if let Some(at) = usize::from(self.segment).checked_sub(1) {
            let bytes = pages.bytes_mut(self.tail);
            if let Some([_, _, low, high]) = bytes.get_mut(at..at.saturating_add(PREFIX_BYTES)) {
                [*low, *high] = last_len;
            }
        }
    }
}

fn take(pages: &mut Pages<'_>, want: usize, need: Need) -> Option<PageRef> {
    if want
        <= SMALL_BYTES
            .saturating_mul(2)
            .saturating_sub(PREFIX_BYTES.saturating_mul(2))
    {
        return pages.take(Size::Small);
    }
    let page = pages.take(Size::Large);
    if page.is_none() && need == Need::Must {
        return pages.take(Size::Small);
    }
    page
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pages::{LargePage, SmallPage};

    fn read(tape: &Tape, pages: &Pages<'_>, kind: Kind) -> Vec<u8> {
        let mut bytes = Vec::new();
        tape.each(pages, kind, |run| bytes.extend_from_slice(run));
        bytes
    }

    #[test]
    fn a_usual_unary_call_takes_one_small_page() {
        let (mut small, mut large) = ([SmallPage::EMPTY; 4], [LargePage::EMPTY; 1]);
        let mut pages = Pages::new(&mut small, &mut large);
        let mut tape = Tape::EMPTY;
        for (kind, len) in [
            (Kind::RequestHeaders, 700),
            (Kind::RequestBody, 200),
            (Kind::ResponseHeaders, 150),
            (Kind::ResponseBody, 300),
            (Kind::ResponseTrailers, 60),
        ] {
            assert!(tape.append(&mut pages, kind, &vec![kind as u8; len]));
        }
        assert_eq!(pages.taken(), 1);
        assert_eq!(
            read(&tape, &pages, Kind::ResponseBody),
            vec![Kind::ResponseBody as u8; 300]
        );
        tape.clear(&mut pages);
        assert_eq!(pages.taken(), 0);
    }

    #[test]
    fn bytes_that_do_not_fit_leave_the_tape_as_it_was() {
        let mut small = [SmallPage::EMPTY; 2];
        let mut pages = Pages::new(&mut small, &mut []);
        let mut tape = Tape::EMPTY;
        assert!(tape.append(&mut pages, Kind::RequestHeaders, b"before"));
        assert!(!tape.append(&mut pages, Kind::RequestHeaders, &[7; 8000]));
        assert_eq!(read(&tape, &pages, Kind::RequestHeaders), b"before");
        assert_eq!(pages.taken(), 1);
        assert!(tape.append(&mut pages, Kind::RequestHeaders, b" and after"));
        assert_eq!(
            read(&tape, &pages, Kind::RequestHeaders),
            b"before and after"
        );
    }

    proptest! {
        #[test]
        fn each_part_reads_back_as_it_was_written(
            writes in proptest::collection::vec((0_usize..3, 0_usize..20_000), 0..40)
        ) {
            let mut small = vec![SmallPage::EMPTY; 24];
            let mut large = vec![LargePage::EMPTY; 6];
            let mut pages = Pages::new(&mut small, &mut large);
            let kinds = [Kind::RequestHeaders, Kind::RequestBody, Kind::ResponseBody];
            let mut expected = [Vec::new(), Vec::new(), Vec::new()];
            let mut tape = Tape::EMPTY;
            for (number, (which, len)) in writes.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..len).map(|i| (i + number) as u8).collect();
                if tape.append(&mut pages, kinds[which], &bytes) {
                    expected[which].extend_from_slice(&bytes);
                }
            }
            for (kind, expected) in kinds.into_iter().zip(expected) {
                prop_assert_eq!(tape.len(&pages, kind), expected.len());
                prop_assert_eq!(read(&tape, &pages, kind), expected);
            }
            tape.clear(&mut pages);
            prop_assert_eq!(pages.taken(), 0);
        }
    }
}
