//! What a watcher makes of a connection.

use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tls::{Connection, Counters, Keys, Outcome};

/// What was handed on of one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    Gap(u64),
    GapUpTo(u64),
}

/// Keeps what is handed on; successive bytes are one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) forward: Vec<Part>,
    pub(crate) reverse: Vec<Part>,
    pub(crate) ended: Vec<Way>,
}

impl Parts {
    pub(crate) fn of(&self, way: Way) -> &[Part] {
        match way {
            Way::Forward => &self.forward,
            Way::Reverse => &self.reverse,
        }
    }

    /// The bytes of a way in which nothing is missing.
    pub(crate) fn whole(&self, way: Way) -> &[u8] {
        match self.of(way) {
            [] => &[],
            [Part::Bytes(bytes)] => bytes,
            other => panic!("{way:?} has {} parts", other.len()),
        }
    }

    fn push(&mut self, way: Way, part: Part) {
        assert!(!self.ended.contains(&way), "something behind the end");
        let parts = match way {
            Way::Forward => &mut self.forward,
            Way::Reverse => &mut self.reverse,
        };
        if let (Some(Part::Bytes(before)), Part::Bytes(bytes)) = (parts.last_mut(), &part) {
            before.extend(bytes);
        } else {
            parts.push(part);
        }
    }
}

impl ByteSink for Parts {
    fn start(&mut self, _: u64, _: Way, _: Start) {}

    fn bytes(&mut self, _: u64, way: Way, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "no bytes");
        self.push(way, Part::Bytes(bytes.to_vec()));
    }

    fn gap(&mut self, _: u64, way: Way, len: u64) {
        assert!(len > 0, "an empty gap");
        self.push(way, Part::Gap(len));
    }

    fn gap_up_to(&mut self, _: u64, way: Way, len_max: u64) {
        assert!(len_max > 0, "an empty gap");
        self.push(way, Part::GapUpTo(len_max));
    }

    fn time(&mut self, _: u64) {}

    fn end(&mut self, _: u64, way: Way, _: Ending) {
        assert!(!self.ended.contains(&way), "ended twice");
        self.ended.push(way);
    }
}

/// Something that TCP says.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bytes(Way, Vec<u8>),
    Gap(Way, u64),
    /// Secrets come.
    Secrets(Vec<u8>),
}

/// What comes of it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) parts: Parts,
    pub(crate) outcome: Outcome,
    pub(crate) counters: Counters,
}

/// Watches a connection whose secrets are in `key_log`.
pub(crate) fn watch(key_log: &[u8], steps: impl IntoIterator<Item = Step>) -> Watched {
    let keys = Keys::default();
    keys.lock().unwrap().add(key_log);
    let mut connection = Connection::new(Keys::clone(&keys), Parts::default());
    connection.start(0, Way::Forward, Start::Seen);
    connection.start(0, Way::Reverse, Start::Seen);
    for step in steps {
        match step {
            Step::Bytes(way, bytes) => connection.bytes(0, way, &bytes),
            Step::Gap(way, len) => connection.gap(0, way, len),
            Step::Secrets(lines) => drop(keys.lock().unwrap().add(&lines)),
        }
        let counters = connection.counters();
        assert!(counters.adds_up(), "{counters:?}");
    }
    connection.end(0, Way::Forward, Ending::Fin);
    connection.end(0, Way::Reverse, Ending::Fin);
    connection.finish();
    let (outcome, counters) = (connection.outcome(), connection.counters());
    assert!(counters.adds_up(), "{counters:?}");
    let parts = connection.into_inner();
    assert_eq!(parts.ended.len(), 2);
    Watched {
        parts,
        outcome,
        counters,
    }
}
