//! Context id → what the filter knows of that stream: open addressing over fixed memory.
//!
//! Context ids are small consecutive numbers, so they are their own hash. Deletion shifts back
//! instead of leaving tombstones: a look-up that finds nothing (a stream that is not recorded) stays
//! one or two probes for ever. At three quarters full the table refuses: the caller counts it.

/// What the table holds for a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Context id; 0 marks a free place (0 is never the id of a stream).
    context: u32,
    /// Index of the root the context belongs to.
    pub root: u8,
    /// Index of the stream's state plus 1; 0 before request headers.
    pub stream: u16,
}

impl Entry {
    /// A free place; all zero.
    pub const FREE: Self = Self {
        context: 0,
        root: 0,
        stream: 0,
    };
}

/// The table.
#[derive(Debug)]
pub struct Table<'m> {
    entries: &'m mut [Entry],
    mask: usize,
    used: usize,
}

impl<'m> Table<'m> {
    /// A table over zeroed memory, whose length is rounded down to a power of two.
    pub fn new(entries: &'m mut [Entry]) -> Self {
        let mask = match entries.len().checked_ilog2() {
            Some(bits) => (1_usize << bits).wrapping_sub(1),
            None => 0,
        };
        Self {
            entries,
            mask,
            used: 0,
        }
    }

    /// Contexts known.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Is no context known?
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// What is known of `context`.
    pub fn get(&self, context: u32) -> Option<Entry> {
        self.entries.get(self.find(context)?).copied()
    }

    /// Notes `entry` for `context`; `false` if there is no room.
    pub fn insert(&mut self, context: u32, root: u8, stream: u16) -> bool {
        if context == 0 {
            return false;
        }
        let place = match self.find(context) {
            Some(place) => place,
            None => {
                let limit = (self.mask >> 1).saturating_add(self.mask >> 2);
                let Some(place) = self.free_place(context).filter(|_| self.used < limit) else {
                    return false;
                };
                self.used = self.used.saturating_add(1);
                place
            }
        };
        match self.entries.get_mut(place) {
            Some(entry) => {
                *entry = Entry {
                    context,
                    root,
                    stream,
                };
                true
            }
            None => false,
        }
    }

    /// Forgets `context`; answers what was known.
    pub fn remove(&mut self, context: u32) -> Option<Entry> {
        let mut hole = self.find(context)?;
        let removed = self.entries.get(hole).copied()?;
        self.used = self.used.saturating_sub(1);
        let mut probe = hole;
        for _ in 0..self.entries.len() {
            probe = probe.wrapping_add(1) & self.mask;
            let Some(entry) = self.entries.get(probe).copied().filter(|e| e.context != 0) else {
                break;
            };
            // May the entry move to the hole, i.e. is the hole on its way from home to `probe`?
            let home = self.home(entry.context);
            let from_home = probe.wrapping_sub(home) & self.mask;
            let from_hole = probe.wrapping_sub(hole) & self.mask;
            if from_home >= from_hole {
                self.set(hole, entry);
                hole = probe;
            }
        }
        self.set(hole, Entry::FREE);
        Some(removed)
    }

    fn set(&mut self, place: usize, entry: Entry) {
        if let Some(target) = self.entries.get_mut(place) {
            *target = entry;
        }
    }

    fn home(&self, context: u32) -> usize {
        context as usize & self.mask
    }

    fn find(&self, context: u32) -> Option<usize> {
        let mut place = self.home(context);
        for _ in 0..self.entries.len() {
            match self.entries.get(place)?.context {
                0 => return None,
                id if id == context => return Some(place),
                _ => place = place.wrapping_add(1) & self.mask,
            }
        }
        None
    }

    fn free_place(&self, context: u32) -> Option<usize> {
        let mut place = self.home(context);
        for _ in 0..self.entries.len() {
            if self.entries.get(place)?.context == 0 {
                return Some(place);
            }
            place = place.wrapping_add(1) & self.mask;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_table_refuses_and_keeps_what_it_has() {
        let mut entries = [Entry::FREE; 16];
        let mut table = Table::new(&mut entries);
        let taken = (1..=16).filter(|id| table.insert(*id, 0, 0)).count();
        assert!(taken < 16 && taken > 8);
        assert!(table.get(1).is_some() && table.get(16).is_none());
    }

    proptest! {
        #[test]
        fn it_is_a_map(ops in proptest::collection::vec((any::<bool>(), 1_u32..60), 0..400)) {
            let mut entries = [Entry::FREE; 32];
            let mut table = Table::new(&mut entries);
            let mut model = HashMap::new();
            for (number, (insert, id)) in ops.into_iter().enumerate() {
                if insert {
                    if table.insert(id, 1, number as u16) {
                        model.insert(id, number as u16);
                    }
                } else {
                    prop_assert_eq!(table.remove(id).map(|e| e.stream), model.remove(&id));
                }
                for id in 1..60 {
                    prop_assert_eq!(table.get(id).map(|e| e.stream), model.get(&id).copied());
                }
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }
}
