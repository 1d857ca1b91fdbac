//! Records of a pcap on their way to standard output: bounded, and only whole ones are counted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

use twintap_capture::SNAPLEN_BYTES;

/// Bytes that may wait. When there are more, packets stay in the kernel's buffer.
const BYTES_MAX: usize = 1 << 20;
/// pcap with nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    head: usize,
    /// Bytes written before `bytes`.
    forgotten: u64,
    /// Where the records end that are not written to their end, in bytes from the beginning of the file.
    ends: VecDeque<u64>,
    records_written: u64,
}

impl Queue {
    /// A queue with the header of a file.
    pub(crate) fn new(link_type: u32) -> Self {
        let mut queue = Self::default();
        let (major, minor) = (2_u16, 4_u16);
        queue.bytes.extend(MAGIC_NANOSECONDS.to_ne_bytes());
        queue.bytes.extend(major.to_ne_bytes());
        queue.bytes.extend(minor.to_ne_bytes());
        for field in [0, 0, SNAPLEN_BYTES, link_type] {
            queue.bytes.extend(field.to_ne_bytes());
        }
        queue
    }

    /// May another record come?
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.len() - self.head < BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.head
    }

    /// Bytes written, of all that came.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.forgotten + self.head as u64
    }

    /// Records written as a whole.
    pub(crate) fn records_written(&self) -> u64 {
        self.records_written
    }

    /// Records that wait.
    pub(crate) fn records_waiting(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, seconds: u32, nanoseconds: u32, original_len: u32, bytes: &[u8]) {
        let captured_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        for field in [seconds, nanoseconds, captured_len, original_len] {
            self.bytes.extend(field.to_ne_bytes());
        }
        self.bytes.extend(bytes);
        self.ends
            .push_back(self.forgotten + self.bytes.len() as u64);
    }

    /// Writes what `out` takes; an error if it takes no more, ever.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        let written = self.write_waiting(out);
        let head = self.bytes_written();
        while self.ends.front().is_some_and(|end| *end <= head) {
            self.ends.pop_front();
            self.records_written += 1;
        }
        // Moving what waits to the front is worth it when there is less of it than was written.
        if self.head * 2 >= self.bytes.len() {
            self.bytes.drain(..self.head);
            self.forgotten = head;
            self.head = 0;
        }
        written
    }

    fn write_waiting(&mut self, out: &mut impl Write) -> io::Result<()> {
        while let Some(waiting) = self.bytes.get(self.head..).filter(|it| !it.is_empty()) {
            match out.write(waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.head += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then would block.
    struct Takes(usize, Vec<u8>);

    impl Write for Takes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let len = bytes.len().min(self.0);
            self.0 -= len;
            self.1.extend(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> Queue {
        let mut queue = Queue::new(1);
        queue.push(7, 8, 100, b"first");
        queue.push(9, 10, 6, b"second");
        queue
    }

    #[test]
    fn a_record_counts_when_its_last_byte_is_written() {
        const ALL: usize = 24 + 16 + 5 + 16 + 6;
        for taken in 0..=ALL {
            let (mut queue, mut out) = (queue(), Takes(taken, Vec::new()));
            queue.write(&mut out).unwrap();
            let written = u64::from(taken >= 45) + u64::from(taken == ALL);
            assert_eq!(queue.records_written(), written, "{taken}");
            assert_eq!(queue.records_waiting(), 2 - written, "{taken}");
            assert_eq!(queue.is_empty(), taken == ALL);

            out.0 = usize::MAX;
            queue.write(&mut out).unwrap();
            assert_eq!((queue.records_written(), out.1.len()), (2, ALL), "{taken}");
        }
    }

    #[test]
    fn what_is_written_is_a_pcap_with_nanoseconds() {
        let mut out = Vec::new();
        queue().write(&mut out).unwrap();
        let field = |at: usize| u32::from_ne_bytes(out[at..at + 4].try_into().unwrap());
        assert_eq!((field(0), field(20)), (MAGIC_NANOSECONDS, 1));
        let record = [24, 28, 32, 36].map(field);
        assert_eq!(record, [7, 8, 5, 100], "time, captured and original length");
        assert_eq!(&out[40..45], b"first");
    }

    #[test]
    fn a_full_queue_says_so() {
        let mut queue = Queue::new(1);
        while queue.has_room() {
            queue.push(0, 0, 1, &[0; 65536]);
        }
        assert!(queue.bytes.len() < BYTES_MAX + 65536 + 16);
    }
}
