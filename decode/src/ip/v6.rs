//! The IPv6 header and its extension headers (RFC 8200, RFC 4302).

use super::{After, Fragment, FragmentKey};
use crate::bytes_at;
use crate::link::dissect::{Reject, Walk};
use crate::link::{BreakReason, Endpoint};

const HEADER_LEN: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

const IP: BreakReason = BreakReason::IpHeader;

/// Passes an IPv6 header: what it says comes next.
#[inline]
pub(crate) fn header(walk: &mut Walk<'_>) -> Result<u8, Reject> {
    let Some(header) = walk.bytes.first_chunk::<HEADER_LEN>() else {
        return Err(walk.short(IP));
    };
    let [version, _, _, _, l0, l1, next, ..] = *header;
    if version >> 4 != 6 {
        return Err(Reject::Break(IP));
    }
    let address = |at| bytes_at::array::<16>(header, at).unwrap_or_default();
    walk.context.source = Endpoint::v6(address(8), 0).bits();
    walk.context.destination = Endpoint::v6(address(24), 0).bits();
    walk.pass(HEADER_LEN, IP)?;
    let payload_len = usize::from(u16::from_be_bytes([l0, l1]));
    if payload_len != 0 {
        walk.limit(payload_len)?;
    }
    Ok(next)
}

/// Does this number announce an extension header? (AH may follow an IPv4 header, too.)
#[inline]
pub(crate) fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP
            | ROUTING
            | FRAGMENT
            | AUTHENTICATION
            | DESTINATION
            | MOBILITY
            | HOST_IDENTITY
            | SHIM6
    )
}

/// Passes one extension header.
pub(crate) fn extension<'a>(walk: &mut Walk<'a>, protocol: u8) -> Result<After<'a>, Reject> {
    // The length is in units of 8 bytes not counting the first; AH's of 4, not counting two.
    let unit = match protocol {
        FRAGMENT => return fragment(walk),
        AUTHENTICATION => 4,
        _ => 8,
    };
    let [next, length] = bytes_at::array::<2>(walk.bytes, 0).ok_or_else(|| walk.short(IP))?;
    walk.pass(8 + usize::from(length) * unit, IP)?;
    Ok(After::Protocol(next))
}

/// A fragment header; an atomic fragment is passed as if it had none (RFC 6946).
fn fragment<'a>(walk: &mut Walk<'a>) -> Result<After<'a>, Reject> {
    let [next, _, o0, o1, i0, i1, i2, i3] =
        bytes_at::array::<8>(walk.bytes, 0).ok_or_else(|| walk.short(IP))?;
    walk.pass(8, IP)?;
    let offset = u16::from_be_bytes([o0, o1]);
    if offset & 0xfff9 == 0 {
        return Ok(After::Protocol(next));
    }
    let identification = u32::from_be_bytes([i0, i1, i2, i3]);
    Ok(After::Fragment(Box::new(Fragment {
        key: FragmentKey::new(&walk.context, identification, None),
        unix_ns: walk.unix_ns,
        protocol: next,
        offset: usize::from(offset & 0xfff8),
        more: offset & 1 == 1,
        bytes: walk.bytes,
        is_cut: walk.absent > 0,
        context: walk.context,
    })))
}
