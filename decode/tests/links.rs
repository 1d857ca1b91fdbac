//! Every link, tunnel and IP form gives the segment that is in it, and every packet is counted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::packets::*;
use twintap_decode::capture::{LinkType, Packet};
use twintap_decode::link::{
    BreakReason, Dissection, Dissector, FlowKey, LinkConfig, SkipReason, flags,
};

const SEQ: u32 = 1_000;
const PAYLOAD: &[u8] = b"what was said";

fn inner() -> Vec<u8> {
    ipv4(TCP, &tcp(SEQ, flags::ACK, PAYLOAD))
}

fn gre(flags: u16, protocol: u16, fields: &[u8], payload: &[u8]) -> Vec<u8> {
    let head = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
    [&head, fields, payload].concat()
}

fn vxlan(vni: u8, payload: &[u8]) -> Vec<u8> {
    join(&[8, 0, 0, 0, 0, 0, vni, 0], payload)
}

fn geneve(vni: u8, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = protocol.to_be_bytes();
    join(
        &[2, 0, high, low, 0, 0, vni, 0, 1, 1, 0, 1, 9, 9, 9, 9],
        payload,
    )
}

/// In `ethernet(IPV4, ipv4(UDP, udp(port, _)))`.
fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &ipv4(UDP, &udp(port, payload)))
}

fn over_gre(flags: u16, protocol: u16, fields: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &ipv4(47, &gre(flags, protocol, fields, payload)))
}

fn dissect_one(link_type: LinkType, bytes: &[u8]) -> Result<(Vec<u8>, u64), String> {
    let mut dissector = Dissector::new(LinkConfig::default());
    let result = match dissector.packet(&packet(link_type, bytes)) {
        Dissection::Segment(segment) => {
            assert_eq!((segment.seq, segment.missing_tail), (SEQ, 0));
            assert_eq!(segment.flow.endpoint(segment.sender).port, CLIENT_PORT);
            Ok((segment.payload.to_vec(), segment.flow.tunnel()))
        }
        other => Err(format!("{other:?}")),
    };
    assert!(dissector.counters().adds_up());
    result
}

