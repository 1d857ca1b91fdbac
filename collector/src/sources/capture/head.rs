//! The beginning of a capture file: is it one, and which, whatever its name and its compression?
//!
//! The fingerprint is of the first [`HEAD_BYTES`], decompressed, or of all there are: its packets have times, so
//! that two captures that begin alike are one, or one is what the other has grown to.
//!
//! A longer capture is told from the one that it begins with by all of that, a shorter one from the one that it
//! is the beginning of by the first [`START_BYTES`] only: more is not known of what was seen before. Where no
//! packet is among those, as in pcapng that begins with many interfaces or secrets, it is not told at all.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twintap_decode::capture::{Damage, Reader, Step};

use super::{Arrival, Input, InputError, Source};

/// Bytes of the capture that are read and hashed. Secrets may come before the first packet.
const HEAD_BYTES: usize = 1 << 20;
/// Bytes of it that are hashed by themselves: nearly always, the first packet is among them.
const START_BYTES: usize = 512;
/// Bytes at the beginning of a packet's record that have its time, in either format.
const RECORD_HEADER_BYTES: u64 = 28;
/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 16;

/// The first bytes of a capture file.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
    /// Where the record of the first packet begins. Captures without packets are all alike, and hold nothing
    /// that could be there twice.
    first_packet_offset: Option<u64>,
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
        let mut bytes = vec![0; HEAD_BYTES];
        let mut len = 0;
        while let Some(room) = bytes.get_mut(len..).filter(|room| !room.is_empty()) {
            match input.read(room) {
                Ok(Arrival::Bytes(read @ 1..)) => len += read,
                Ok(Arrival::Bytes(_) | Arrival::Quiet) => break,
                Err(error) if len == 0 => return Err(error),
                // What comes before damage counts.
                Err(_) => break,
            }
        }
        bytes.truncate(len);
        let (first_packet_offset, refused) = look(&bytes);
        Ok(Some(Self {
            bytes,
            first_packet_offset,
            refused,
        }))
    }

    /// Why nothing of the file can be read, if that is so.
    pub fn refused(&self) -> Option<&Damage> {
        self.refused.as_ref()
    }

    /// Says which capture it is; opaque, such as `1234-9f86d0…-81884c…`. `None` where no packet is in sight.
    pub fn fingerprint(&self) -> Option<String> {
        self.first_packet_offset.map(|_| fingerprint(&self.bytes))
    }

    /// Is this, or what it begins with, or what begins with it, the capture of this fingerprint?
    pub fn knows(&self, known: &str) -> Option<Known> {
        let first_packet_offset = self.first_packet_offset?;
        let (len, hashes) = known.split_once('-')?;
        let Some(bytes) = self.bytes.get(..len.parse().ok()?) else {
            let few = self.bytes.get(..START_BYTES)?;
            let has_time = first_packet_offset + RECORD_HEADER_BYTES <= few.len() as u64;
            let is_alike = has_time && hashes.starts_with(&format!("{}-", hash(few)));
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

/// Where in `bytes` is the first packet, and if nowhere, why can none ever be read?
fn look(bytes: &[u8]) -> (Option<u64>, Option<Damage>) {
    let (mut reader, mut rest) = (Reader::new(), bytes);
    let is_end = bytes.len() < HEAD_BYTES;
    loop {
        match reader.next(&mut rest, is_end) {
            Step::Packet(packet) => return (Some(packet.offset), None),
            Step::Broken(damage) if damage.offset == 0 && !damage.problem.can_continue() => {
                return (None, Some(damage));
            }
            Step::Broken(_) | Step::Secrets(_) => {}
            Step::More(_) | Step::End => return (None, None),
        }
    }
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

    #[test]
    fn captures_that_have_only_their_file_headers_in_common_are_others() {
        // An interface whose description leaves no room for a packet, then one packet.
        let pcapng = |time: u8| {
            let block = |kind: u32, body: &[u8]| {
                let len = (12 + u32::try_from(body.len()).unwrap()).to_le_bytes();
                [&kind.to_le_bytes()[..], &len, body, &len].concat()
            };
            let section = [
                &0x1a2b_3c4d_u32.to_le_bytes()[..],
                &[1, 0, 0, 0],
                &[0xff; 8],
            ]
            .concat();
            let interface = [&[101, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2][..], &[b'x'; 512]].concat();
            let mut packet = vec![0; 20 + 1000];
            packet[8] = time;
            packet[12..14].copy_from_slice(&1000_u16.to_le_bytes());
            packet[16..18].copy_from_slice(&1000_u16.to_le_bytes());
            let packet = block(6, &packet);
            let file = [block(0x0a0d_0d0a, &section), block(1, &interface), packet];
            file.concat()
        };
        let short = pcapng(1);
        let longer = [pcapng(2), pcapng(2)].concat();
        assert_eq!(knows(&short, &short), Some(Known::Whole));
        assert_eq!(knows(&short, &longer), None);
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
