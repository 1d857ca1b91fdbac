//! The common packet in one step: TCP in IPv4 without options or fragments, in Ethernet.
//!
//! Answers exactly as the walk over the headers does, or not at all.

use super::{Endpoint, FlowKey, Segment};

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const TCP_LEN: usize = 20;
const HEADERS_LEN: usize = ETHERNET_LEN + IPV4_LEN + TCP_LEN;

/// The segment in an Ethernet frame, if it is of the common kind and captured whole.
#[inline]
pub(super) fn segment(unix_ns: u64, frame: &[u8], tunnel: u64) -> Option<Segment<'_>> {
    let headers = frame.first_chunk::<HEADERS_LEN>()?;
    let (_, headers) = headers.split_first_chunk::<12>()?;
    let (ip, tcp) = headers.split_first_chunk::<{ 2 + IPV4_LEN }>()?;
    let [
        0x08,
        0x00,
        0x45,
        _,
        l0,
        l1,
        _,
        _,
        f0,
        f1,
        _,
        6,
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
    ] = *ip
    else {
        return None;
    };
    let [
        p0,
        p1,
        r0,
        r1,
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
    ] = *tcp.first_chunk::<TCP_LEN>()?;
    let total_len = usize::from(u16::from_be_bytes([l0, l1]));
    let header_len = usize::from(offset >> 4) * 4;
    // Fragments, no length, impossible lengths: for the walk.
    if f0 & 0x3f | f1 != 0 || header_len < TCP_LEN || total_len < IPV4_LEN + header_len {
        return None;
    }
    let begin = ETHERNET_LEN + IPV4_LEN + header_len;
    let payload = frame.get(begin..ETHERNET_LEN + total_len)?;
    let (flow, sender) = FlowKey::new(
        Endpoint::v4([s0, s1, s2, s3], u16::from_be_bytes([p0, p1])),
        Endpoint::v4([d0, d1, d2, d3], u16::from_be_bytes([r0, r1])),
        tunnel,
    );
    Some(Segment {
        unix_ns,
        flow,
        sender,
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        payload,
        missing_tail: 0,
    })
}
