//! Why packets are not segments, counted.

use std::fmt;
use std::marker::PhantomData;

/// A reason that can be counted: a plain enum that knows all its values.
pub trait Reason: Copy + 'static {
    /// Every reason, in the order of [`Self::index`].
    const ALL: &'static [Self];
    /// Place in [`Self::ALL`].
    fn index(self) -> usize;
    /// The machine-readable name, used as a metric label.
    fn code(self) -> &'static str;
}

/// Defines a [`Reason`].
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $crate::link::Reason for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn index(self) -> usize {
                self as usize
            }

            fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}
pub(crate) use reasons;

/// Most reasons that a [`Tally`] can count.
const REASONS_MAX: usize = 16;

/// A count for each reason.
pub struct Tally<R> {
    counts: [u64; REASONS_MAX],
    reason: PhantomData<R>,
}

impl<R: Reason> Tally<R> {
    /// The count of one reason.
    pub fn of(&self, reason: R) -> u64 {
        self.counts.get(reason.index()).copied().unwrap_or_default()
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reasons that have come up, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (R, u64)> {
        let counts = R::ALL.iter().map(|reason| (*reason, self.of(*reason)));
        counts.filter(|(_, count)| *count > 0)
    }

    #[inline]
    pub(crate) fn add(&mut self, reason: R, count: u64) {
        if let Some(slot) = self.counts.get_mut(reason.index()) {
            *slot += count;
        }
    }

    /// Counts one more, of a layer above.
    pub fn count(&mut self, reason: R) {
        self.add(reason, 1);
    }

    /// Adds another tally, as of another worker.
    pub fn merge(&mut self, other: &Self) {
        for (slot, count) in self.counts.iter_mut().zip(other.counts) {
            *slot += count;
        }
    }
}

impl<R> Clone for Tally<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Tally<R> {}

impl<R> Default for Tally<R> {
    fn default() -> Self {
        Self {
            counts: [0; REASONS_MAX],
            reason: PhantomData,
        }
    }
}

impl<R> PartialEq for Tally<R> {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts
    }
}

impl<R> Eq for Tally<R> {}

impl<R: Reason> fmt::Debug for Tally<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.iter().map(|(reason, count)| (reason.code(), count));
        f.debug_map().entries(counts).finish()
    }
}

reasons! {
    /// Why a sound packet is not a TCP segment that can be followed.
    SkipReason {
        /// Not IP: ARP, LLDP, control frames.
        NotIp = "not_ip",
        /// IP, and neither TCP nor a tunnel.
        NotTcp = "not_tcp",
        /// A link type that is not understood.
        LinkType = "link_type",
        /// The capture's snapshot length cut it within a header.
        HeadersCut = "headers_cut",
        /// A fragment cut by the snapshot length: its datagram cannot be made whole.
        FragmentCut = "fragment_cut",
        /// A fragment within a datagram that was itself in fragments.
        NestedFragment = "nested_fragment",
        /// A tunnel that is not understood or whose content is encrypted.
        TunnelUnknown = "tunnel_unknown",
        /// Headers nested too deep.
        TooDeep = "too_deep",
    }
}

reasons! {
    /// Why a packet could not have been received as what it says it is.
    BreakReason {
        /// It ends within a link header.
        Link = "link_header",
        /// An IP header with an impossible version or length.
        IpHeader = "ip_header",
        /// An IP length beyond the packet's end.
        IpLength = "ip_length",
        /// It ends within a TCP header, or the header says an impossible length.
        TcpHeader = "tcp_header",
        /// It ends within a tunnel's header.
        Tunnel = "tunnel_header",
        /// A fragment that reaches beyond the largest datagram, or has no bytes.
        Fragment = "fragment",
        /// A segment put together of fragments that has another checksum: they were of different
        /// datagrams.
        Checksum = "fragments_checksum",
    }
}

/// What became of the packets: `packets = segments + fragments + skipped + broken`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets taken in.
    pub packets: u64,
    /// Handed out as TCP segments. A segment that came in fragments counts for the last of them.
    pub segments: u64,
    /// Fragments held, or dropped while held; [`crate::ip::FragmentCounters`] says more.
    pub fragments: u64,
    /// Not TCP, or not to be followed.
    pub skipped: Tally<SkipReason>,
    /// Malformed.
    pub broken: Tally<BreakReason>,
    /// Bytes of TCP payload in the segments.
    pub payload_bytes: u64,
}

impl LinkCounters {
    /// Does every packet have its place?
    pub fn adds_up(&self) -> bool {
        self.packets == self.segments + self.fragments + self.skipped.total() + self.broken.total()
    }

    /// Adds the counters of another dissector.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.segments += other.segments;
        self.fragments += other.fragments;
        self.payload_bytes += other.payload_bytes;
        self.skipped.merge(&other.skipped);
        self.broken.merge(&other.broken);
    }
}
