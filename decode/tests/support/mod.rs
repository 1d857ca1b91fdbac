//! What the tests of the lower half share: recorded streams, hand-made packets, captures.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

pub(crate) mod conversation;
pub(crate) mod files;
pub(crate) mod frames;
pub(crate) mod packets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twintap_decode::capture::{Damage, Packet, Reader, ReaderCounters, Step};
use twintap_decode::ip::FragmentCounters;
use twintap_decode::link::{Dissection, Dissector, LinkConfig, LinkCounters, Segment};
use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tcp::{Connection, Connections, Limits, TcpCounters, Tracker};

/// What was said of one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) start: Option<Start>,
    /// Runs of bytes by their offset, with gaps between them.
    pub(crate) runs: BTreeMap<u64, Vec<u8>>,
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) len: u64,
    pub(crate) ending: Option<Ending>,
}

impl Stream {
    pub(crate) fn whole(&self) -> Vec<u8> {
        assert!(self.gaps.is_empty(), "{:?}", self.gaps);
        self.runs.values().flatten().copied().collect()
    }

    fn push(&mut self, bytes: &[u8]) {
        let at = self.len;
        self.len += u64::try_from(bytes.len()).unwrap();
        if let Some((start, run)) = self.runs.iter_mut().next_back()
            && start + u64::try_from(run.len()).unwrap() == at
        {
            run.extend_from_slice(bytes);
            return;
        }
        self.runs.insert(at, bytes.to_vec());
    }

    fn skip(&mut self, len: u64) {
        assert!(len > 0, "an empty gap");
        self.gaps.push((self.len, len));
        self.len += len;
    }
}

/// Both ways of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(crate) forward: Stream,
    pub(crate) reverse: Stream,
    /// When it was told the time.
    pub(crate) times: Vec<u64>,
}

impl Streams {
    fn way(&mut self, way: Way) -> &mut Stream {
        match way {
            Way::Forward => &mut self.forward,
            Way::Reverse => &mut self.reverse,
        }
    }
}

impl ByteSink for Streams {
    fn start(&mut self, _: u64, way: Way, start: Start) {
        let stream = self.way(way);
        assert_eq!(stream.start, None, "started twice");
        stream.start = Some(start);
    }

    fn bytes(&mut self, _: u64, way: Way, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "no bytes");
        let stream = self.way(way);
        assert!(stream.start.is_some() && stream.ending.is_none());
        stream.push(bytes);
    }

    fn gap(&mut self, _: u64, way: Way, len: u64) {
        let stream = self.way(way);
        assert!(stream.start.is_some() && stream.ending.is_none());
        stream.skip(len);
    }

    fn time(&mut self, at_unix_ns: u64) {
        self.times.push(at_unix_ns);
    }

    fn end(&mut self, _: u64, way: Way, ending: Ending) {
        let stream = self.way(way);
        assert!(stream.start.is_some(), "ended before it started");
        assert_eq!(stream.ending, None, "ended twice");
        stream.ending = Some(ending);
    }
}

/// Keeps every connection.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) connections: Vec<(Connection, Streams)>,
}

impl Connections for Recorder {
    type Sink = Streams;

    fn open(&mut self, _: &Connection) -> Option<Streams> {
        Some(Streams::default())
    }

    fn close(&mut self, connection: &Connection, streams: Streams) {
        self.connections.push((*connection, streams));
    }
}

/// Everything that the lower half says of a capture.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// In the order of their first bytes.
    pub(crate) connections: Vec<(Connection, Streams)>,
    pub(crate) damages: Vec<Damage>,
    pub(crate) reader: ReaderCounters,
    pub(crate) link: LinkCounters,
    pub(crate) fragments: FragmentCounters,
    pub(crate) tcp: TcpCounters,
}

/// Calls `take` for each packet of a capture that is read in windows of at most `window` bytes.
pub(crate) fn each_packet(
    capture: &[u8],
    window: usize,
    mut take: impl FnMut(&Packet<'_>),
) -> (ReaderCounters, Vec<Damage>) {
    let mut reader = Reader::new();
    let mut damages = Vec::new();
    let (mut begin, mut end) = (0, window.min(capture.len()));
    loop {
        let mut input = &capture[begin..end];
        let step = reader.next(&mut input, end == capture.len());
        begin = end - input.len();
        match step {
            Step::Packet(packet) => take(&packet),
            Step::Secrets(_) => {}
            Step::Broken(damage) => damages.push(damage),
            Step::More(need) => {
                assert!(end < capture.len(), "more after the last");
                end = (begin + need.max(window)).min(capture.len());
            }
            Step::End => return (reader.counters(), damages),
        }
    }
}

/// Decodes a capture in memory.
pub(crate) fn decode(capture: &[u8]) -> Decoded {
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut tracker = Tracker::new(Limits::default(), Recorder::default());
    let (reader, damages) = each_packet(capture, 1 << 20, |packet| {
        if let Dissection::Segment(segment) = dissector.packet(packet) {
            tracker.segment(&segment);
        }
    });
    let (link, fragments) = (dissector.counters(), dissector.fragment_counters());
    assert!(link.adds_up(), "{link:?}");
    assert_eq!(link.packets, reader.packets);
    let (recorder, tcp) = finish(tracker);
    Decoded {
        connections: recorder,
        damages,
        reader,
        link,
        fragments,
        tcp,
    }
}

/// Decodes segments.
pub(crate) fn reassemble<'a>(
    limits: Limits,
    segments: impl IntoIterator<Item = Segment<'a>>,
) -> (Vec<(Connection, Streams)>, TcpCounters) {
    let mut tracker = Tracker::new(limits, Recorder::default());
    for segment in segments {
        tracker.segment(&segment);
        let counters = tracker.counters();
        assert!(counters.adds_up(), "{counters:?}");
    }
    finish(tracker)
}

fn finish(tracker: Tracker<Recorder>) -> (Vec<(Connection, Streams)>, TcpCounters) {
    let (mut recorder, counters) = tracker.finish();
    assert!(counters.adds_up(), "{counters:?}");
    assert_eq!(counters.waiting_bytes, 0);
    assert_eq!(counters.opened, counters.closed);
    recorder.connections.sort_by_key(|(name, _)| name.number);
    (recorder.connections, counters)
}

/// The folder of captures with known truth, if there is one.
pub(crate) fn captures() -> Option<PathBuf> {
    let folder = std::env::var_os("TWINTAP_CAPTURES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TWINTAP_CAPTURES names no folder of captures");
    }
    folder
}

/// Decodes a capture file.
pub(crate) fn decode_file(folder: &Path, name: &str) -> Decoded {
    let path = folder.join(name);
    let capture =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    decode(&capture)
}
