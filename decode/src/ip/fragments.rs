//! Fragments until their datagram is whole: in any order, bounded in bytes and age.
//!
//! Fragments that overlap spoil their datagram (RFC 5722; IPv4 is held to the same), except that a
//! fragment seen twice is taken once, also when its datagram has just become whole. Age is measured
//! in capture time. Whether fragments with one identification are of one datagram, only the
//! checksum of what they carry can tell: senders use identifications again within seconds.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::TCP;
use super::recent::Recent;
use crate::bytes_at;
use crate::link::dissect::Context;
use crate::link::{BreakReason, Tally, reasons};

/// Most bytes of fragments that are held, counting 256 for each datagram and 64 for each piece.
pub const FRAGMENT_BYTES_MAX: usize = 4 << 20;
/// How long a datagram may take to become whole, in capture time.
pub const FRAGMENT_AGE_MAX_NS: u64 = 30_000_000_000;
/// What a datagram or piece costs besides its bytes.
const DATAGRAM_OVERHEAD: usize = 256;
const PIECE_OVERHEAD: usize = 64;
/// Protocols that may carry TCP in a tunnel: IPv4, IPv6, GRE. UDP carries other things more often.
const TUNNELS: [u8; 3] = [4, 41, 47];
/// Largest payload of a datagram.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// What belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FragmentKey {
    source: u128,
    destination: u128,
    tunnel: u64,
    identification: u32,
    /// IPv4 only: IPv6 identifies without it.
    protocol: Option<u8>,
}

impl FragmentKey {
    pub(crate) fn new(context: &Context, identification: u32, protocol: Option<u8>) -> Self {
        Self {
            source: context.source,
            destination: context.destination,
            tunnel: context.tunnel,
            identification,
            protocol,
        }
    }
}

/// One fragment, as its packet has it.
#[derive(Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) key: FragmentKey,
    pub(crate) unix_ns: u64,
    /// What the datagram carries.
    pub(crate) protocol: u8,
    /// Where in the datagram it belongs, in bytes.
    pub(crate) offset: usize,
    /// Do more fragments follow?
    pub(crate) more: bool,
    pub(crate) bytes: &'a [u8],
    /// Is the end of it missing?
    pub(crate) is_cut: bool,
    /// What the headers before it said.
    pub(crate) context: Context,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Held {
    Waiting,
    Whole(Vec<u8>),
    Cut,
    Broken(BreakReason),
}

reasons! {
    /// Why fragments that were held led to nothing.
    DropReason {
        /// They overlap, or disagree about the datagram's end.
        Overlap = "overlap",
        /// The rest did not come in time.
        Timeout = "timeout",
        /// They were the oldest when the limit on bytes was reached.
        Evicted = "evicted",
        /// Seen before.
        Duplicate = "duplicate",
        /// What they made has another checksum: they are of different datagrams.
        Checksum = "checksum",
    }
}

/// What became of the fragments: `held = joined + dropped{reason}` + those still waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCounters {
    /// Fragments taken in, without the ones that made a datagram whole. One of which it turns out that they did
    /// not is counted here as well as among what is broken.
    pub held: u64,
    /// Held fragments that became part of a whole datagram.
    pub joined: u64,
    /// Held fragments that did not.
    pub dropped: Tally<DropReason>,
    /// Datagrams made whole.
    pub datagrams: u64,
    /// Datagrams that are not whole, also those that still wait, and may have been of TCP and a
    /// wanted port.
    pub lost_datagrams: u64,
}

impl FragmentCounters {
    /// Held fragments that wait for the rest of their datagram.
    pub fn waiting(&self) -> u64 {
        self.held
            .saturating_sub(self.joined)
            .saturating_sub(self.dropped.total())
    }
}

