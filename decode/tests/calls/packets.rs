//! A capture as its packets, with what each carries: to leave some out, and to know which calls
//! that touches.

use std::collections::{BTreeMap, BTreeSet};

/// Client port and stream.
pub(crate) type CallKey = (u16, u32);

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET_HEADER: usize = 14;
const PREFACE: usize = 24;
const FRAME_HEADER: usize = 9;
const SYN: u8 = 2;
/// DATA, HEADERS and CONTINUATION: the frames that calls are made of.
const CALL_FRAMES: [u8; 3] = [0, 1, 9];

/// A classic little-endian capture of Ethernet, IPv4 and nothing lost.
pub(crate) struct Packets<'a> {
    header: &'a [u8],
    records: Vec<&'a [u8]>,
    /// By packet: the calls whose frames it has bytes of.
    calls: Vec<Vec<CallKey>>,
}

struct Segment<'a> {
    source: u16,
    destination: u16,
    seq: u32,
    is_syn: bool,
    payload: &'a [u8],
}

/// One way of a connection: by client port, and whether the client sends.
type Way = (u16, bool);

impl<'a> Packets<'a> {
    pub(crate) fn read(capture: &'a [u8], server_ports: &[u16]) -> Self {
        let (header, mut rest) = capture.split_at(FILE_HEADER);
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap());
            let (record, after) = rest.split_at(RECORD_HEADER + usize::try_from(length).unwrap());
            records.push(record);
            rest = after;
        }
        let calls = calls_of(&records, server_ports);
        Self {
            header,
            records,
            calls,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// When a packet was captured.
    pub(crate) fn unix_us(&self, index: usize) -> u64 {
        let number = |at: usize| {
            let bytes = self.records[index][at..at + 4].try_into().unwrap();
            u64::from(u32::from_le_bytes(bytes))
        };
        number(0) * 1_000_000 + number(4)
    }

    /// The capture that has these packets, in this order.
    pub(crate) fn capture(&self, order: &[usize]) -> Vec<u8> {
        let mut capture = self.header.to_vec();
        for index in order {
            capture.extend_from_slice(self.records[*index]);
        }
        capture
    }

    /// The calls that lack bytes in a capture of these packets only.
    pub(crate) fn touched(&self, kept: &[usize]) -> BTreeSet<CallKey> {
        let kept: BTreeSet<_> = kept.iter().collect();
        let lost = (0..self.len()).filter(|index| !kept.contains(index));
        lost.flat_map(|index| self.calls[index].iter().copied())
            .collect()
    }
}

fn segment(record: &[u8]) -> Segment<'_> {
    let ip = &record[RECORD_HEADER + ETHERNET_HEADER..];
    let u16_at = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let tcp = &ip[usize::from(ip[0] & 15) * 4..usize::from(u16_at(ip, 2))];
    Segment {
        source: u16_at(tcp, 0),
        destination: u16_at(tcp, 2),
        seq: u32::from_be_bytes(tcp[4..8].try_into().unwrap()),
        is_syn: tcp[13] & SYN != 0,
        payload: &tcp[usize::from(tcp[12] >> 4) * 4..],
    }
}

fn calls_of(records: &[&[u8]], server_ports: &[u16]) -> Vec<Vec<CallKey>> {
    let mut first = BTreeMap::<Way, u32>::new();
    let mut streams = BTreeMap::<Way, Vec<u8>>::new();
    let mut places = Vec::new();
    for record in records {
        let segment = segment(record);
        let from_client = server_ports.contains(&segment.destination);
        let client = if from_client {
            segment.source
        } else {
            segment.destination
        };
        let way = (client, from_client);
        if segment.is_syn {
            let seq = segment.seq.wrapping_add(1);
            assert_eq!(
                *first.entry(way).or_insert(seq),
                seq,
                "a port is used twice"
            );
        }
        let at = usize::try_from(segment.seq.wrapping_sub(first[&way])).unwrap();
        let range = if segment.payload.is_empty() {
            0..0
        } else {
            at..at + segment.payload.len()
        };
        let stream = streams.entry(way).or_default();
        stream.resize(stream.len().max(range.end), 0);
        stream[range.clone()].copy_from_slice(segment.payload);
        places.push((way, range));
    }
    let frames: BTreeMap<_, _> = streams
        .iter()
        .map(|(way, bytes)| (*way, frames(bytes, if way.1 { PREFACE } else { 0 })))
        .collect();
    let overlapping = |(way, range): &(Way, std::ops::Range<usize>)| {
        let of_way = &frames[way];
        let begin = of_way.partition_point(|(_, frame)| frame.end <= range.start);
        let inside = of_way[begin..].iter();
        inside
            .take_while(|(_, frame)| frame.start < range.end)
            .map(|(stream, _)| (way.0, *stream))
            .collect()
    };
    places.iter().map(overlapping).collect()
}

/// Stream and bytes of each frame that belongs to a call.
fn frames(bytes: &[u8], mut at: usize) -> Vec<(u32, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    while let Some(header) = bytes.get(at..at + FRAME_HEADER) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let end = at + FRAME_HEADER + usize::try_from(length).unwrap();
        let stream = u32::from_be_bytes(header[5..9].try_into().unwrap()) & (u32::MAX >> 1);
        if CALL_FRAMES.contains(&header[3]) {
            found.push((stream, at..end));
        }
        at = end;
    }
    found
}