fn link_forms() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let four = inner();
    let six = ipv6(TCP, &tcp(SEQ, flags::ACK, PAYLOAD));
    let frame = ethernet(IPV4, &four);
    let ethernet_forms = [
        ("ipv4", frame.clone()),
        ("ipv6", ethernet(IPV6, &six)),
        ("802.1Q", ethernet(0x8100, &join(&[0, 5, 8, 0], &four))),
        (
            "QinQ",
            ethernet(0x88a8, &join(&[0, 5, 0x81, 0, 0, 6, 0x86, 0xdd], &six)),
        ),
        (
            "SNAP",
            ethernet(100, &join(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &four)),
        ),
        (
            "MPLS",
            ethernet(0x8847, &join(&[0, 1, 0, 64, 0, 2, 1, 64], &four)),
        ),
        (
            "MPLS pseudowire",
            ethernet(0x8847, &join(&[0, 1, 1, 64, 0, 0, 0, 0], &frame)),
        ),
        (
            "PPPoE",
            ethernet(0x8864, &join(&[0x11, 0, 0, 1, 0, 60, 0, 0x21], &four)),
        ),
        ("padding", join(&frame, &[0; 9])),
        ("IP in IP", ethernet(IPV4, &ipv4(4, &four))),
        ("6 in 4", ethernet(IPV4, &ipv4(41, &six))),
        ("4 in 6", ethernet(IPV6, &ipv6(4, &four))),
        ("GRE", over_gre(0, IPV4, &[], &four)),
        (
            "GRE checksum, key, sequence",
            over_gre(0xb000, IPV6, &[0; 12], &six),
        ),
        ("GRETAP", over_gre(0, 0x6558, &[], &frame)),
        ("ERSPAN I", over_gre(0, 0x88be, &[], &frame)),
        (
            "ERSPAN II",
            over_gre(
                0x1000,
                0x88be,
                &[0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0],
                &frame,
            ),
        ),
        ("ERSPAN III", over_gre(0x1000, 0x22eb, &[0; 16], &frame)),
        ("ERSPAN III with platform header", {
            let mut fields = [0; 24];
            fields[15] = 1;
            over_gre(0x1000, 0x22eb, &fields, &frame)
        }),
        ("VXLAN", over_udp(4789, &vxlan(0, &frame))),
        ("VXLAN on Linux's port", over_udp(8472, &vxlan(0, &frame))),
        ("GENEVE", over_udp(6081, &geneve(0, 0x6558, &frame))),
        ("GENEVE with IP", over_udp(6081, &geneve(0, IPV4, &four))),
        ("GUE", over_udp(6080, &join(&[0, 4, 0, 0], &four))),
        (
            "GUE version 1",
            over_udp(6080, &join(&[], &[&[0x45][..], &four[1..]].concat())),
        ),
        ("hop-by-hop, routing, destination, AH", {
            let ah = [
                6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
            let chain = [
                &[43, 0, 0, 0, 0, 0, 0, 0][..],
                &[60, 0, 0, 0, 0, 0, 0, 0],
                &[51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                &ah,
                &tcp(SEQ, 0, PAYLOAD),
            ];
            ethernet(IPV6, &ipv6(0, &chain.concat()))
        }),
        ("atomic fragment", {
            let header = [6, 0, 0, 0, 0, 0, 0, 9];
            ethernet(IPV6, &ipv6(44, &join(&header, &tcp(SEQ, 0, PAYLOAD))))
        }),
        ("AH in IPv4", {
            let ah = [6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
            ethernet(IPV4, &ipv4(51, &join(&ah, &tcp(SEQ, 0, PAYLOAD))))
        }),
        ("total length 0", {
            let mut bytes = frame.clone();
            bytes[16..18].fill(0);
            bytes
        }),
        ("payload length 0", {
            let mut bytes = ethernet(IPV6, &six);
            bytes[18..20].fill(0);
            bytes
        }),
    ];
    let mut forms = ethernet_forms
        .map(|(name, bytes)| (name, LinkType::ETHERNET, bytes))
        .to_vec();
    forms.extend([
        ("raw", LinkType::RAW, four.clone()),
        ("raw, BSD", LinkType::RAW_BSD, six.clone()),
        ("IPv4", LinkType::IPV4, four.clone()),
        ("IPv6", LinkType::IPV6, six.clone()),
        (
            "NULL, little-endian",
            LinkType::NULL,
            join(&[2, 0, 0, 0], &four),
        ),
        (
            "NULL, big-endian",
            LinkType::NULL,
            join(&[0, 0, 0, 30], &six),
        ),
        ("LOOP", LinkType::LOOP, join(&[0, 0, 0, 2], &four)),
        (
            "SLL",
            LinkType::LINUX_SLL,
            [&[0; 14][..], &[8, 0], &four].concat(),
        ),
        (
            "SLL2",
            LinkType::LINUX_SLL2,
            [&[8, 0][..], &[0; 18], &four].concat(),
        ),
        ("PPP", LinkType::PPP, join(&[0, 0x21], &four)),
        ("PPP, one byte", LinkType::PPP, join(&[0x57], &six)),
        (
            "PPP in HDLC",
            LinkType::PPP_HDLC,
            join(&[0xff, 3, 0, 0x57], &six),
        ),
        (
            "PPP with direction",
            LinkType::PPP_WITH_DIRECTION,
            join(&[1, 0xff, 3, 0, 0x21], &four),
        ),
        (
            "PPPoE",
            LinkType::PPP_ETHER,
            join(&[0x11, 0, 0, 1, 0, 60, 0, 0x21], &four),
        ),
    ]);
    forms
}

#[test]
fn every_form_gives_the_segment_within() {
    for (name, link_type, bytes) in link_forms() {
        let found = dissect_one(link_type, &bytes);
        assert_eq!(
            found.map(|(payload, _)| payload).as_deref(),
            Ok(PAYLOAD),
            "{name}"
        );
    }
}

#[test]
fn a_payload_is_found_again_in_its_window_unless_it_came_in_fragments() {
    let frame = ethernet(IPV4, &inner());
    let window = [&[9; 50][..], &frame, &[9; 7]].concat();
    let mut dissector = Dissector::default();
    let Dissection::Segment(segment) =
        dissector.packet(&packet(LinkType::ETHERNET, &window[50..50 + frame.len()]))
    else {
        panic!("no segment");
    };
    let range = segment.payload_range_in(&window).unwrap();
    assert_eq!(&window[range.clone()], PAYLOAD);
    assert_eq!(
        segment.with_payload(&[]).with_payload(&window[range]),
        segment
    );
    assert_eq!(segment.payload_range_in(&[0; 3]), None);
}

#[test]
fn every_form_cut_anywhere_is_a_reason_or_the_right_beginning() {
    for (name, link_type, bytes) in link_forms() {
        for len in 0..bytes.len() {
            let mut dissector = Dissector::default();
            // As a snapshot length cuts: the original length is known.
            let cut = Packet {
                bytes: &bytes[..len],
                ..packet(link_type, &bytes)
            };
            if let Dissection::Segment(segment) = dissector.packet(&cut) {
                let whole = usize::try_from(segment.missing_tail).unwrap() + segment.payload.len();
                let padding = if name == "padding" { 9 } else { 0 };
                assert_eq!(whole, PAYLOAD.len(), "{name} at {len}, {padding}");
                assert_eq!(segment.payload, &PAYLOAD[..segment.payload.len()], "{name}");
            }
            // As a damaged packet: there was no more.
            if let Dissection::Segment(segment) =
                dissector.packet(&packet(link_type, &bytes[..len]))
            {
                assert!(PAYLOAD.starts_with(segment.payload), "{name} at {len}");
            }
            assert!(dissector.counters().adds_up());
        }
    }
}

#[test]
fn tunnel_ids_tell_equal_addresses_apart() {
    let frame = ethernet(IPV4, &inner());
    let tunnel = |bytes: &[u8]| dissect_one(LinkType::ETHERNET, bytes).unwrap().1;
    let forms = [
        tunnel(&frame),
        tunnel(&over_udp(4789, &vxlan(1, &frame))),
        tunnel(&over_udp(4789, &vxlan(2, &frame))),
        tunnel(&over_udp(6081, &geneve(1, 0x6558, &frame))),
        tunnel(&over_gre(0x2000, 0x6558, &[0, 0, 0, 1], &frame)),
        tunnel(&over_udp(
            4789,
            &vxlan(1, &over_udp(4789, &vxlan(2, &frame))),
        )),
        tunnel(&over_udp(
            4789,
            &vxlan(2, &over_udp(4789, &vxlan(1, &frame))),
        )),
    ];
    for (index, form) in forms.iter().enumerate() {
        assert!(!forms[..index].contains(form), "{forms:x?}");
    }
    let mirrored = Dissector::new(LinkConfig {
        tunnels_separate_flows: false,
        ..LinkConfig::default()
    });
    let flow = |mut dissector: Dissector, bytes: &[u8]| -> FlowKey {
        match dissector.packet(&packet(LinkType::ETHERNET, bytes)) {
            Dissection::Segment(segment) => segment.flow,
            other => panic!("{other:?}"),
        }
    };
    let through = flow(mirrored, &over_udp(4789, &vxlan(1, &frame)));
    assert_eq!(through, flow(Dissector::default(), &frame));
}

#[test]
fn vlans_tell_flows_apart_only_if_asked() {
    let tagged = ethernet(0x8100, &join(&[0, 5, 8, 0], &inner()));
    for (vlans_separate_flows, is_zero) in [(false, true), (true, false)] {
        let mut dissector = Dissector::new(LinkConfig {
            vlans_separate_flows,
            ..LinkConfig::default()
        });
        match dissector.packet(&packet(LinkType::ETHERNET, &tagged)) {
            Dissection::Segment(segment) => assert_eq!(segment.flow.tunnel() == 0, is_zero),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_not_tcp_says_why() {
    let mut deep = ethernet(IPV4, &inner());
    for _ in 0..9 {
        deep = over_udp(4789, &vxlan(0, &deep));
    }
    let long_chain = [[0_u8; 8]; 40].concat();
    let esp = ethernet(IPV4, &ipv4(50, &[0; 40]));
    let skipped = [
        (
            LinkType::ETHERNET,
            ethernet(0x0806, &[0; 28]),
            SkipReason::NotIp,
        ),
        (
            LinkType::ETHERNET,
            over_udp(53, &[0; 20]),
            SkipReason::NotTcp,
        ),
        (
            LinkType::ETHERNET,
            ethernet(IPV4, &ipv4(1, &[0; 8])),
            SkipReason::NotTcp,
        ),
        (LinkType::ETHERNET, esp, SkipReason::TunnelUnknown),
        (LinkType::ETHERNET, deep, SkipReason::TooDeep),
        (
            LinkType::ETHERNET,
            ethernet(IPV6, &ipv6(0, &long_chain)),
            SkipReason::TooDeep,
        ),
        (LinkType(105), inner(), SkipReason::LinkType),
    ];
    for (link_type, bytes, reason) in skipped {
        let mut dissector = Dissector::default();
        let found = dissector.packet(&packet(link_type, &bytes));
        assert_eq!(found, Dissection::Skipped(reason));
        assert_eq!(dissector.counters().skipped.of(reason), 1);
    }
    let with = |at: usize, value: u8| {
        let mut bytes = ethernet(IPV4, &inner());
        bytes[at] = value;
        bytes
    };
    let broken = [
        (vec![0; 13], BreakReason::Link),
        (with(14, 0x55), BreakReason::IpHeader),
        (with(14, 0x44), BreakReason::IpHeader),
        (with(16, 0x40), BreakReason::IpLength),
        (with(17, 10), BreakReason::IpLength),
        (with(46, 0x40), BreakReason::TcpHeader),
        (with(46, 0xf0), BreakReason::TcpHeader),
        (over_udp(4789, &[8, 0]), BreakReason::Tunnel),
    ];
    for (bytes, reason) in broken {
        let mut dissector = Dissector::default();
        let found = dissector.packet(&packet(LinkType::ETHERNET, &bytes));
        assert_eq!(found, Dissection::Broken(reason));
    }
}

#[test]
fn chains_a_thousand_deep_are_given_up() {
    const DEPTH: usize = 1_000;
    let vlans = |ether_type: u16| {
        let tags = [&[0, 5][..], &ether_type.to_be_bytes()].concat();
        [tags.repeat(DEPTH), vec![0, 5, 8, 0], inner()].concat()
    };
    let labels = [[0, 1, 0, 64].repeat(DEPTH), vec![0, 2, 1, 64], inner()].concat();
    let gre_in_gre = |payload: &[u8]| ipv4(47, &gre(0, IPV4, &[], payload));
    // An IPv4 packet has at most 64 KiB, so that fits some two thousand times.
    let gre = (0..DEPTH).fold(inner(), |payload, _| gre_in_gre(&payload));
    let in_ip = (0..DEPTH).fold(inner(), |payload, _| ipv4(4, &payload));
    let options = [
        [60, 0, 0, 0, 0, 0, 0, 0].repeat(DEPTH),
        vec![6, 0, 0, 0, 0, 0, 0, 0],
    ];
    let options = [&options.concat()[..], &tcp(SEQ, flags::ACK, PAYLOAD)].concat();
    for (name, bytes) in [
        ("802.1Q", ethernet(0x8100, &vlans(0x8100))),
        ("802.1ad", ethernet(0x88a8, &vlans(0x88a8))),
        ("MPLS", ethernet(0x8847, &labels)),
        ("GRE", ethernet(IPV4, &gre)),
        ("IP in IP", ethernet(IPV4, &in_ip)),
        (
            "IPv6 extension headers",
            ethernet(IPV6, &ipv6(60, &options)),
        ),
    ] {
        let mut dissector = Dissector::default();
        let found = dissector.packet(&packet(LinkType::ETHERNET, &bytes));
        assert_eq!(found, Dissection::Skipped(SkipReason::TooDeep), "{name}");
        assert_eq!(dissector.counters().skipped.of(SkipReason::TooDeep), 1);
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_and_every_packet_is_counted(
        kind in 0_usize..16,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
        form in 0_usize..44,
        at in 0_usize..120,
        value: u8,
    ) {
        let kinds = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 204, 228, 229, 276, 105, 3];
        let mut dissector = Dissector::default();
        dissector.packet(&packet(LinkType(kinds[kind]), &bytes));
        let forms = link_forms();
        let (_, link_type, mut damaged) = forms[form % forms.len()].clone();
        if let Some(byte) = damaged.get_mut(at) {
            *byte = value;
        }
        dissector.packet(&packet(link_type, &damaged));
        proptest::prop_assert!(dissector.counters().adds_up());
    }
}

proptest::proptest! {
    #[test]
    fn the_short_way_through_ethernet_answers_as_the_walk_does(
        damage in proptest::collection::vec((0_usize..52, proptest::prelude::any::<u8>()), 0..3),
        len in 30_usize..80,
    ) {
        let mut bytes = inner();
        for (at, value) in damage {
            bytes[at] = value;
        }
        bytes.truncate(len);
        let framed = ethernet(IPV4, &bytes);
        let cooked = [&[0; 14][..], &[8, 0], &bytes].concat();
        let (mut short, mut long) = (Dissector::default(), Dissector::default());
        let short = short.packet(&packet(LinkType::ETHERNET, &framed));
        let long = long.packet(&packet(LinkType::LINUX_SLL, &cooked));
        proptest::prop_assert_eq!(short, long);
    }
}
