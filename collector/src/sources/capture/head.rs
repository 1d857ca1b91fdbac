//! The beginning of a capture file: is it one, and which, whatever its name, compression and format?
//!
//! The fingerprint is of the packets in front: the time, the lengths and the bytes of each, one after the other,
//! up to [`HEAD_BYTES`] or all there are. Packets have times, so that two captures that begin alike are one, or
//! one is what the other has grown to. What else a file has does not matter, such as secrets that were put into
//! it later, by which pcap becomes pcapng.
//!
//! A longer capture is told from the one that it begins with by all of that, a shorter one from the one that it
//! is the beginning of by the first [`START_BYTES`] only: more is not known of what was seen before.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twintap_decode::capture::{Damage, Packet, Secrets};

use super::{Chunk, Chunks, Heard, Input, InputError, Source};

/// Bytes of packets that are hashed.
const HEAD_BYTES: usize = 1 << 20;
/// Bytes of them that are hashed by themselves: the first packet is among them.
const START_BYTES: usize = 512;
/// Chunks that are read to find as many: most may be of no packets.
const CHUNKS_MAX: usize = 256;
/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 16;

/// The first packets of a capture file.
#[derive(Debug, Default)]
pub struct Head {
    /// Of each its time, its lengths, its bytes. Captures without packets are all alike, and hold nothing that
    /// could be there twice.
    bytes: Vec<u8>,
    chunks_count: usize,
    refused: Option<Damage>,
}

/// What of a file was seen before; what is most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// All of it.
    Whole,
    /// As much as a [`Head`] has: it may have grown since.
    Head,
    /// Its beginning: it has grown since.
    Beginning,
    /// Its first packet, of a capture that is longer: all of it, if it is the beginning of that.
    FirstPacket,
}

impl Head {
    /// Reads that of a regular file; `None` of anything else: reading a pipe would take what is in it.
    pub fn read(path: &Path) -> Result<Option<Self>, InputError> {
        let metadata = std::fs::metadata(path);
        if path == Path::new("-")
            || metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        {
            return Ok(None);
        }
        let source = Source::Path(path.to_owned());
        let mut input = Input::open(source, Arc::default(), Arc::default())?;
        let mut head = Self::default();
        match Chunks::default().read(&mut input, &mut head) {
            (_, Err(error)) if head.bytes.is_empty() => return Err(error),
            // What comes before damage counts.
            _ => head.bytes.truncate(HEAD_BYTES),
        }
        Ok(Some(head))
    }

    /// Why nothing of the file can be read, if that is so.
    pub fn refused(&self) -> Option<&Damage> {
        self.refused.as_ref()
    }

    /// Says which capture it is; opaque, such as `1234-9f86d0…-81884c…`. `None` where no packet is in sight.
    pub fn fingerprint(&self) -> Option<String> {
        (!self.bytes.is_empty()).then(|| fingerprint(&self.bytes))
    }

    /// Is this, or what it begins with, or what begins with it, the capture of this fingerprint?
    pub fn knows(&self, known: &str) -> Option<Known> {
        let (len, hashes) = known.split_once('-')?;
        let Some(bytes) = self.bytes.get(..len.parse().ok()?) else {
            let few = self.bytes.get(..START_BYTES)?;
            let is_alike = hashes.starts_with(&format!("{}-", hash(few)));
            return is_alike.then_some(Known::FirstPacket);
        };
        if !known.starts_with(&start(bytes)) || fingerprint(bytes) != known {
            return None;
        }
        Some(match bytes.len() {
            HEAD_BYTES => Known::Head,
            len if len < self.bytes.len() => Known::Beginning,
            _ => Known::Whole,
        })
    }
}

impl Heard for Head {
    fn packet(&mut self, _: &[u8], packet: &Packet<'_>) {
        if self.bytes.len() < HEAD_BYTES {
            let len = packet.bytes.len() as u64;
            self.bytes.extend(packet.unix_ns.to_le_bytes());
            self.bytes.extend(len.to_le_bytes());
            self.bytes.extend(packet.original_len.to_le_bytes());
            self.bytes.extend(packet.bytes);
        }
    }

    fn damage(&mut self, _: &str, damage: Damage) {
        if damage.offset == 0 && !damage.problem.can_continue() {
            self.refused = Some(damage);
        }
    }

    fn secrets(&mut self, _: Secrets<'_>) {}

    fn chunk(&mut self, _: &Chunk) {
        self.chunks_count += 1;
    }

    fn is_over(&mut self) -> bool {
        self.bytes.len() >= HEAD_BYTES || self.chunks_count >= CHUNKS_MAX
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    format!("{}{}", start(bytes), hash(bytes))
}

/// The length, and a hash of a few bytes: most captures differ in these, so that no more need be hashed.
fn start(bytes: &[u8]) -> String {
    let few = bytes.get(..START_BYTES).unwrap_or(bytes);
    format!("{}-{}-", bytes.len(), hash(few))
}

fn hash(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes).iter().take(HASH_BYTES) {
        text += &format!("{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A capture of packets of 1000 bytes.
    fn pcap(packets: u32) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut file: Vec<u8> = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 18, 101]);
        for number in 0..packets {
            file.extend::<Vec<u8>>(words(&[1_700_000_000, number, 1000, 1000]));
            file.extend([7; 1000]);
        }
        file
    }

