//! A larger capture: others several times over, each time with other addresses.
//!
//! The same packets again would be duplicates, and next to no work.

use std::fs::{File, read};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Lengths of a file's header and of a packet's, as libpcap wrote them with Ethernet frames.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Of a frame: its type, and the second byte of each address behind it.
const ETHER_TYPE: usize = 12;
const ADDRESS_BYTES: [usize; 2] = [27, 31];

/// Writes `captures`, `count` times over, to `path`.
pub(crate) fn write(captures: &[&Path], count: u8, path: &Path) {
    let mut output = BufWriter::new(File::create(path).unwrap());
    let mut header = None;
    for copy in 0..count {
        for capture in captures {
            let mut bytes = read(capture).unwrap();
            let packets = bytes.split_off(FILE_HEADER);
            if header.is_none() {
                output.write_all(&bytes).unwrap();
            }
            let name = capture.display();
            assert_eq!(
                header.get_or_insert_with(|| bytes.clone()),
                &bytes,
                "{name} is of another kind"
            );
            output
                .write_all(&at_other_addresses(packets, copy))
                .unwrap();
        }
    }
    output.flush().unwrap();
}

fn at_other_addresses(mut packets: Vec<u8>, copy: u8) -> Vec<u8> {
    let mut rest = packets.as_mut_slice();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (packet, next) = rest.split_at_mut(PACKET_HEADER + length as usize);
        let frame = &mut packet[PACKET_HEADER..];
        assert_eq!(frame[ETHER_TYPE..][..2], [8, 0], "IPv4 in Ethernet");
        for at in ADDRESS_BYTES {
            frame[at] = copy;
        }
        rest = next;
    }
    packets
}
