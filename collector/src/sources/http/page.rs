//! The page of `/metrics`, rendered only so often, however often it is asked for.
//!
//! A request for it takes a dozen bytes. Peers that ask without pause, or do not take the answer, share one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::limits::PAGE_AGE_MAX;

/// The last one.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// When it was rendered, and what was.
    last: Mutex<Option<(Duration, Bytes)>>,
}

impl Page {
    /// The page as it is `now`, or was a moment before.
    pub(super) fn at(&self, now: Duration, render: impl FnOnce() -> String) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, page)) if now.saturating_sub(*at) < PAGE_AGE_MAX => page.clone(),
            _ => {
                let page = Bytes::from(render());
                *last = Some((now, page.clone()));
                page
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shared_until_it_is_old() {
        let page = Page::default();
        let first = page.at(Duration::ZERO, || "one".to_owned());
        let same = page.at(PAGE_AGE_MAX / 2, || unreachable!("it is young"));
        assert_eq!(first.as_ptr(), same.as_ptr(), "there is one");
        assert_eq!(page.at(PAGE_AGE_MAX, || "two".to_owned()), "two");
    }
}
