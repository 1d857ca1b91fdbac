//! The walk from a packet's first header to TCP: what each header says comes next.
//!
//! Pure: which fragments belong together is for [`super::Dissector`].

use super::ethernet::{self, ETHERNET};
use super::flow::{Endpoint, FlowKey};
use super::{BreakReason, LAYERS_MAX, LinkConfig, Segment, SkipReason, TUNNELS_MAX};
use super::{checksum, fast, tunnel};
use crate::bytes_at;
use crate::ip::{self, Fragment};

/// Why there is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reject {
    Skip(SkipReason),
    Break(BreakReason),
}

/// What a packet holds.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Segment(Segment<'a>),
    Fragment(Box<Fragment<'a>>),
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Ethernet,
    EtherType(u16),
    /// IPv4 or IPv6, told by the first four bits.
    Ip,
    Ipv4,
    Ipv6,
    /// What an IP header carries, by its protocol number.
    Protocol(u8),
    Mpls,
    /// PPP, perhaps in HDLC framing.
    Ppp,
    PppOe,
    /// BSD loopback.
    Loopback,
    Sll,
    Sll2,
    /// A byte for the direction, then PPP.
    PppDirection,
}

/// The bytes that are left, and what is known from the headers before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) unix_ns: u64,
    pub(crate) bytes: &'a [u8],
    /// Bytes after these that were on the wire and not captured.
    pub(crate) absent: usize,
    pub(crate) context: Context,
    /// Was it put together of fragments? Then only the checksum tells that they belong together.
    pub(crate) is_joined: bool,
}

/// What is known from the headers passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) source: u128,
    pub(crate) destination: u128,
    pub(crate) tunnel: u64,
    pub(crate) tunnels_count: usize,
    pub(crate) layers_count: usize,
}

impl<'a> Walk<'a> {
    /// Why a header that does not fit is not there.
    #[cold]
    pub(crate) fn short(&self, reason: BreakReason) -> Reject {
        match self.absent {
            0 => Reject::Break(reason),
            _ => Reject::Skip(SkipReason::HeadersCut),
        }
    }

    /// Passes a header of `len` bytes.
    #[inline]
    pub(crate) fn pass(&mut self, len: usize, reason: BreakReason) -> Result<(), Reject> {
        match self.bytes.get(len..) {
            Some(rest) => {
                self.bytes = rest;
                Ok(())
            }
            None => Err(self.short(reason)),
        }
    }

    /// Cuts what follows to the length that a header declares: padding goes, and what was not
    /// captured of it is known. Mirrors cut what they wrap, so within a tunnel a length beyond
    /// the end is believed.
    #[inline]
    pub(crate) fn limit(&mut self, len: usize) -> Result<(), Reject> {
        if let Some(bytes) = self.bytes.get(..len) {
            self.bytes = bytes;
            self.absent = 0;
            return Ok(());
        }
        let beyond = len - self.bytes.len();
        if beyond > self.absent && self.context.tunnels_count == 0 {
            return Err(Reject::Break(BreakReason::IpLength));
        }
        self.absent = beyond;
        Ok(())
    }

    /// Notes a tunnel; `id` is `None` where ids do not tell flows apart.
    pub(crate) fn enter(&mut self, kind: u32, id: Option<u32>) -> Result<(), Reject> {
        self.context.tunnels_count += 1;
        if self.context.tunnels_count > TUNNELS_MAX {
            return Err(Reject::Skip(SkipReason::TooDeep));
        }
        if let Some(id) = id {
            self.context.enclose(kind, id);
        }
        Ok(())
    }
}

impl Context {
    /// Adds an id to those that tell equal addresses apart. One id alone is kept as it is.
    pub(crate) fn enclose(&mut self, kind: u32, id: u32) {
        let own = u64::from(kind) << 32 | u64::from(id);
        self.tunnel = self.tunnel.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ own;
    }
}

