//! IPv4 and IPv6: headers, extension headers, and fragments until their datagram is whole.
//!
//! Checksums of IP are not looked at; that of a TCP segment that came in fragments is, by
//! [`crate::link`]. A length of 0 (segmentation offload, jumbograms) means all there is.

mod fragments;
mod recent;
pub(crate) mod v4;
pub(crate) mod v6;

pub use fragments::{
    DropReason, FRAGMENT_AGE_MAX_NS, FRAGMENT_BYTES_MAX, FragmentCounters, Fragments,
};
pub(crate) use fragments::{Fragment, FragmentKey, Held};

/// Protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// Protocol number of UDP.
pub(crate) const UDP: u8 = 17;

/// What comes after an IP header.
#[derive(Debug)]
pub(crate) enum After<'a> {
    Protocol(u8),
    /// Boxed: rare, and large next to a protocol number.
    Fragment(Box<Fragment<'a>>),
}
