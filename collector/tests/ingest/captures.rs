//! Captures of one TCP connection, written by hand.

use twintap_decode::stream::Way;

/// Addresses and ports of client and server.
const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 60_000);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], SERVER_PORT);
pub(crate) const SERVER_PORT: u16 = 50_443;

/// Packets begin with an IP header.
const LINK_RAW: u16 = 101;
const SEGMENT_BYTES: usize = 1400;
/// The type of pcapng secrets that are a key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// The packets of a connection on which this was sent.
fn packets(sent: &[(Way, Vec<u8>)]) -> Vec<Vec<u8>> {
    let (syn, ack, fin) = (2, 16, 1);
    let mut next = [1_000_u32, 9_000];
    let mut packets = vec![
        packet(Way::Forward, [999, 0], syn, b""),
        packet(Way::Reverse, [8_999, next[0]], syn | ack, b""),
    ];
    for (way, bytes) in sent {
        let (own, other) = if *way == Way::Forward { (0, 1) } else { (1, 0) };
        for segment in bytes.chunks(SEGMENT_BYTES) {
            packets.push(packet(*way, [next[own], next[other]], ack, segment));
            next[own] += u32::try_from(segment.len()).unwrap();
        }
    }
    packets.push(packet(Way::Forward, next, fin | ack, b""));
    packets.push(packet(Way::Reverse, [next[1], next[0] + 1], fin | ack, b""));
    packets
}

/// IPv4 and TCP, without checksums, as a host that leaves them to its network card has them.
fn packet(way: Way, [seq, ack]: [u32; 2], flags: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = if way == Way::Forward {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let len = u16::try_from(40 + payload.len()).unwrap();
    let mut bytes = vec![0x45, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([from.0, to.0].concat());
    bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// A pcap of a connection.
pub(crate) fn pcap(sent: &[(Way, Vec<u8>)]) -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 18, LINK_RAW.into()]);
    for (number, packet) in (0..).zip(packets(sent)) {
        let len = u32::try_from(packet.len()).unwrap();
        file.extend(words(&[1_700_000_000, number, len, len]));
        file.extend(packet);
    }
    file
}

/// A pcapng of a connection, with a key log before its packet of this number.
pub(crate) fn pcapng(sent: &[(Way, Vec<u8>)], key_log: &[u8], at: usize) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, &words(&[LINK_RAW.into(), 0])));
    for (number, packet) in packets(sent).into_iter().enumerate() {
        if number == at {
            let len = u32::try_from(key_log.len()).unwrap();
            file.extend(block(
                10,
                &[words(&[TLS_KEY_LOG, len]), key_log.to_vec()].concat(),
            ));
        }
        let len = u32::try_from(packet.len()).unwrap();
        let number = u32::try_from(number).unwrap();
        file.extend(block(
            6,
            &[words(&[0, 0, number, len, len]), packet].concat(),
        ));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let len = u32::try_from(12 + body.len() + padding).unwrap();
    [
        words(&[kind, len]),
        body.to_vec(),
        vec![0; padding],
        words(&[len]),
    ]
    .concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
