//! Connections in a vector, linked in the order of their last use.

/// Index of a slot.
pub(super) type Index = u32;
const NONE: Index = Index::MAX;

/// Values in slots that are used again, and a list of them from the latest used to the oldest.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<Index>,
    newest: Index,
    oldest: Index,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    newer: Index,
    older: Index,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, index: Index) -> Option<&T> {
        self.slot(index)?.value.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: Index) -> Option<&mut T> {
        self.slot_mut(index)?.value.as_mut()
    }

    /// All values, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// The slot that was not used for longest.
    pub(super) fn oldest(&self) -> Option<Index> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Puts a value in a slot, as the latest used. `None`: there are no more indices.
    pub(super) fn insert(&mut self, value: T) -> Option<Index> {
        let slot = Slot {
            value: Some(value),
            newer: NONE,
            older: NONE,
        };
        let index = match self.free.pop() {
            Some(index) => {
                *self.slot_mut(index)? = slot;
                index
            }
            None => {
                let index = Index::try_from(self.slots.len())
                    .ok()
                    .filter(|index| *index < NONE)?;
                self.slots.push(slot);
                index
            }
        };
        self.len += 1;
        self.link(index);
        Some(index)
    }

    /// Empties a slot.
    pub(super) fn remove(&mut self, index: Index) -> Option<T> {
        let value = self.slot_mut(index)?.value.take()?;
        self.unlink(index);
        self.free.push(index);
        self.len -= 1;
        Some(value)
    }

    /// Makes a slot the latest used.
    pub(super) fn touch(&mut self, index: Index) {
        if index != self.newest {
            self.unlink(index);
            self.link(index);
        }
    }

    fn link(&mut self, index: Index) {
        let older = std::mem::replace(&mut self.newest, index);
        if let Some(slot) = self.slot_mut(index) {
            (slot.newer, slot.older) = (NONE, older);
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = index,
            None => self.oldest = index,
        }
    }

    fn unlink(&mut self, index: Index) {
        let Some((newer, older)) = self.slot(index).map(|slot| (slot.newer, slot.older)) else {
            return;
        };
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    #[inline]
    fn slot(&self, index: Index) -> Option<&Slot<T>> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    #[inline]
    fn slot_mut(&mut self, index: Index) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::try_from(index).ok()?)
    }
}
