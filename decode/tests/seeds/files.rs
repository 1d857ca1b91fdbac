//! Capture files: each format, each kind of block, damage, and one conversation.

use crate::support::files::{BIG, LITTLE, Order};
use crate::support::frames::{SETTINGS, client_opening, frame, request, response};
use crate::support::packets::{
    CLIENT, CLIENT_PORT, IPV4, SERVER, SERVER_PORT, TCP, ethernet, ipv4,
};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

pub(super) fn captures() -> Vec<(&'static str, Vec<u8>)> {
    let classic = |order: Order, magic| {
        [
            order.pcap_header(magic),
            order.pcap_record((1, 2), 9, b"nine here"),
            order.pcap_record((1, 3), 90, b"cut"),
        ]
        .concat()
    };
    let next = |order: Order| {
        [
            order.section(),
            order.interface(0, &[(9, &[9]), (14, &[0; 8])]),
            order.enhanced(0, 1 << 33, b"enhanced"),
            order.interface(64, &[(9, &[0x80 | 20])]),
            order.enhanced_cut(1, 5, 4000, b"a few"),
            order.simple(6, b"simple"),
            order.obsolete(1, 7, b"obsolete"),
            order.block(0x0a, &[b"KSLT".as_slice(), &[3, 0, 0, 0], b"key"].concat()),
            order.block(5, &[0; 12]),
        ]
        .concat()
    };
    let mut damaged = classic(LITTLE, MICROSECONDS);
    let at = 24 + 8;
    damaged[at..at + 4].fill(0xff);
    damaged.extend(LITTLE.pcap_record((2, 4), 3, b"end"));
    vec![
        ("pcap_little", classic(LITTLE, MICROSECONDS)),
        ("pcap_big_nanoseconds", classic(BIG, NANOSECONDS)),
        ("pcapng_little", next(LITTLE)),
        ("pcapng_big", next(BIG)),
        ("damaged", damaged),
        (
            "appended",
            [classic(LITTLE, MICROSECONDS), next(BIG)].concat(),
        ),
        ("empty", Vec::new()),
    ]
}

/// Two calls of one connection, whole, and as it is after the first packets were lost.
pub(super) fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    const FIN: u8 = 0x01;
    let calls = [
        (true, SYN, Vec::new()),
        (false, SYN | ACK, Vec::new()),
        (true, ACK, client_opening()),
        (false, ACK, frame(SETTINGS, 0, 0, &[])),
        (true, ACK, request(1, "/a.A/One", b"first")),
        (false, ACK, response(1, b"answer")),
        (true, ACK, request(3, "/a.A/Two", b"second")),
        (false, ACK, response(3, b"answer")),
        (true, ACK | FIN, Vec::new()),
        (false, ACK | FIN, Vec::new()),
    ];
    let mut next_seqs = [100_u32, u32::MAX - 20];
    let mut records = Vec::new();
    for (second, (from_client, flags, payload)) in (1..).zip(&calls) {
        let (own, other) = if *from_client { (0, 1) } else { (1, 0) };
        let segment = tcp(
            *from_client,
            [next_seqs[own], next_seqs[other]],
            *flags,
            payload,
        );
        let mut packet = ipv4(TCP, &segment);
        if !from_client {
            packet[12..20].rotate_left(4);
        }
        let packet = ethernet(IPV4, &packet);
        let len = u32::try_from(packet.len()).unwrap();
        records.push(LITTLE.pcap_record((second, 0), len, &packet));
        let step = payload.len() + usize::from(flags & (SYN | FIN) != 0);
        next_seqs[own] = next_seqs[own].wrapping_add(u32::try_from(step).unwrap());
    }
    let capture = |records: &[Vec<u8>]| {
        let mut bytes = LITTLE.pcap_header(MICROSECONDS);
        bytes.extend(records.concat());
        bytes
    };
    let mut holey = records.clone();
    holey.remove(4);
    vec![
        ("whole", capture(&records)),
        ("midway", capture(&records[6..])),
        ("lossy", capture(&holey)),
    ]
}

fn tcp(from_client: bool, [seq, ack]: [u32; 2], flags: u8, payload: &[u8]) -> Vec<u8> {
    debug_assert_ne!(CLIENT, SERVER);
    let mut ports = [CLIENT_PORT, SERVER_PORT];
    if !from_client {
        ports.reverse();
    }
    let mut bytes = ports.map(u16::to_be_bytes).concat();
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}
