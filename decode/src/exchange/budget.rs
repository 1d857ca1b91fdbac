//! How many bytes exchanges keep that are not handed on: of one connection, and of all together.
//!
//! A connection may keep as much as all together may still take, so that one with endless bodies
//! takes half, and leaves the other half to the others, of whom the same is true.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Default of [`SharedBudget::new`].
const BYTES_MAX_DEFAULT: usize = 256 * 1024 * 1024;

/// Counts the bytes that several connections keep. Clones share the count.
#[derive(Clone, Debug)]
pub struct SharedBudget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    kept_bytes: AtomicUsize,
    bytes_max: usize,
}

impl SharedBudget {
    /// A budget of this many bytes for all connections that share it. Default 256 MiB.
    pub fn new(bytes_max: usize) -> Self {
        let kept_bytes = AtomicUsize::new(0);
        Self(Arc::new(Pool {
            kept_bytes,
            bytes_max,
        }))
    }

    /// What is kept now.
    pub fn kept_bytes(&self) -> usize {
        self.0.kept_bytes.load(Ordering::Relaxed)
    }

    fn free(&self) -> usize {
        self.0.bytes_max.saturating_sub(self.kept_bytes())
    }
}

impl Default for SharedBudget {
    fn default() -> Self {
        Self::new(BYTES_MAX_DEFAULT)
    }
}

/// What one connection keeps. It is given back when the connection goes.
#[derive(Debug, Default)]
pub(super) struct Share {
    budget: SharedBudget,
    kept_bytes: usize,
}

impl Share {
    /// A share of `budget` that is not used yet.
    pub(super) fn of(budget: SharedBudget) -> Self {
        Self {
            budget,
            kept_bytes: 0,
        }
    }

    /// What was `before` is `now`.
    #[inline]
    pub(super) fn settle(&mut self, before: usize, now: usize) {
        self.kept_bytes = self.kept_bytes.saturating_add(now).saturating_sub(before);
        let pool = &self.budget.0.kept_bytes;
        pool.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Does it keep more than it may?
    #[inline]
    pub(super) fn is_over(&self, bytes_max: usize) -> bool {
        self.kept_bytes > bytes_max.min(self.budget.free())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.settle(self.kept_bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_leaves_the_others_as_much_as_it_keeps() {
        let budget = SharedBudget::new(1000);
        let mut hog = Share::of(budget.clone());
        hog.settle(0, 500);
        assert!(!hog.is_over(1000) && hog.is_over(400));
        hog.settle(500, 501);
        assert!(hog.is_over(1000));
        hog.settle(501, 500);
        let mut other = Share::of(budget.clone());
        other.settle(0, 250);
        assert!(!other.is_over(1000));
        drop(hog);
        assert_eq!(budget.kept_bytes(), 250);
    }
}
