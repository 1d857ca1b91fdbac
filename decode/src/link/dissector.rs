//! Packets in, segments out, each packet counted once; fragments wait here for their datagram.

use super::dissect::{Found, Header, Reject, Walk, dissect};
use super::{BreakReason, LinkConfig, LinkCounters, Segment, SkipReason, fast};
use crate::bytes_at;
use crate::capture::{LinkType, Packet};
use crate::ip::{FragmentCounters, Fragments, Held};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dissection<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A fragment, kept until its datagram is whole.
    Held,
    /// Nothing to follow; the counters say why.
    Skipped(SkipReason),
    /// Malformed; the counters say how.
    Broken(BreakReason),
}

/// Takes packets apart. One is enough for any number of captures.
#[derive(Debug, Default)]
pub struct Dissector {
    config: LinkConfig,
    fragments: Fragments,
    /// The datagram that the last fragment made whole.
    datagram: Vec<u8>,
    counters: LinkCounters,
}

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(config: LinkConfig) -> Self {
        Self {
            fragments: Fragments::new(config.wanted_ports.clone()),
            config,
            ..Self::default()
        }
    }

    /// What became of the packets so far.
    pub fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// What became of the fragments so far.
    pub fn fragment_counters(&self) -> FragmentCounters {
        self.fragments.counters()
    }

    /// Takes one packet apart.
    #[inline]
    pub fn packet<'a>(&'a mut self, packet: &Packet<'a>) -> Dissection<'a> {
        self.counters.packets += 1;
        if packet.link_type == LinkType::ETHERNET
            && let Some(segment) = fast::segment(packet.unix_ns, packet.bytes, 0)
        {
            self.counters.segments += 1;
            self.counters.payload_bytes += bytes_at::count(segment.payload.len());
            return Dissection::Segment(segment);
        }
        self.walk(packet)
    }

    /// Takes one packet apart, header by header.
    fn walk<'a>(&'a mut self, packet: &Packet<'a>) -> Dissection<'a> {
        let found = match first_header(packet.link_type) {
            Some(header) => dissect(&self.config, Walk::new(packet), header),
            None => Err(Reject::Skip(SkipReason::LinkType)),
        };
        let found = match found {
            Ok(Found::Fragment(fragment)) => match self.fragments.add(&fragment) {
                Held::Waiting => {
                    self.counters.fragments += 1;
                    return Dissection::Held;
                }
                Held::Whole(datagram) => {
                    self.datagram = datagram;
                    let walk = Walk {
                        unix_ns: packet.unix_ns,
                        bytes: &self.datagram,
                        absent: 0,
                        context: fragment.context,
                        is_joined: true,
                    };
                    let found = dissect(&self.config, walk, Header::Protocol(fragment.protocol));
                    if let Err(Reject::Break(BreakReason::Checksum)) = found {
                        self.fragments.begin_again(&fragment);
                    }
                    found
                }
                Held::Cut => Err(Reject::Skip(SkipReason::FragmentCut)),
                Held::Broken(reason) => Err(Reject::Break(reason)),
            },
            found => found,
        };
        match found {
            Ok(Found::Segment(segment)) => {
                self.counters.segments += 1;
                self.counters.payload_bytes += bytes_at::count(segment.payload.len());
                Dissection::Segment(segment)
            }
            Ok(Found::Fragment(_)) => {
                self.counters.skipped.add(SkipReason::NestedFragment, 1);
                Dissection::Skipped(SkipReason::NestedFragment)
            }
            Err(Reject::Skip(reason)) => {
                self.counters.skipped.add(reason, 1);
                Dissection::Skipped(reason)
            }
            Err(Reject::Break(reason)) => {
                self.counters.broken.add(reason, 1);
                Dissection::Broken(reason)
            }
        }
    }
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(packet: &Packet<'a>) -> Self {
        Self {
            unix_ns: packet.unix_ns,
            bytes: packet.bytes,
            absent: bytes_at::size(packet.original_len).saturating_sub(packet.bytes.len()),
            context: super::dissect::Context::default(),
            is_joined: false,
        }
    }
}

/// What a packet of this link type begins with.
#[inline]
fn first_header(link_type: LinkType) -> Option<Header> {
    Some(match link_type {
        LinkType::ETHERNET => Header::Ethernet,
        LinkType::NULL | LinkType::LOOP => Header::Loopback,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Header::Ip,
        LinkType::IPV4 => Header::Ipv4,
        LinkType::IPV6 => Header::Ipv6,
        LinkType::LINUX_SLL => Header::Sll,
        LinkType::LINUX_SLL2 => Header::Sll2,
        LinkType::PPP | LinkType::PPP_HDLC => Header::Ppp,
        LinkType::PPP_ETHER => Header::PppOe,
        LinkType::PPP_WITH_DIRECTION => Header::PppDirection,
        _ => return None,
    })
}
