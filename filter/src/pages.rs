//! Memory of open streams: two fixed pools of pages, linked by index.
//!
//! Contract: a page is in one list at a time: free, never used, or a stream's tape. All-zero memory
//! is a valid empty pool, so a static one costs no bytes in the module, and pages that were never
//! needed are never touched. Exhaustion is an answer (`None`), not an error.

/// Payload of a small page: the headers of a usual call, or a small message.
pub const SMALL_BYTES: usize = 2048 - 8;
/// Payload of a large page: one HTTP/2 DATA frame of the default maximum, and a little more.
pub const LARGE_BYTES: usize = 16 * 1024 + 256 - 8;

/// A page of `N` bytes of payload.
#[derive(Clone, Copy, Debug)]
pub struct Page<const N: usize> {
    next: PageRef,
    used: u16,
    bytes: [u8; N],
}

impl<const N: usize> Page<N> {
    /// A page in no list.
    pub const EMPTY: Self = Self {
        next: PageRef::NONE,
        used: 0,
        bytes: [0; N],
    };
}

/// A small page.
pub type SmallPage = Page<SMALL_BYTES>;
/// A large page.
pub type LargePage = Page<LARGE_BYTES>;

/// Names a page of either pool, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRef(u16);

/// Which of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// [`SMALL_BYTES`].
    Small,
    /// [`LARGE_BYTES`].
    Large,
}

impl PageRef {
    /// No page; all zero.
    pub const NONE: Self = Self(0);
    const LARGE: u16 = 0x8000;

    fn new(size: Size, index: u16) -> Self {
        let number = index.saturating_add(1) & !Self::LARGE;
        Self(if size == Size::Large {
            number | Self::LARGE
        } else {
            number
        })
    }

    /// Does it name no page?
    pub fn is_none(self) -> bool {
        self.0 & !Self::LARGE == 0
    }

    /// Which pool it is from.
    pub fn size(self) -> Size {
        if self.0 & Self::LARGE == 0 {
            Size::Small
        } else {
            Size::Large
        }
    }

    fn index(self) -> usize {
        usize::from(self.0 & !Self::LARGE).wrapping_sub(1)
    }
}

/// Free list of one pool: pages given back, then those never used.
#[derive(Debug)]
struct Free {
    head: PageRef,
    untouched: u16,
    taken: u16,
}

impl Free {
    const ALL: Self = Self {
        head: PageRef::NONE,
        untouched: 0,
        taken: 0,
    };
}

/// Both pools.
#[derive(Debug)]
pub struct Pages<'m> {
    small: &'m mut [SmallPage],
    large: &'m mut [LargePage],
    free_small: Free,
    free_large: Free,
}

impl<'m> Pages<'m> {
    /// Pools over zeroed memory; at most 32 767 pages of each size are used.
    pub fn new(small: &'m mut [SmallPage], large: &'m mut [LargePage]) -> Self {
        Self {
            small,
            large,
            free_small: Free::ALL,
            free_large: Free::ALL,
        }
    }

    /// Pages in use, of both sizes.
    pub fn taken(&self) -> u32 {
        u32::from(self.free_small.taken).saturating_add(u32::from(self.free_large.taken))
    }

    /// Takes an empty page.
    pub fn take(&mut self, size: Size) -> Option<PageRef> {
        let (free, count) = match size {
            Size::Small => (&mut self.free_small, self.small.len()),
            Size::Large => (&mut self.free_large, self.large.len()),
        };
        let page = if !free.head.is_none() {
            free.head
        } else if usize::from(free.untouched) < count.min(0x7fff) {
            let page = PageRef::new(size, free.untouched);
            free.untouched = free.untouched.saturating_add(1);
            page
        } else {
            return None;
        };
        let next = if free.head.is_none() {
            PageRef::NONE
        } else {
            self.next(page)
        };
        let free = self.free(size);
        free.head = next;
        free.taken = free.taken.saturating_add(1);
        self.set_next(page, PageRef::NONE);
        self.set_used(page, 0);
        Some(page)
    }

    /// Gives back `first` and all pages linked behind it.
    pub fn give_back(&mut self, first: PageRef) {
        let mut page = first;
        while !page.is_none() {
            let next = self.next(page);
            let free = self.free(page.size());
            let head = free.head;
            free.head = page;
            free.taken = free.taken.saturating_sub(1);
            self.set_next(page, head);
            page = next;
        }
    }

    fn free(&mut self, size: Size) -> &mut Free {
        match size {
            Size::Small => &mut self.free_small,
            Size::Large => &mut self.free_large,
        }
    }

    /// The page linked behind `page`.
    pub fn next(&self, page: PageRef) -> PageRef {
        match page.size() {
            Size::Small => self
                .small
                .get(page.index())
                .map_or(PageRef::NONE, |page| page.next),
            Size::Large => self
                .large
                .get(page.index())
                .map_or(PageRef::NONE, |page| page.next),
        }
    }

    /// Links `next` behind `page`.
    pub fn set_next(&mut self, page: PageRef, next: PageRef) {
        match page.size() {
            Size::Small => {
                if let Some(page) = self.small.get_mut(page.index()) {
                    page.next = next;
                }
            }
            Size::Large => {
                if let Some(page) = self.large.get_mut(page.index()) {
                    page.next = next;
                }
            }
        }
    }

    /// Bytes in use of `page`.
    pub fn used(&self, page: PageRef) -> usize {
        usize::from(match page.size() {
            Size::Small => self.small.get(page.index()).map_or(0, |page| page.used),
            Size::Large => self.large.get(page.index()).map_or(0, |page| page.used),
        })
    }

    /// Sets how many bytes of `page` are in use.
    pub fn set_used(&mut self, page: PageRef, used: usize) {
        let used = u16::try_from(used).unwrap_or(0);
        match page.size() {
            Size::Small => {
                if let Some(page) = self.small.get_mut(page.index()) {
                    page.used = used;
                }
            }
            Size::Large => {
                if let Some(page) = self.large.get_mut(page.index()) {
                    page.used = used;
                }
            }
        }
    }

    /// The payload of `page`, used or not.
    pub fn bytes(&self, page: PageRef) -> &[u8] {
        match page.size() {
            Size::Small => self
                .small
                .get(page.index())
                .map_or(&[], |page| &page.bytes[..]),
            Size::Large => self
                .large
                .get(page.index())
                .map_or(&[], |page| &page.bytes[..]),
        }
    }

    /// The payload of `page`, used or not.
    pub fn bytes_mut(&mut self, page: PageRef) -> &mut [u8] {
        match page.size() {
            Size::Small => self
                .small
                .get_mut(page.index())
                .map_or(&mut [], |page| &mut page.bytes),
            Size::Large => self
                .large
                .get_mut(page.index())
                .map_or(&mut [], |page| &mut page.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pool_answers_none_and_serves_again_what_came_back() {
        let (mut small, mut large) = ([SmallPage::EMPTY; 2], [LargePage::EMPTY; 1]);
        let mut pages = Pages::new(&mut small, &mut large);
        let first = pages.take(Size::Small).unwrap();
        let second = pages.take(Size::Small).unwrap();
        assert_ne!(first, second);
        assert_eq!(pages.take(Size::Small), None);
        pages.set_next(first, second);
        pages.give_back(first);
        assert_eq!(pages.taken(), 0);
        assert!(pages.take(Size::Small).is_some() && pages.take(Size::Small).is_some());
        assert!(pages.take(Size::Large).is_some());
        assert_eq!(pages.take(Size::Large), None);
    }
}
