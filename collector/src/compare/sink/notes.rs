//! What is kept for those who show both sides: nothing, unless [`Sink::line_up`] was called.

use super::Sink;
use crate::compare::lined_up::{LinedUp, Spot};

impl Sink<'_> {
    /// Keeps from now on what is held against what.
    pub(in crate::compare) fn line_up(&mut self) {
        self.lined_up = Some(Box::default());
    }

    /// Keeps something of the current part and path, if anybody asks for it.
    pub(in crate::compare) fn note(&mut self, note: impl FnOnce(&mut LinedUp, (Spot, &str))) {
        if let Some(lined_up) = &mut self.lined_up {
            let spot = Spot {
                place: self.place,
                message_index: self.message_index,
            };
            note(lined_up, (spot, &self.path));
        }
    }

    /// What was held against what, once all is compared; `None` if nobody asked.
    pub(in crate::compare) fn take_lined_up(&mut self) -> Option<LinedUp> {
        let is_full = self.omitted.all > 0;
        let mut lined_up = self.lined_up.take()?;
        lined_up.is_full = is_full;
        Some(*lined_up)
    }
}
