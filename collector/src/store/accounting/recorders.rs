//! Who recorded calls, as the accounting files of a data directory know.

use std::collections::HashMap;

use uuid::Uuid;

use super::Accounting;

/// What is known of the recorder of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorder {
    /// Its figures are there, or were summed up with those of others.
    Accounted,
    /// They are of an ingest that did not come to its end.
    Partial,
    /// There are none: what else it recorded, and what it lost, nobody knows.
    Unknown,
}

/// All of a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorders {
    /// By id: did it come to its end?
    known: HashMap<[u8; 16], Recorder>,
    /// Does the collector no longer name all of which it heard?
    are_some_forgotten: bool,
}

impl Recorders {
    /// Those that the files `all` tell of.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Accounting>) -> Self {
        let mut recorders = Self::default();
        for accounting in all {
            let recorder = match accounting.is_partial {
                true => Recorder::Partial,
                false => Recorder::Accounted,
            };
            let ids = accounting.producer_ids();
            let ids = ids.map(|id| (id.into_bytes(), recorder));
            recorders.known.extend(ids);
            recorders.are_some_forgotten |= accounting.forgotten_count > 0;
        }
        recorders
    }

    /// What is known of who recorded a call. Those of captures (`is_of_run`) are never forgotten.
    pub fn recorder(&self, producer_id: &[u8; 16], is_of_run: bool) -> Recorder {
        match self.known.get(producer_id) {
            Some(known) => *known,
            None if self.are_some_forgotten && !is_of_run => Recorder::Accounted,
            None => Recorder::Unknown,
        }
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.known.keys().copied().map(Uuid::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounting::Figures;

    #[test]
    fn only_the_collector_forgets() {
        let capture = Accounting::of_capture(&[1; 16], Figures::default(), 0, 0);
        let partial = Accounting {
            is_partial: true,
            ..Accounting::of_capture(&[2; 16], Figures::default(), 1, 0)
        };
        let collector = Accounting {
            forgotten_count: 1,
            ..Accounting::default()
        };
        let captures = Recorders::of([&capture, &partial]);
        let all = Recorders::of([&capture, &partial, &collector]);
        for recorders in [&captures, &all] {
            assert_eq!(recorders.recorder(&[1; 16], true), Recorder::Accounted);
            assert_eq!(recorders.recorder(&[2; 16], true), Recorder::Partial);
            assert_eq!(recorders.recorder(&[3; 16], true), Recorder::Unknown);
        }
        assert_eq!(captures.recorder(&[3; 16], false), Recorder::Unknown);
        assert_eq!(all.recorder(&[3; 16], false), Recorder::Accounted);
    }
}
