//! Tunnels over IP and UDP: GRE with GRETAP and ERSPAN, IP in IP, MPLS in IP, VXLAN, GENEVE, GUE.
//!
//! The ids of GRE (its key), VXLAN and GENEVE tell equal addresses apart. ERSPAN's session does
//! not: it says who mirrors, not whose addresses they are.

use super::dissect::{Header, Reject, Walk, be16, carried};
use super::ethernet::ETHERNET;
use super::{BreakReason, LinkConfig, SkipReason};
use crate::bytes_at;

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ESP: u8 = 50;
const MPLS_IN_IP: u8 = 137;

const GUE_PORT: u16 = 6080;
const GENEVE_PORT: u16 = 6081;

const ERSPAN_1_AND_2: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

const TUNNEL: BreakReason = BreakReason::Tunnel;

/// What tells one kind of tunnel id from another.
#[derive(Clone, Copy)]
enum Kind {
    Gre = 47,
    Vxlan = 4789,
    Geneve = 6081,
}

/// What an IP protocol other than TCP and UDP carries.
pub(crate) fn protocol(
    config: &LinkConfig,
    walk: &mut Walk<'_>,
    protocol: u8,
) -> Result<Header, Reject> {
    let next = match protocol {
        GRE => return gre(config, walk),
        IP_IN_IP => Header::Ipv4,
        IPV6_IN_IP => Header::Ipv6,
        MPLS_IN_IP => Header::Mpls,
        ESP => return Err(Reject::Skip(SkipReason::TunnelUnknown)),
        _ => return Err(Reject::Skip(SkipReason::NotTcp)),
    };
    walk.enter(0, None)?;
    Ok(next)
}

/// A UDP header: its destination port tells the tunnel.
pub(crate) fn udp(config: &LinkConfig, walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let port = be16(walk, 2, TUNNEL)?;
    let tunnel = match port {
        GENEVE_PORT => geneve,
        GUE_PORT => gue,
        port if config.vxlan_ports.contains(&port) => vxlan,
        _ => return Err(Reject::Skip(SkipReason::NotTcp)),
    };
    walk.pass(8, TUNNEL)?;
    tunnel(config, walk)
}

fn vxlan(config: &LinkConfig, walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let [flags, _, _, _, a, b, c, _] =
        bytes_at::array::<8>(walk.bytes, 0).ok_or_else(|| walk.short(TUNNEL))?;
    if flags & 0x08 == 0 {
        return Err(Reject::Skip(SkipReason::TunnelUnknown));
    }
    walk.pass(8, TUNNEL)?;
    enter(config, walk, Kind::Vxlan, u32::from_be_bytes([0, a, b, c]))?;
    Ok(Header::Ethernet)
}

fn geneve(config: &LinkConfig, walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let [version, flags, p, q, a, b, c, _] =
        bytes_at::array::<8>(walk.bytes, 0).ok_or_else(|| walk.short(TUNNEL))?;
    // Another version, or a control packet.
    if version >> 6 != 0 || flags & 0x80 != 0 {
        return Err(Reject::Skip(SkipReason::TunnelUnknown));
    }
    walk.pass(8 + usize::from(version & 0x3f) * 4, TUNNEL)?;
    enter(config, walk, Kind::Geneve, u32::from_be_bytes([0, a, b, c]))?;
    Ok(carried(u16::from_be_bytes([p, q])))
}

/// Generic UDP encapsulation: version 1 is an IP packet, version 0 has a header.
fn gue(_: &LinkConfig, walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let [first, protocol] =
        bytes_at::array::<2>(walk.bytes, 0).ok_or_else(|| walk.short(TUNNEL))?;
    walk.enter(0, None)?;
    match (first >> 6, first & 0x20) {
        (1, _) => Ok(Header::Ip),
        (0, 0) => {
            walk.pass(4 + usize::from(first & 0x1f) * 4, TUNNEL)?;
            Ok(Header::Protocol(protocol))
        }
        _ => Err(Reject::Skip(SkipReason::TunnelUnknown)),
    }
}

fn gre(config: &LinkConfig, walk: &mut Walk<'_>) -> Result<Header, Reject> {
    const CHECKSUM: u16 = 0x8000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ROUTING_OR_VERSION: u16 = 0x4007;

    let flags = be16(walk, 0, TUNNEL)?;
    let kind = be16(walk, 2, TUNNEL)?;
    if flags & ROUTING_OR_VERSION != 0 {
        return Err(Reject::Skip(SkipReason::TunnelUnknown));
    }
    let field = |flag| if flags & flag == 0 { 0 } else { 4 };
    let key_at = 4 + field(CHECKSUM);
    let key = match flags & KEY {
        0 => 0,
        _ => bytes_at::be32(walk.bytes, key_at).ok_or_else(|| walk.short(TUNNEL))?,
    };
    walk.pass(key_at + field(KEY) + field(SEQUENCE), TUNNEL)?;
    match kind {
        ERSPAN_1_AND_2 => {
            // Type I has no header of its own, and no sequence number.
            walk.pass(if flags & SEQUENCE == 0 { 0 } else { 8 }, TUNNEL)?;
            walk.enter(0, None)?;
            Ok(Header::Ethernet)
        }
        ERSPAN_3 => erspan_3(walk),
        kind => {
            enter(config, walk, Kind::Gre, key)?;
            Ok(if kind == ETHERNET {
                Header::Ethernet
            } else {
                Header::EtherType(kind)
            })
        }
    }
}

fn erspan_3(walk: &mut Walk<'_>) -> Result<Header, Reject> {
    let last = be16(walk, 10, TUNNEL)?;
    let (frame_type, has_platform_header) = (last >> 10 & 0x1f, last & 1 == 1);
    walk.pass(if has_platform_header { 20 } else { 12 }, TUNNEL)?;
    walk.enter(0, None)?;
    match frame_type {
        0 => Ok(Header::Ethernet),
        2 => Ok(Header::Ip),
        _ => Err(Reject::Skip(SkipReason::NotIp)),
    }
}

fn enter(config: &LinkConfig, walk: &mut Walk<'_>, kind: Kind, id: u32) -> Result<(), Reject> {
    walk.enter(kind as u32, config.tunnels_separate_flows.then_some(id))
}
