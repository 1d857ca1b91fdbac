//! The checksum of a TCP segment (RFC 9293 section 3.1, RFC 1071), with its pseudo-header.

use super::dissect::Context;
use crate::bytes_at;
use crate::ip;

/// Where the checksum is in the header.
const AT: usize = 16;

/// Does the segment, whole from its header on, have the checksum that it says? It may say the sum
/// of the pseudo-header instead: so senders leave it to their network cards, and a capture of that
/// was cut into fragments later. No sender fragments before the checksum is there.
pub(super) fn holds(context: &Context, segment: &[u8]) -> bool {
    // An IPv4 address is mapped into IPv6 with 0xffff in front, which is 0 in this sum.
    let addresses = [context.source, context.destination].map(u128::to_be_bytes);
    let pseudo_header = u64::from(ip::TCP)
        + bytes_at::count(segment.len())
        + addresses.iter().map(|bytes| words(bytes)).sum::<u64>();
    let is_left = bytes_at::be16(segment, AT).map(u64::from) == Some(folded(pseudo_header));
    is_left || folded(pseudo_header + words(segment)) == u64::from(u16::MAX)
}

/// The sum of all 16-bit words; an odd byte is followed by 0.
fn words(bytes: &[u8]) -> u64 {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let whole: u64 = pairs
        .iter()
        .map(|pair| u64::from(u16::from_be_bytes(*pair)))
        .sum();
    whole + odd.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// The sum with what carries over 16 bits added again.
fn folded(mut sum: u64) -> u64 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & u64::from(u16::MAX)) + (sum >> 16);
    }
    sum
}
