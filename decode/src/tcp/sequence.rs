//! Sequence numbers: 32 bits that wrap (RFC 9293 section 3.4), and the 64-bit positions that they
//! become, which do not.

/// Where the reference point of a way lies: far from 0, so that what comes before it has a
/// position too.
pub(super) const ORIGIN: u64 = 1 << 40;

/// Segments further than this from what is expected are not of this connection, unless their
/// acknowledgment says so. Windows are at most 1 GiB; those in use, far below this.
pub(super) const PLAUSIBLE_DISTANCE_MAX: u32 = 1 << 24;

/// How far `seq` is after `reference`; negative before it.
#[inline]
pub(super) fn distance(seq: u32, reference: u32) -> i32 {
    seq.wrapping_sub(reference).cast_signed()
}

/// Is `seq` near `reference`?
#[inline]
pub(super) fn is_near(seq: u32, reference: u32) -> bool {
    distance(seq, reference).unsigned_abs() <= PLAUSIBLE_DISTANCE_MAX
}

/// The low 32 bits of a length or position: what it moves a sequence number by.
#[inline]
pub(super) fn step(len: u64) -> u32 {
    let [.., a, b, c, d] = len.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_cross_the_wrap_of_32_and_of_31_bits() {
        assert_eq!(distance(5, u32::MAX - 4), 10);
        assert_eq!(distance(u32::MAX - 4, 5), -10);
        assert_eq!(distance(0x8000_0005, 0x7fff_fffb), 10);
        assert!(is_near(0, u32::MAX));
        assert!(!is_near(0x4000_0000, 0));
        assert_eq!(step(0x1_0000_0002), 2);
    }
}