/// Walks from `header` to a segment or a fragment.
#[inline]
pub(crate) fn dissect<'a>(
    config: &LinkConfig,
    mut walk: Walk<'a>,
    mut header: Header,
) -> Result<Found<'a>, Reject> {
    while walk.context.layers_count < LAYERS_MAX {
        walk.context.layers_count += 1;
        header = match header {
            Header::Ethernet => {
                let tunnel = walk.context.tunnel;
                if !walk.is_joined
                    && let Some(segment) = fast::segment(walk.unix_ns, walk.bytes, tunnel)
                {
                    return Ok(Found::Segment(segment));
                }
                ethernet::ethernet(&mut walk)?
            }
            Header::EtherType(kind) => ethernet::ether_type(config, &mut walk, kind)?,
            Header::Ip => match walk.bytes.first().map(|byte| byte >> 4) {
                Some(4) => Header::Ipv4,
                Some(6) => Header::Ipv6,
                Some(_) => return Err(Reject::Break(BreakReason::IpHeader)),
                None => return Err(walk.short(BreakReason::IpHeader)),
            },
            Header::Ipv4 => match ip::v4::header(&mut walk)? {
                ip::After::Protocol(protocol) => Header::Protocol(protocol),
                ip::After::Fragment(fragment) => return Ok(Found::Fragment(fragment)),
            },
            Header::Ipv6 => Header::Protocol(ip::v6::header(&mut walk)?),
            Header::Protocol(ip::TCP) => return tcp(&walk).map(Found::Segment),
            Header::Protocol(ip::UDP) => tunnel::udp(config, &mut walk)?,
            Header::Protocol(protocol) if ip::v6::is_extension(protocol) => {
                match ip::v6::extension(&mut walk, protocol)? {
                    ip::After::Protocol(protocol) => Header::Protocol(protocol),
                    ip::After::Fragment(fragment) => return Ok(Found::Fragment(fragment)),
                }
            }
            Header::Protocol(protocol) => tunnel::protocol(config, &mut walk, protocol)?,
            Header::Mpls => ethernet::mpls(&mut walk)?,
            Header::Ppp => ethernet::ppp(&mut walk)?,
            Header::PppOe => ethernet::pppoe(&mut walk)?,
            Header::PppDirection => {
                walk.pass(1, BreakReason::Link)?;
                Header::Ppp
            }
            Header::Loopback => ethernet::loopback(&mut walk)?,
            Header::Sll => ethernet::sll(&mut walk)?,
            Header::Sll2 => ethernet::sll2(&mut walk)?,
        };
    }
    Err(Reject::Skip(SkipReason::TooDeep))
}

/// The TCP segment that `walk` has come to.
#[inline]
fn tcp<'a>(walk: &Walk<'a>) -> Result<Segment<'a>, Reject> {
    let Some(header) = walk.bytes.first_chunk::<20>() else {
        return Err(walk.short(BreakReason::TcpHeader));
    };
    let [
        s0,
        s1,
        d0,
        d1,
        q0,
        q1,
        q2,
        q3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        w0,
        w1,
        ..,
    ] = *header;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < header.len() {
        return Err(Reject::Break(BreakReason::TcpHeader));
    }
    let Some(payload) = walk.bytes.get(header_len..) else {
        return Err(walk.short(BreakReason::TcpHeader));
    };
    let context = &walk.context;
    if walk.is_joined && walk.absent == 0 && !checksum::holds(context, walk.bytes) {
        return Err(Reject::Break(BreakReason::Checksum));
    }
    let (flow, sender) = FlowKey::new(
        Endpoint::new(context.source, u16::from_be_bytes([s0, s1])),
        Endpoint::new(context.destination, u16::from_be_bytes([d0, d1])),
        context.tunnel,
    );
    Ok(Segment {
        unix_ns: walk.unix_ns,
        flow,
        sender,
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        payload,
        missing_tail: u32::try_from(walk.absent).unwrap_or(u32::MAX),
    })
}

/// What a TEB-like tunnel carries.
pub(crate) fn carried(ether_type: u16) -> Header {
    match ether_type {
        ETHERNET => Header::Ethernet,
        other => Header::EtherType(other),
    }
}

/// The first 16 bits of what is left.
#[inline]
pub(crate) fn be16(walk: &Walk<'_>, at: usize, reason: BreakReason) -> Result<u16, Reject> {
    bytes_at::be16(walk.bytes, at).ok_or_else(|| walk.short(reason))
}
