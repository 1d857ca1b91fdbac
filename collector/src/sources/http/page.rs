//! The page of `/metrics`, shared by peers that do not take theirs.
//!
//! A request for it takes a dozen bytes. While one that was rendered a moment ago waits to be taken, others get
//! the same; who takes each before asking for the next always gets a new one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::limits::PAGE_AGE_MAX;

/// The last one.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// When it was rendered, and what was, if an answer still holds it.
    last: Mutex<(Duration, Weak<String>)>,
}

/// Lets answers share one.
struct Shared(Arc<String>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Page {
    /// The page as it is `now`, or was a moment before.
    pub(super) fn at(&self, now: Duration, render: impl FnOnce() -> String) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (rendered, page) = &*last;
        let is_young = now.saturating_sub(*rendered) < PAGE_AGE_MAX;
        let held = page.upgrade().filter(|_| is_young);
        let page = held.unwrap_or_else(|| {
            let page = Arc::new(render());
            *last = (now, Arc::downgrade(&page));
            page
        });
        Bytes::from_owner(Shared(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_taken_is_shared_until_it_is_old() {
        let page = Page::default();
        let first = page.at(Duration::ZERO, || "one".to_owned());
        let same = page.at(PAGE_AGE_MAX / 2, || unreachable!("it is young"));
        assert_eq!(first.as_ptr(), same.as_ptr(), "there is one");
        assert_eq!(page.at(PAGE_AGE_MAX, || "two".to_owned()), "two");
    }

    #[test]
    fn who_took_the_last_page_gets_a_new_one() {
        let page = Page::default();
        drop(page.at(Duration::ZERO, || "one".to_owned()));
        assert_eq!(page.at(Duration::ZERO, || "two".to_owned()), "two");
    }
}
