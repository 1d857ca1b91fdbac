//! Packets to TCP segments: link layers, tunnels and IP, without copying.
//!
//! [`Dissector::packet`] answers for every packet: a [`Segment`], a fragment held until its
//! datagram is whole, or the reason why there is no segment. So that
//! `packets = segments + held + skipped{reason} + broken{reason}`.
//!
//! Understood: Ethernet, 802.1Q and QinQ, Linux cooked captures 1 and 2, BSD loopback in both byte
//! orders, raw IP, PPP and PPPoE, MPLS; and in them GRE (checksum, key, sequence), GRETAP, ERSPAN
//! I to III, VXLAN, GENEVE, GUE and IP in IP; at most [`TUNNELS_MAX`] tunnels in one another. Checksums
//! are not looked at: captures of offloading machines are full of false ones. MACsec, 802.11 and
//! encrypted tunnels are not understood.

use std::ops::Range;

mod checksum;
mod counters;
pub(crate) mod dissect;
mod dissector;
mod ethernet;
mod fast;
mod flow;
mod tunnel;

pub(crate) use counters::reasons;
pub use counters::{BreakReason, LinkCounters, Reason, SkipReason, Tally};
pub use dissector::{Dissection, Dissector};
pub use flow::{Endpoint, FlowKey, Side};

/// Most headers from the link to TCP, tunnels included. Extension headers of IPv6, VLAN tags and
/// MPLS labels count each.
pub const LAYERS_MAX: usize = 32;

/// Most tunnels in one another.
pub const TUNNELS_MAX: usize = 8;

/// What the user says about links.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// UDP ports of VXLAN. Default: 4789 (the assigned one) and 8472 (Linux).
    pub vxlan_ports: Vec<u16>,
    /// Are equal addresses in different tunnels different machines? Default: yes. Say no where a
    /// flow is mirrored through two tunnels.
    pub tunnels_separate_flows: bool,
    /// Are equal addresses in different VLANs different machines? Default: no, because mirrors
    /// often tag the two ways of a flow differently.
    pub vlans_separate_flows: bool,
    /// TCP ports of which a datagram that does not become whole is a loss. Default: none, which
    /// means all.
    pub wanted_ports: Vec<u16>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            vxlan_ports: vec![4789, 8472],
            tunnels_separate_flows: true,
            vlans_separate_flows: false,
            wanted_ports: Vec::new(),
        }
    }
}

/// One TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// When it was captured.
    pub unix_ns: u64,
    /// The flow it belongs to, the same for both directions.
    pub flow: FlowKey,
    /// Which end of the flow sent it.
    pub sender: Side,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number; means something with [`flags::ACK`].
    pub ack: u32,
    /// See [`flags`].
    pub flags: u8,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// The bytes of the stream.
    pub payload: &'a [u8],
    /// How many more bytes it carried that were not captured.
    pub missing_tail: u32,
}

impl Segment<'_> {
    /// Where in `window` the payload lies: to hand the segment to another thread, which has the
    /// window too. `None` if it is not in it, as when the segment came in fragments.
    pub fn payload_range_in(&self, window: &[u8]) -> Option<Range<usize>> {
        let begin = self.payload.as_ptr().addr();
        let begin = begin.checked_sub(window.as_ptr().addr())?;
        let range = begin..begin + self.payload.len();
        (range.end <= window.len()).then_some(range)
    }

    /// The same segment with these bytes in place of its payload.
    pub fn with_payload<'a>(&self, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            unix_ns: self.unix_ns,
            flow: self.flow,
            sender: self.sender,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            payload,
            missing_tail: self.missing_tail,
        }
    }

    /// Is this flag set?
    #[inline]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The flags of a TCP header.
pub mod flags {
    /// The sender has finished.
    pub const FIN: u8 = 0x01;
    /// Synchronize: the sequence number is the initial one.
    pub const SYN: u8 = 0x02;
    /// The connection is reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number is valid.
    pub const ACK: u8 = 0x10;
}
