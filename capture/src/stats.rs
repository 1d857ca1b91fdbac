//! What became of packets, since the capture began.

/// Counts of packets. What the kernel's filter let through is
///
/// ```text
/// received = kernel_dropped + own_dropped + written + others
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Let through by the filter (libpcap's `ps_recv`).
    pub received: u64,
    /// Dropped because the kernel's buffer was full: whoever reads was too slow (`ps_drop`).
    pub kernel_dropped: u64,
    /// Dropped by the interface or its driver, before the filter: may be of any traffic
    /// (`ps_ifdrop`).
    pub interface_dropped: u64,
    /// Taken from the kernel, and not written because the reader did not take them in time at the
    /// end.
    pub own_dropped: u64,
    /// Written to standard output.
    pub written: u64,
}

impl Stats {
    /// Still in a buffer; at the end, those that came too late. Of what passes the loopback, also the
    /// copy of each packet as it leaves: the kernel counts both, libpcap hands over one.
    pub fn others(&self) -> u64 {
        let accounted = self.kernel_dropped + self.own_dropped + self.written;
        self.received.saturating_sub(accounted)
    }

    /// Packets that are lost.
    pub fn lost(&self) -> u64 {
        self.kernel_dropped + self.interface_dropped + self.own_dropped
    }

    /// Names of the counts, and the counts.
    pub(crate) fn keys(&self) -> [(&'static str, u64); 5] {
        [
            ("received", self.received),
            ("kernel_dropped", self.kernel_dropped),
            ("interface_dropped", self.interface_dropped),
            ("own_dropped", self.own_dropped),
            ("written", self.written),
        ]
    }

    /// Sets the count of this name, if there is one.
    pub(crate) fn set(&mut self, key: &str, count: u64) {
        *match key {
            "received" => &mut self.received,
            "kernel_dropped" => &mut self.kernel_dropped,
            "interface_dropped" => &mut self.interface_dropped,
            "own_dropped" => &mut self.own_dropped,
            "written" => &mut self.written,
            _ => return,
        } = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_written_nor_dropped_is_told_apart() {
        let stats = Stats {
            received: 10,
            kernel_dropped: 3,
            interface_dropped: 100,
            own_dropped: 1,
            written: 5,
        };
        assert_eq!(stats.others(), 1);
        assert_eq!(stats.lost(), 104);
    }
}
