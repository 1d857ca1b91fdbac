//! The IPv4 header (RFC 791).

use super::{After, Fragment, FragmentKey};
use crate::link::dissect::{Reject, Walk};
use crate::link::{BreakReason, Endpoint};

const HEADER_LEN_MIN: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Passes an IPv4 header.
#[inline]
pub(crate) fn header<'a>(walk: &mut Walk<'a>) -> Result<After<'a>, Reject> {
    let Some(header) = walk.bytes.first_chunk::<HEADER_LEN_MIN>() else {
        return Err(walk.short(BreakReason::IpHeader));
    };
    let [
        version,
        _,
        l0,
        l1,
        i0,
        i1,
        f0,
        f1,
        _,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = *header;
    let header_len = usize::from(version & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([l0, l1]));
    if version >> 4 != 4 || header_len < HEADER_LEN_MIN {
        return Err(Reject::Break(BreakReason::IpHeader));
    }
    walk.pass(header_len, BreakReason::IpHeader)?;
    if total_len != 0 {
        match total_len.checked_sub(header_len) {
            Some(len) => walk.limit(len)?,
            None => return Err(Reject::Break(BreakReason::IpLength)),
        }
    }
    walk.context.source = Endpoint::v4([s0, s1, s2, s3], 0).bits();
    walk.context.destination = Endpoint::v4([d0, d1, d2, d3], 0).bits();
    let fragment = u16::from_be_bytes([f0, f1]);
    if fragment & (MORE_FRAGMENTS | OFFSET_MASK) == 0 {
        return Ok(After::Protocol(protocol));
    }
    let identification = u32::from(u16::from_be_bytes([i0, i1]));
    Ok(After::Fragment(Box::new(Fragment {
        key: FragmentKey::new(&walk.context, identification, Some(protocol)),
        unix_ns: walk.unix_ns,
        protocol,
        offset: usize::from(fragment & OFFSET_MASK) * 8,
        more: fragment & MORE_FRAGMENTS != 0,
        bytes: walk.bytes,
        is_cut: walk.absent > 0,
        context: walk.context,
    })))
}
