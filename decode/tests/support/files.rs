//! Hand-made capture files, in both byte orders.

/// Writes numbers in one byte order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) is_big: bool,
}

pub(crate) const LITTLE: Order = Order { is_big: false };
pub(crate) const BIG: Order = Order { is_big: true };

impl Order {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        if self.is_big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        if self.is_big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    /// A classic file header for Ethernet.
    pub(crate) fn pcap_header(self, magic: u32) -> Vec<u8> {
        let mut bytes = self.u32(magic).to_vec();
        bytes.extend(self.u16(2));
        bytes.extend(self.u16(4));
        bytes.extend(self.u32s(&[0, 0, 65_535, 1]));
        bytes
    }

    pub(crate) fn pcap_record(self, time: (u32, u32), original: u32, packet: &[u8]) -> Vec<u8> {
        let mut bytes = self.u32s(&[time.0, time.1, len(packet), original]);
        bytes.extend(packet);
        bytes
    }

    /// A block with its lengths and padding.
    pub(crate) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = body.len().next_multiple_of(4) - body.len();
        let total = 12 + len(body) + u32::try_from(padding).unwrap();
        let mut bytes = self.u32s(&[kind, total]);
        bytes.extend(body);
        bytes.extend(std::iter::repeat_n(0, padding));
        bytes.extend(self.u32(total));
        bytes
    }

    pub(crate) fn section(self) -> Vec<u8> {
        let mut body = self.u32s(&[0x1a2b_3c4d]);
        body.extend(self.u16(1));
        body.extend(self.u16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    /// An Ethernet interface with these options: code and value.
    pub(crate) fn interface(self, snapshot_len: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [self.u16(1), [0, 0]].concat();
        body.extend(self.u32(snapshot_len));
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(u16::try_from(value.len()).unwrap()));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    pub(crate) fn enhanced(self, interface: u32, ticks: u64, packet: &[u8]) -> Vec<u8> {
        self.enhanced_cut(interface, ticks, len(packet), packet)
    }

    pub(crate) fn enhanced_cut(
        self,
        interface: u32,
        ticks: u64,
        original: u32,
        packet: &[u8],
    ) -> Vec<u8> {
        let (high, low) = (
            u32::try_from(ticks >> 32).unwrap(),
            u32::try_from(ticks & 0xffff_ffff).unwrap(),
        );
        let mut body = self.u32s(&[interface, high, low, len(packet), original]);
        body.extend(packet);
        self.block(6, &body)
    }

    pub(crate) fn simple(self, original: u32, packet: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.u32(original)[..], packet].concat())
    }

    pub(crate) fn obsolete(self, interface: u16, ticks: u32, packet: &[u8]) -> Vec<u8> {
        let mut body = [self.u16(interface), [0, 0]].concat();
        body.extend(self.u32s(&[0, ticks, len(packet), len(packet)]));
        body.extend(packet);
        self.block(2, &body)
    }
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}
