//! Headers of links: Ethernet, VLAN tags, MPLS, PPP, cooked captures, loopback.

use super::dissect::{Header, Reject, Walk, be16};
use super::{BreakReason, LinkConfig, SkipReason};
use crate::bytes_at;

/// Transparent Ethernet bridging: what tunnels call a whole frame.
pub(crate) const ETHERNET: u16 = 0x6558;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Values below are lengths, as in 802.3.
const ETHER_TYPE_MIN: u16 = 0x0600;
const VLAN_TUNNEL_KIND: u32 = 0x8100;

const LINK: BreakReason = BreakReason::Link;

/// An Ethernet header.
#[inline]
pub(crate) fn ethernet(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let kind = be16(walk, 12, LINK)?;
    walk.pass(14, LINK)?;
    Ok(match kind {
        IPV4 => Header::Ipv4,
        kind => Header::EtherType(kind),
    })
}

/// What an EtherType announces.
pub(crate) fn ether_type(
    config: &LinkConfig,
    walk: &mut Walk<'_>,
    kind: u16,
) -> Result<Header, Reject> {
    match kind {
        IPV4 => Ok(Header::Ipv4),
        IPV6 => Ok(Header::Ipv6),
        // 802.1Q, 802.1ad, and two that came before it.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let tag = be16(walk, 0, LINK)?;
            let next = be16(walk, 2, LINK)?;
            walk.pass(4, LINK)?;
            if config.vlans_separate_flows {
                walk.context
                    .enclose(VLAN_TUNNEL_KIND, u32::from(tag & 0x0fff));
            }
            Ok(Header::EtherType(next))
        }
        0x8847 | 0x8848 => Ok(Header::Mpls),
        0x8864 => Ok(Header::PppOe),
        ETHERNET => Ok(Header::Ethernet),
        length if length < ETHER_TYPE_MIN => snap(walk),
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

/// 802.3 with a subnetwork access protocol header.
fn snap(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    match bytes_at::array::<8>(walk.bytes, 0) {
        Some([0xaa, 0xaa, 3, 0, 0, 0, high, low]) => {
            walk.pass(8, LINK)?;
            Ok(Header::EtherType(u16::from_be_bytes([high, low])))
        }
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

/// One entry of an MPLS label stack. What comes after the last is told by its first four bits, as
/// routers tell it.
pub(crate) fn mpls(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let bottom = bytes_at::u8(walk.bytes, 2).ok_or_else(|| walk.short(LINK))? & 1 == 1;
    walk.pass(4, LINK)?;
    if !bottom {
        return Ok(Header::Mpls);
    }
    match walk.bytes.first().map(|byte| byte >> 4) {
        Some(4) => Ok(Header::Ipv4),
        Some(6) => Ok(Header::Ipv6),
        // A pseudowire's control word.
        Some(0) => {
            walk.pass(4, LINK)?;
            Ok(Header::Ethernet)
        }
        Some(_) => Ok(Header::Ethernet),
        None => Err(walk.short(LINK)),
    }
}

/// PPPoE; only its sessions carry packets.
pub(crate) fn pppoe(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let code = bytes_at::u8(walk.bytes, 1).ok_or_else(|| walk.short(LINK))?;
    walk.pass(6, LINK)?;
    match code {
        0 => Ok(Header::Ppp),
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

/// PPP, with or without HDLC's address and control bytes, with its protocol in one byte or two.
pub(crate) fn ppp(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    if walk.bytes.starts_with(&[0xff, 0x03]) {
        walk.pass(2, LINK)?;
    }
    let first = bytes_at::u8(walk.bytes, 0).ok_or_else(|| walk.short(LINK))?;
    let protocol = match first & 1 {
        1 => u16::from(first),
        _ => be16(walk, 0, LINK)?,
    };
    walk.pass(if first & 1 == 1 { 1 } else { 2 }, LINK)?;
    match protocol {
        0x0021 => Ok(Header::Ipv4),
        0x0057 => Ok(Header::Ipv6),
        0x0281 => Ok(Header::Mpls),
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

/// BSD loopback: an address family, in whichever byte order makes sense. IPv6 has three numbers.
pub(crate) fn loopback(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let family = bytes_at::be32(walk.bytes, 0).ok_or_else(|| walk.short(LINK))?;
    walk.pass(4, LINK)?;
    match (family, family.swap_bytes()) {
        (2, _) | (_, 2) => Ok(Header::Ipv4),
        (10 | 24 | 28 | 30, _) | (_, 10 | 24 | 28 | 30) => Ok(Header::Ipv6),
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

/// Linux cooked capture.
pub(crate) fn sll(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let kind = be16(walk, 14, LINK)?;
    walk.pass(16, LINK)?;
    Ok(Header::EtherType(kind))
}

/// Linux cooked capture, version 2.
pub(crate) fn sll2(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let kind = be16(walk, 0, LINK)?;
    walk.pass(20, LINK)?;
    Ok(Header::EtherType(kind))
}
