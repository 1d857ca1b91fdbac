//! Things that a connection has two of.

use crate::stream::Way;

/// Something of each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways<T> {
    forward: T,
    reverse: T,
}

impl<T> Ways<T> {
    pub(crate) fn new(forward: T, reverse: T) -> Self {
        Self { forward, reverse }
    }

    #[inline]
    pub(crate) fn of(&self, way: Way) -> &T {
        match way {
            Way::Forward => &self.forward,
            Way::Reverse => &self.reverse,
        }
    }

    #[inline]
    pub(crate) fn of_mut(&mut self, way: Way) -> &mut T {
        match way {
            Way::Forward => &mut self.forward,
            Way::Reverse => &mut self.reverse,
        }
    }
}

/// The other way.
pub(crate) fn opposite(way: Way) -> Way {
    match way {
        Way::Forward => Way::Reverse,
        Way::Reverse => Way::Forward,
    }
}
