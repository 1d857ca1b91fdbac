//! Packets to segments, sorted by flow: all of a connection's go the same way.

use std::ops::Range;

use twintap_decode::capture::Packet;
use twintap_decode::ip::FragmentCounters;
use twintap_decode::link::{Dissection, Dissector, LinkConfig, LinkCounters, Segment};

/// A segment whose payload is a place in a chunk.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Without its payload.
    segment: Segment<'static>,
    payload: Payload,
}

#[derive(Clone, Debug)]
enum Payload {
    /// In the chunk.
    Place(Range<usize>),
    /// Put together of fragments.
    Own(Box<[u8]>),
}

impl Parcel {
    fn new(segment: &Segment<'_>, chunk: &[u8]) -> Self {
        Self {
            segment: segment.with_payload(&[]),
            payload: match segment.payload_range_in(chunk) {
                Some(place) => Payload::Place(place),
                None => Payload::Own(segment.payload.into()),
            },
        }
    }

    /// The segment; `chunk` is the one it came with.
    pub fn segment<'a>(&'a self, chunk: &'a [u8]) -> Segment<'a> {
        self.segment.with_payload(match &self.payload {
            Payload::Place(place) => chunk.get(place.clone()).unwrap_or_default(),
            Payload::Own(bytes) => bytes,
        })
    }
}

/// Takes packets apart.
#[derive(Debug)]
pub struct Sorter {
    dissector: Dissector,
    /// Of either endpoint; none: all.
    ports: Vec<u16>,
    unwanted_segments: u64,
    /// One pile for each worker.
    piles: Vec<Vec<Parcel>>,
}

impl Sorter {
    /// Sorts into `workers_count` piles, at least one. With `ports`, only segments from or to one of
    /// them.
    pub fn new(config: LinkConfig, ports: Vec<u16>, workers_count: usize) -> Self {
        let config = LinkConfig {
            wanted_ports: ports.clone(),
            ..config
        };
        Self {
            dissector: Dissector::new(config),
            ports,
            unwanted_segments: 0,
            piles: vec![Vec::new(); workers_count.max(1)],
        }
    }

    /// Takes one packet, which is in `chunk`.
    pub fn packet(&mut self, chunk: &[u8], packet: &Packet<'_>) {
        let Dissection::Segment(segment) = self.dissector.packet(packet) else {
            return;
        };
        let is_wanted = |port: &u16| segment.flow.has_port(*port);
        if !self.ports.is_empty() && !self.ports.iter().any(is_wanted) {
            self.unwanted_segments += 1;
            return;
        }
        let hash = usize::try_from(segment.flow.hash(0) >> 32).unwrap_or(0);
        let index = hash % self.piles.len().max(1);
        if let Some(pile) = self.piles.get_mut(index) {
            pile.push(Parcel::new(&segment, chunk));
        }
    }

    /// Takes the pile of one worker away.
    pub fn take(&mut self, index: usize) -> Vec<Parcel> {
        let Some(pile) = self.piles.get_mut(index) else {
            return Vec::new();
        };
        let capacity = pile.len();
        std::mem::replace(pile, Vec::with_capacity(capacity))
    }

    /// Segments of other ports than the wanted.
    pub fn unwanted_segments(&self) -> u64 {
        self.unwanted_segments
    }

    /// What became of packets.
    pub fn counters(&self) -> LinkCounters {
        self.dissector.counters()
    }

    /// What became of fragments.
    pub fn fragment_counters(&self) -> FragmentCounters {
        self.dissector.fragment_counters()
    }
}
