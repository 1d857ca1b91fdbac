//! Reads a capture ahead, in chunks that several threads may look at.
//!
//! A chunk is used again once nobody holds it. How many there are at once is bounded by
//! those that hold them; [`CHUNKS_MAX`] are kept for use again.

use std::sync::Arc;

use twintap_decode::capture::{Damage, Packet, Reader, ReaderCounters, Secrets, Step};

use super::{Arrival, Input, InputError};

/// Bytes of a chunk, few enough to stay in the cache of a core; a record that spans chunks makes one
/// larger by itself.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that are kept for use again.
const CHUNKS_MAX: usize = 128;

/// Bytes of the capture that packets are places in.
pub type Chunk = Arc<Vec<u8>>;

/// Hears what is in a capture.
pub trait Heard {
    /// A packet, whose bytes are in `chunk`.
    fn packet(&mut self, chunk: &[u8], packet: &Packet<'_>);
    /// A record that could not be read.
    fn damage(&mut self, input: &str, damage: Damage);
    /// Secrets to decrypt with.
    fn secrets(&mut self, secrets: Secrets<'_>);
    /// All packets of `chunk` were told.
    fn chunk(&mut self, chunk: &Chunk);
    /// Nothing has come for [`super::LOOK_PAUSE`]; only of live captures.
    fn quiet(&mut self) {}
    /// Is nothing more to be told?
    fn is_over(&mut self) -> bool;
}

/// The chunks in use and to be used again.
#[derive(Debug, Default)]
pub struct Chunks {
    pool: Vec<Chunk>,
}

impl Chunks {
    /// Reads `input` to its end; what was read before an error counts.
    pub fn read(
        &mut self,
        input: &mut Input,
        heard: &mut impl Heard,
    ) -> (ReaderCounters, Result<(), InputError>) {
        let mut reader = Reader::new();
        let (mut carry, mut is_end) = (Vec::new(), false);
        loop {
            let mut chunk = self.take();
            let buffer = Arc::make_mut(&mut chunk);
            let carried = carry.len();
            buffer.resize(CHUNK_BYTES.max(carried + CHUNK_BYTES / 2), 0);
            if let Some(front) = buffer.get_mut(..carried) {
                front.copy_from_slice(&carry);
            }
            let mut filled = carried;
            while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
                let len = match input.read(room) {
                    Ok(Arrival::Bytes(len)) => len,
                    Ok(Arrival::Quiet) => {
                        heard.quiet();
                        if heard.is_over() {
                            break;
                        }
                        continue;
                    }
                    Err(error) => {
                        // What was read before the error counts. A record that it cuts is not damaged besides.
                        buffer.truncate(filled);
                        Self::tell(&mut reader, input.name(), buffer, false, heard);
                        heard.chunk(&chunk);
                        return (reader.counters(), Err(error));
                    }
                };
                if len == 0 {
                    is_end = true;
                    break;
                }
                filled += len;
                if input.is_live() {
                    break;
                }
            }
            buffer.truncate(filled);
            let rest = Self::tell(&mut reader, input.name(), buffer, is_end, heard);
            carry.clear();
            let kept = rest.and_then(|rest| buffer.get(filled - rest..));
            carry.extend_from_slice(kept.unwrap_or_default());
            heard.chunk(&chunk);
            self.give_back(chunk);
            // What is no capture is not read on: it may have no end.
            if is_end || rest.is_none() || heard.is_over() {
                return (reader.counters(), Ok(()));
            }
        }
    }

    /// Tells what is in `bytes`; answers how many bytes at their end wait for more, `None` if nothing that
    /// follows could be read.
    fn tell(
        reader: &mut Reader,
        name: &str,
        bytes: &[u8],
        is_end: bool,
        heard: &mut impl Heard,
    ) -> Option<usize> {
        let mut rest = bytes;
        loop {
            match reader.next(&mut rest, is_end) {
                Step::Packet(packet) => heard.packet(bytes, &packet),
                Step::Secrets(secrets) => heard.secrets(secrets),
                Step::Broken(damage) => heard.damage(name, damage),
                Step::More(_) => return Some(rest.len()),
                Step::End => return None,
            }
        }
    }

    fn take(&mut self) -> Chunk {
        let free = self
            .pool
            .iter()
            .position(|chunk| Arc::strong_count(chunk) == 1);
        free.map_or_else(Chunk::default, |index| self.pool.swap_remove(index))
    }

    fn give_back(&mut self, chunk: Chunk) {
        if self.pool.len() < CHUNKS_MAX {
            self.pool.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Keeps what was wrong.
    #[derive(Default)]
    struct Damages(Vec<Damage>);

    impl Heard for Damages {
        fn packet(&mut self, _: &[u8], _: &Packet<'_>) {}
        fn damage(&mut self, _: &str, damage: Damage) {
            self.0.push(damage);
        }
        fn secrets(&mut self, _: Secrets<'_>) {}
        fn chunk(&mut self, _: &Chunk) {}
        fn is_over(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn what_is_no_capture_and_has_no_end_is_left_at_its_beginning() {
        let read = Arc::<AtomicU64>::default();
        // An end all the same, for who reads on.
        let zeros = std::io::Read::take(std::io::repeat(0), 64 << 20);
        let mut input = Input::from_reader("zeros".to_owned(), zeros, Arc::clone(&read)).unwrap();
        let mut damages = Damages::default();
        let (counters, result) = Chunks::default().read(&mut input, &mut damages);
        result.unwrap();
        assert_eq!((counters.damages, damages.0.len()), (1, 1));
        let read = read.load(Ordering::Relaxed);
        assert!(read <= 2 * CHUNK_BYTES as u64, "{read} bytes were read");
    }
}