/// Datagrams that are not whole yet.
#[derive(Debug, Default)]
pub struct Fragments {
    datagrams: HashMap<FragmentKey, Datagram, RandomState>,
    /// Keys in the order of their first fragment, with that fragment's time.
    order: VecDeque<(u64, FragmentKey)>,
    bytes: usize,
    /// Fragments of datagrams that have become whole.
    recent: Recent,
    /// TCP ports of which a loss matters; none: all.
    wanted_ports: Vec<u16>,
    /// Held fragments of the datagram that became whole last.
    joined_last: u64,
    counters: FragmentCounters,
}

#[derive(Debug, Default)]
struct Datagram {
    since_unix_ns: u64,
    protocol: u8,
    /// Of TCP, once the first fragment has come.
    ports: Option<[u16; 2]>,
    pieces: BTreeMap<usize, Vec<u8>>,
    pieces_len: usize,
    len: Option<usize>,
    /// Fragments held for it.
    fragments_count: u64,
    /// Overlapping fragments have been seen: whatever comes is dropped.
    is_spoiled: bool,
}

impl Fragments {
    /// Without fragments; datagrams of other TCP ports than these, if there are any, are no loss.
    pub(crate) fn new(wanted_ports: Vec<u16>) -> Self {
        Self {
            wanted_ports,
            ..Self::default()
        }
    }

    /// What became of the fragments so far.
    pub fn counters(&self) -> FragmentCounters {
        let wait = self.datagrams.values();
        let wait = wait.filter(|datagram| datagram.is_loss(&self.wanted_ports));
        FragmentCounters {
            lost_datagrams: self.counters.lost_datagrams + bytes_at::count(wait.count()),
            ..self.counters
        }
    }

    /// Fragments that wait for the rest of their datagram.
    pub fn waiting(&self) -> u64 {
        let datagrams = self.datagrams.values();
        datagrams.map(|datagram| datagram.fragments_count).sum()
    }

    pub(crate) fn add(&mut self, fragment: &Fragment<'_>) -> Held {
        if fragment.is_cut {
            return Held::Cut;
        }
        let end = fragment.offset + fragment.bytes.len();
        if fragment.bytes.is_empty() || end > DATAGRAM_LEN_MAX {
            return Held::Broken(BreakReason::Fragment);
        }
        self.expire(fragment.unix_ns);
        if self.recent.has(fragment) {
            self.counters.held += 1;
            self.counters.dropped.add(DropReason::Duplicate, 1);
            return Held::Waiting;
        }
        let datagram = self.datagrams.entry(fragment.key).or_insert_with(|| {
            self.order.push_back((fragment.unix_ns, fragment.key));
            self.bytes += DATAGRAM_OVERHEAD;
            Datagram {
                since_unix_ns: fragment.unix_ns,
                protocol: fragment.protocol,
                ..Datagram::default()
            }
        });
        let before = datagram.cost();
        let is_loss = datagram.is_loss(&self.wanted_ports);
        let placed = datagram.place(fragment, end);
        self.bytes = self.bytes - before + datagram.cost();
        match placed {
            Placed::Duplicate => self.counters.dropped.add(DropReason::Duplicate, 1),
            Placed::Spoiled => {
                let lost = std::mem::take(&mut datagram.fragments_count) + 1;
                self.counters.dropped.add(DropReason::Overlap, lost);
                self.counters.lost_datagrams += u64::from(is_loss);
            }
            Placed::Waiting => datagram.fragments_count += 1,
            Placed::Whole => {
                let joined = datagram.fragments_count;
                if let Some(datagram) = self.remove(&fragment.key) {
                    self.joined_last = joined;
                    self.counters.joined += joined;
                    self.counters.datagrams += 1;
                    self.recent.add(fragment, &datagram.pieces);
                    return Held::Whole(datagram.into_bytes());
                }
            }
        }
        self.counters.held += 1;
        while self.bytes > FRAGMENT_BYTES_MAX && self.drop_oldest(DropReason::Evicted) {}
        Held::Waiting
    }

