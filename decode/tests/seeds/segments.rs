//! Packets of each kind of link, and segments of one connection.

use crate::properties::script::ScriptWriter;
use crate::properties::tcp::bits;
use crate::support::packets::{
    IPV4, IPV6, TCP, UDP, ethernet, ipv4, ipv4_fragment, ipv6, join, tcp, udp,
};

const ACK: u8 = 0x10;

pub(super) fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let segment = tcp(7, ACK, b"payload");
    let inner = ethernet(IPV4, &ipv4(TCP, &segment));
    let script = |packets: &[(u8, Vec<u8>)]| {
        let write = |writer: ScriptWriter, (kind, packet): &(u8, Vec<u8>)| {
            writer.bytes(&[*kind, 1, 0]).payload(packet)
        };
        packets.iter().fold(ScriptWriter::default(), write).0
    };
    let vlan = ethernet(0x8100, &join(&[0, 5, 8, 0], &ipv4(TCP, &segment)));
    let vxlan = ethernet(
        IPV4,
        &ipv4(UDP, &udp(4789, &join(&[8, 0, 0, 0, 0, 0, 1, 0], &inner))),
    );
    let gre = ethernet(IPV4, &ipv4(47, &join(&[0, 0, 8, 0], &ipv4(TCP, &segment))));
    let mpls = ethernet(0x8847, &join(&[0, 1, 1, 64], &ipv4(TCP, &segment)));
    let sll = join(
        &[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0],
        &ipv4(TCP, &segment),
    );
    let (head, tail) = segment.split_at(24);
    let halves = vec![
        (0, ethernet(IPV4, &ipv4_fragment(TCP, 9, 3, tail))),
        (0, ethernet(IPV4, &ipv4_fragment(TCP, 9, 0x2000, head))),
    ];
    let extended = ipv6(0, &join(&[6, 0, 1, 4, 0, 0, 0, 0], &segment));
    vec![
        ("ethernet", script(&[(0, inner.clone())])),
        ("ipv6_extended", script(&[(0, ethernet(IPV6, &extended))])),
        ("vlan", script(&[(0, vlan)])),
        ("vxlan", script(&[(0, vxlan)])),
        ("gre", script(&[(0, gre)])),
        ("mpls", script(&[(0, mpls)])),
        ("cooked", script(&[(3, sll)])),
        (
            "raw",
            script(&[(2, ipv4(TCP, &segment)), (6, ipv4(TCP, &segment))]),
        ),
        ("fragments", script(&halves)),
    ]
}

pub(super) fn segments() -> Vec<(&'static str, Vec<u8>)> {
    use bits::{ACK, ANSWER, CUT, FIN, RST, SYN};
    let script = |kind: u8, steps: &[(u8, u8, u16, u8, u16)]| {
        let write = |writer: ScriptWriter, step: &(u8, u8, u16, u8, u16)| {
            let (what, delay, at, len, ack) = *step;
            writer.bytes(&[what, delay]).u16(at).bytes(&[len]).u16(ack)
        };
        steps.iter().fold(ScriptWriter(vec![kind]), write).0
    };
    let handshake = [(SYN, 0, 0, 0, 0), (SYN | ANSWER | ACK, 0, 0, 0, 0)];
    let with = |steps: &[(u8, u8, u16, u8, u16)]| [&handshake[..], steps].concat();
    let in_order = with(&[
        (ACK, 1, 0, 100, 0),
        (ACK | ANSWER, 1, 0, 200, 100),
        (ACK | FIN, 1, 100, 0, 200),
        (ACK | ANSWER | FIN, 1, 200, 0, 101),
    ]);
    let reordered = with(&[
        (ACK, 0, 100, 50, 0),
        (ACK, 0, 40, 80, 0),
        (ACK, 0, 0, 60, 0),
        (ACK, 0, 150, 1, 0),
    ]);
    let lossy = with(&[
        (ACK, 0, 0, 50, 0),
        (ACK, 1, 100, 50, 0),
        (ACK | ANSWER, 50, 0, 10, 150),
        (ACK | CUT, 40, 150, 20, 10),
        (ACK, 1, 300, 20, 10),
        (RST, 1, 320, 0, 0),
    ]);
    let midway = [
        (ACK, 0, 5000, 90, 0),
        (ACK, 0, 4900, 100, 0),
        (ACK | ANSWER, 9, 700, 90, 5090),
        (ACK, 200, 5090, 30, 790),
    ];
    vec![
        ("in_order", script(0, &in_order)),
        ("reordered", script(0, &reordered)),
        ("lossy", script(0, &lossy)),
        ("midway", script(0, &midway)),
        ("differing", script(1, &reordered)),
    ]
}