    fn head(bytes: &[u8]) -> Head {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Head::read(file.path()).unwrap().unwrap()
    }

    fn knows(new: &[u8], old: &[u8]) -> Option<Known> {
        head(new).knows(&head(old).fingerprint().unwrap())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_capture_is_known_however_it_is_compressed() {
        for (packets, known) in [(3, Known::Whole), (2000, Known::Head)] {
            let plain = pcap(packets);
            let forms = [
                plain.clone(),
                gzip(&plain),
                zstd::encode_all(&plain[..], 1).unwrap(),
            ];
            for (new, old) in forms
                .iter()
                .flat_map(|new| forms.iter().map(move |old| (new, old)))
            {
                assert_eq!(knows(new, old), Some(known));
            }
        }
    }

    #[test]
    fn a_capture_that_has_grown_is_known() {
        assert_eq!(knows(&pcap(4), &pcap(3)), Some(Known::Beginning));
        assert_eq!(knows(&pcap(2000), &gzip(&pcap(3))), Some(Known::Beginning));
        assert_eq!(knows(&pcap(3000), &pcap(2000)), Some(Known::Head));
        let torn = &pcap(3)[..2500];
        assert_eq!(knows(&pcap(3), torn), Some(Known::Beginning));
    }

    #[test]
    fn the_beginning_of_a_capture_is_known_by_its_first_packet() {
        assert_eq!(knows(&pcap(2), &pcap(3)), Some(Known::FirstPacket));
        let long = pcap(2000);
        assert_eq!(knows(&pcap(3), &gzip(&long)), Some(Known::FirstPacket));
        assert_eq!(knows(&long[..2500], &long), Some(Known::FirstPacket));
    }

    /// The same packets as pcapng, with a block of secrets in front.
    fn with_secrets(pcap: &[u8], secrets: &[u8]) -> Vec<u8> {
        let block = |kind: u32, body: &[u8]| {
            let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
            let len = (12 + u32::try_from(body.len() + padding.len()).unwrap()).to_le_bytes();
            [&kind.to_le_bytes()[..], &len, body, &padding, &len].concat()
        };
        let le = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let mut file = block(0x0a0d_0d0a, &le(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
        let len = u32::try_from(secrets.len()).unwrap();
        file.extend(block(
            10,
            &[le(&[Secrets::TLS_KEY_LOG, len]), secrets.to_vec()].concat(),
        ));
        file.extend(block(1, &le(&[101, 1 << 18])));
        for record in pcap[24..].chunks(1016) {
            let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
            let time = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
            let [high, low] =
                [time >> 32, time & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap());
            let head = le(&[0, high, low, word(8), word(12)]);
            file.extend(block(6, &[head, record[16..].to_vec()].concat()));
        }
        file
    }

    #[test]
    fn a_capture_into_which_secrets_were_put_is_known() {
        for (packets, known) in [(3, Known::Whole), (2000, Known::Head)] {
            let plain = pcap(packets);
            for secrets_len in [10, 3 << 20] {
                let injected = with_secrets(&plain, &vec![b'#'; secrets_len]);
                assert_eq!(knows(&injected, &plain), Some(known));
                assert_eq!(knows(&plain, &injected), Some(known));
            }
        }
        let longer = with_secrets(&pcap(4), b"#");
        assert_eq!(knows(&longer, &pcap(3)), Some(Known::Beginning));
    }

    #[test]
    fn another_capture_is_not_known() {
        let mut other = pcap(3);
        other[30] = 9;
        for longer in [3, 4] {
            assert_eq!(knows(&other, &pcap(longer)), None, "another time");
        }
        assert_eq!(head(&pcap(0)).fingerprint(), None);
        assert_eq!(head(&pcap(3)).knows("of another version"), None);
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        for bytes in [
            &b""[..],
            b"abc",
            b"a text that is longer than any header of a file",
        ] {
            assert!(head(bytes).refused().is_some(), "{bytes:?}");
        }
        let mut damaged = pcap(3);
        damaged[32..36].fill(0xff);
        for bytes in [&pcap(0), &pcap(3), &damaged] {
            assert!(head(bytes).refused().is_none());
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(Head::read(directory.path()).is_err());
        assert!(Head::read(&directory.path().join("none")).is_err());
    }

    #[test]
    fn what_is_no_regular_file_is_not_touched() {
        assert!(Head::read(Path::new("/dev/null")).unwrap().is_none());
        assert!(Head::read(Path::new("-")).unwrap().is_none());
    }
}