    /// The datagram that `fragment` made whole is none: it may be the first of another.
    pub(crate) fn begin_again(&mut self, fragment: &Fragment<'_>) {
        self.recent.forget(&fragment.key);
        let joined = std::mem::take(&mut self.joined_last);
        self.counters.datagrams = self.counters.datagrams.saturating_sub(1);
        self.counters.joined = self.counters.joined.saturating_sub(joined);
        self.counters.dropped.add(DropReason::Checksum, joined);
        self.add(fragment);
    }

    fn expire(&mut self, now_unix_ns: u64) {
        while let Some((since, _)) = self.order.front()
            && now_unix_ns.saturating_sub(*since) > FRAGMENT_AGE_MAX_NS
        {
            self.drop_oldest(DropReason::Timeout);
        }
    }

    /// Drops the datagram that began first; an order entry may be of one that is gone.
    fn drop_oldest(&mut self, reason: DropReason) -> bool {
        let Some((since, key)) = self.order.pop_front() else {
            return false;
        };
        let is_current = |datagram: &Datagram| datagram.since_unix_ns == since;
        if self.datagrams.get(&key).is_some_and(is_current)
            && let Some(datagram) = self.remove(&key)
        {
            self.counters.dropped.add(reason, datagram.fragments_count);
            let is_loss = datagram.is_loss(&self.wanted_ports);
            self.counters.lost_datagrams += u64::from(is_loss);
        }
        true
    }

    fn remove(&mut self, key: &FragmentKey) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.bytes -= DATAGRAM_OVERHEAD + datagram.cost();
        // Whole datagrams leave their place in the order behind; it goes with the next sweep.
        if self.order.len() > 2 * self.datagrams.len() + 64 {
            self.order.retain(|(since, key)| {
                let datagram = self.datagrams.get(key);
                datagram.is_some_and(|datagram| datagram.since_unix_ns == *since)
            });
        }
        Some(datagram)
    }
}

enum Placed {
    Waiting,
    Whole,
    Duplicate,
    Spoiled,
}

impl Datagram {
    fn cost(&self) -> usize {
        self.pieces_len + self.pieces.len() * PIECE_OVERHEAD
    }

    /// Does it matter that it is not whole? A spoiled one has been counted.
    fn is_loss(&self, wanted_ports: &[u16]) -> bool {
        let is_wanted = |port: &u16| wanted_ports.is_empty() || wanted_ports.contains(port);
        let may_be_wanted = match self.protocol {
            TCP => self.ports.is_none_or(|ports| ports.iter().any(is_wanted)),
            protocol => TUNNELS.contains(&protocol),
        };
        may_be_wanted && !self.is_spoiled
    }

    fn place(&mut self, fragment: &Fragment<'_>, end: usize) -> Placed {
        if self.is_spoiled {
            return Placed::Spoiled;
        }
        let start = fragment.offset;
        let before = self.pieces.range(..end).next_back();
        if let Some((at, piece)) = before
            && at + piece.len() > start
        {
            return if *at == start && piece == fragment.bytes {
                Placed::Duplicate
            } else {
                self.spoil()
            };
        }
        // The end is where the last fragment says; all but the last come in units of 8 bytes.
        let contradicts = match (self.len, fragment.more) {
            (Some(len), true) => end > len,
            (Some(_), false) => true,
            (None, true) => false,
            (None, false) => self.pieces.range(end..).next().is_some(),
        };
        if contradicts || fragment.more && !end.is_multiple_of(8) {
            return self.spoil();
        }
        if !fragment.more {
            self.len = Some(end);
        }
        if start == 0 {
            let ports = [0, 2].map(|at| bytes_at::be16(fragment.bytes, at).unwrap_or(0));
            self.ports = Some(ports);
        }
        self.pieces.insert(start, fragment.bytes.to_vec());
        self.pieces_len += fragment.bytes.len();
        match self.len {
            Some(len) if len == self.pieces_len => Placed::Whole,
            _ => Placed::Waiting,
        }
    }

    fn spoil(&mut self) -> Placed {
        self.pieces.clear();
        self.pieces_len = 0;
        self.is_spoiled = true;
        Placed::Spoiled
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pieces_len);
        for piece in self.pieces.into_values() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }
}
