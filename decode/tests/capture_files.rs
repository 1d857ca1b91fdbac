//! Capture files in every form, whole and damaged, whatever the windows they are read in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use proptest::prelude::*;
use support::files::{BIG, LITTLE, Order};
use support::{captures, each_packet};
use twintap_decode::capture::{Damage, Problem, Reader, Secrets, Step};

/// What a test looks at: time, bytes, original length.
type Seen = (u64, Vec<u8>, u32);

fn read_in(window: usize, capture: &[u8]) -> (Vec<Seen>, Vec<Damage>) {
    let mut packets = Vec::new();
    let (counters, damages) = each_packet(capture, window, |packet| {
        packets.push((packet.unix_ns, packet.bytes.to_vec(), packet.original_len));
    });
    assert_eq!(counters.packets, u64::try_from(packets.len()).unwrap());
    assert_eq!(counters.damages, u64::try_from(damages.len()).unwrap());
    (packets, damages)
}

/// Reads a capture in windows of several sizes, which must not matter.
fn read(capture: &[u8]) -> (Vec<Seen>, Vec<Damage>) {
    let whole = read_in(1 << 20, capture);
    for window in [1, 7, 64, 1_000] {
        assert_eq!(read_in(window, capture), whole, "windows of {window}");
    }
    whole
}

fn problems(damages: &[Damage]) -> Vec<(u64, Problem)> {
    let each = damages
        .iter()
        .map(|damage| (damage.packet_number, damage.problem));
    each.collect()
}

/// A classic capture of packets of these lengths, a second apart.
fn classic(order: Order, lengths: &[usize]) -> Vec<u8> {
    let mut capture = order.pcap_header(0xa1b2_c3d4);
    for (index, length) in (0_u32..).zip(lengths) {
        let packet = vec![u8::try_from(index % 250).unwrap(); *length];
        let original = u32::try_from(*length).unwrap() + 1;
        capture.extend(order.pcap_record((1_700_000_000 + index, 5), original, &packet));
    }
    capture
}

fn pcapng(order: Order, lengths: &[usize]) -> Vec<u8> {
    let mut capture = [order.section(), order.interface(0, &[])].concat();
    for (index, length) in (0_u64..).zip(lengths) {
        let packet = vec![u8::try_from(index % 250).unwrap(); *length];
        capture.extend(order.enhanced(0, 1_700_000_000_000_000 + index, &packet));
    }
    capture
}

#[test]
fn classic_captures_have_six_forms() {
    for order in [LITTLE, BIG] {
        for (magic, fraction, record_header_extra) in [
            (0xa1b2_c3d4, 7_000, 0),
            (0xa1b2_3c4d, 7, 0),
            (0xa1b2_cd34, 7_000, 8),
        ] {
            let mut capture = order.pcap_header(magic);
            for second in [10, 11] {
                let mut record = order.pcap_record((second, 7), 9, b"abc");
                record.splice(16..16, std::iter::repeat_n(9, record_header_extra));
                capture.extend(record);
            }
            let (packets, damages) = read(&capture);
            assert_eq!(damages, []);
            let expected = |second: u64| (second * 1_000_000_000 + fraction, b"abc".to_vec(), 9);
            assert_eq!(packets, [expected(10), expected(11)], "{magic:x}");
        }
    }
}

#[test]
fn pcapng_has_sections_interfaces_and_three_kinds_of_packets() {
    let mut capture = Vec::new();
    for order in [LITTLE, BIG] {
        let offset = if order.is_big {
            5_i64.to_be_bytes()
        } else {
            5_i64.to_le_bytes()
        };
        capture.extend(order.section());
        capture.extend(order.interface(2, &[(2, b"eth0"), (9, &[9])]));
        capture.extend(order.block(4, &[0; 8]));
        capture.extend(order.interface(0, &[(9, &[0x80 | 1]), (14, &offset), (0, &[])]));
        capture.extend(order.enhanced(0, 77, b"nano"));
        capture.extend(order.block(5, &[0; 12]));
        capture.extend(order.simple(4, b"si"));
        capture.extend(order.block(0x0bad, &[1; 9]));
        capture.extend(order.obsolete(1, 3, b"half seconds"));
        capture.extend(order.enhanced_cut(1, 2, 100, b""));
    }
    let (packets, damages) = read(&capture);
    assert_eq!(damages, []);
    let section = [
        (77, b"nano".to_vec(), 4),
        (77, b"si".to_vec(), 4),
        (6_500_000_000, b"half seconds".to_vec(), 12),
        (6_000_000_000, Vec::new(), 100),
    ];
    assert_eq!(packets, [section.clone(), section].concat());
}

#[test]
fn appended_captures_of_any_form_are_one() {
    let parts = [
        classic(LITTLE, &[60, 70]),
        pcapng(BIG, &[80]),
        pcapng(LITTLE, &[90]),
    ];
    let (packets, damages) = read(&parts.concat());
    assert_eq!((packets.len(), damages), (4, vec![]));
    let (packets, damages) = read(&[&parts[1][..], &parts[0], &classic(BIG, &[9])].concat());
    assert_eq!((packets.len(), damages), (4, vec![]));
    let (packets, damages) = read(&[&parts[0][..], &classic(BIG, &[5, 6]), &parts[0]].concat());
    assert_eq!((packets.len(), damages), (6, vec![]));
    let (packets, damages) = read(&parts[1..].concat());
    assert_eq!((packets.len(), damages), (2, vec![]));
}

#[test]
fn secrets_are_handed_out_where_they_stand() {
    let body = [
        &LITTLE.u32(Secrets::TLS_KEY_LOG)[..],
        &LITTLE.u32(6),
        b"CLIENT",
    ]
    .concat();
    let parts = [
        LITTLE.section(),
        LITTLE.block(10, &body),
        LITTLE.block(10, &body[..9]),
    ];
    let capture = parts.concat();
    let mut input = &capture[..];
    let mut reader = Reader::new();
    let secrets = Secrets {
        kind: Secrets::TLS_KEY_LOG,
        bytes: b"CLIENT",
    };
    assert_eq!(reader.next(&mut input, true), Step::Secrets(secrets));
    assert!(matches!(reader.next(&mut input, true), Step::Broken(_)));
    assert_eq!(reader.next(&mut input, true), Step::End);
}

#[test]
fn what_is_no_capture_is_refused_at_its_first_bytes() {
    for (input, problem) in [
        (&b""[..], Problem::Empty),
        (b"GIF", Problem::Truncated { missing: 21 }),
        (b"GIF89a", Problem::NotACapture(0x4749_4638)),
        (&[0; 100], Problem::NotACapture(0)),
        (&[0x1f, 0x8b, 8, 0, 0], Problem::NotACapture(0x1f8b_0800)),
        (
            &LITTLE.pcap_header(0xa1b2_c3d4)[..20],
            Problem::Truncated { missing: 4 },
        ),
    ] {
        let (packets, damages) = read(input);
        assert_eq!(packets, []);
        assert_eq!(problems(&damages), [(1, problem)]);
        assert!(!problem.can_continue());
    }
}

#[test]
fn a_section_whose_header_has_a_wrong_length_costs_its_header() {
    for (order, length) in [(LITTLE, 4), (BIG, 7)] {
        for added in [1, 4] {
            let whole = pcapng(order, &[60; 5]);
            let mut broken = whole.clone();
            broken[length] += added;
            for (capture, count, at) in [
                (broken.clone(), 5, 1),
                ([&whole[..], &broken].concat(), 10, 6),
                ([&broken[..], &whole].concat(), 10, 1),
            ] {
                let (packets, damages) = read(&capture);
                assert_eq!(packets.len(), count, "{added} more, at {at}");
                let [damage] = &damages[..] else {
                    panic!("{damages:?}")
                };
                assert_eq!(damage.packet_number, at);
                assert!(damage.problem.can_continue());
            }
        }
    }
}

#[test]
fn a_capture_cut_anywhere_keeps_the_packets_before_the_cut() {
    for (capture, record) in [(classic(LITTLE, &[60; 5]), 76), (pcapng(BIG, &[60; 5]), 92)] {
        let header = capture.len() - 5 * record;
        for len in header..capture.len() {
            let (packets, damages) = read_in(1 << 20, &capture[..len]);
            assert_eq!(packets.len(), (len - header) / record);
            let missing = u64::try_from((len - header) % record).unwrap();
            assert_eq!(damages.len(), usize::from(missing > 0), "cut at {len}");
            for damage in damages {
                assert!(matches!(damage.problem, Problem::Truncated { .. }));
                assert_eq!(
                    damage.packet_number,
                    u64::try_from(packets.len()).unwrap() + 1
                );
                assert!(damage.to_string().contains("at byte"));
            }
        }
    }
}

#[test]
fn a_lying_record_costs_itself_and_the_ones_after_it_count() {
    for order in [LITTLE, BIG] {
        let clean = classic(order, &[60; 9]);
        // The fourth record's captured length.
        let at = 24 + 3 * 76 + 8;
        for lie in [u32::MAX, 0x0100_0000, 262_145, 300] {
            let mut capture = clean.clone();
            capture[at..at + 4].copy_from_slice(&order.u32(lie));
            let (packets, damages) = read(&capture);
            assert_eq!(packets.len(), 8, "{lie}");
            assert_eq!(damages.len(), 1);
            assert_eq!(
                (damages[0].packet_number, damages[0].offset),
                (4, 24 + 3 * 76)
            );
        }
    }
}

#[test]
fn a_damaged_block_costs_itself_and_the_ones_after_it_count() {
    for order in [LITTLE, BIG] {
        let clean = pcapng(order, &[60; 9]);
        let begin = clean.len() - 6 * 92;
        for (at, value) in [
            (4, 0),
            (4, 91),
            (4, u32::MAX),
            (4, 96),
            (88, 96),
            (8, 7),
            (20, 1 << 20),
        ] {
            let mut capture = clean.clone();
            capture[begin + at..begin + at + 4].copy_from_slice(&order.u32(value));
            let (packets, damages) = read(&capture);
            assert_eq!(packets.len(), 8, "{at} {value}");
            assert_eq!(damages.len(), 1, "{at} {value}");
            assert_eq!(damages[0].offset, u64::try_from(begin).unwrap());
            assert_eq!(damages[0].packet_number, 4);
        }
    }
}

#[test]
fn a_length_that_reaches_behind_the_end_costs_its_record() {
    for order in [LITTLE, BIG] {
        let mut blocks = pcapng(order, &[60; 9]);
        let begin = blocks.len() - 6 * 92;
        blocks[begin + 4..begin + 8].copy_from_slice(&order.u32(92 + 65_536));
        let mut strange = blocks.clone();
        strange[begin..begin + 8]
            .copy_from_slice(&[order.u32(0x46), order.u32(92 + 0x0100_0000)].concat());
        let mut records = classic(order, &[60; 9]);
        let at = 24 + 3 * 76;
        records[at + 8..at + 16]
            .copy_from_slice(&[order.u32(60 + 65_536), order.u32(61 + 65_536)].concat());
        for (capture, offset) in [(blocks, begin), (strange, begin), (records, at)] {
            let (packets, damages) = read(&capture);
            assert_eq!(packets.len(), 8);
            let [damage] = &damages[..] else {
                panic!("{damages:?}")
            };
            assert_eq!(damage.packet_number, 4);
            assert_eq!(damage.offset, u64::try_from(offset).unwrap());
            assert!(damage.problem.can_continue());
        }
    }
}

#[test]
fn a_damaged_section_header_costs_itself() {
    for order in [LITTLE, BIG] {
        // A packet whose type reads as a section header.
        let clean = pcapng(order, &[60; 9]);
        let begin = clean.len() - 6 * 92;
        let mut mistaken = clean.clone();
        mistaken[begin..begin + 4].copy_from_slice(&clean[..4]);
        let (packets, damages) = read(&mistaken);
        assert_eq!((packets.len(), damages.len()), (8, 1));

        // A second section, of which the byte-order magic is damaged: its interfaces are its own.
        let second = [
            order.section(),
            order.interface(0, &[(9, &[9])]),
            order.enhanced(0, 5, b"in nanoseconds"),
        ];
        let mut capture = [&clean[..], &second.concat()].concat();
        capture[clean.len() + 8] ^= 1;
        let (packets, damages) = read(&capture);
        assert_eq!((packets.len(), damages.len()), (10, 1));
        assert_eq!(
            (packets[9].0, &packets[9].1[..]),
            (5, &b"in nanoseconds"[..])
        );
        assert!(matches!(damages[0].problem, Problem::SectionMagic(_)));
    }
}

#[test]
fn a_long_block_of_no_interest_is_passed_without_being_held() {
    let mut capture = LITTLE.section();
    capture.extend(LITTLE.block(0x4000_0bad, &vec![0; 5_000_000]));
    capture.extend(LITTLE.interface(0, &[]));
    capture.extend(LITTLE.enhanced(0, 1, b"after"));
    let mut input = &capture[..100];
    let mut reader = Reader::new();
    assert_eq!(reader.next(&mut input, false), Step::More(1));
    assert!(input.is_empty());
    let mut input = &capture[100..];
    assert!(
        matches!(reader.next(&mut input, true), Step::Packet(packet) if packet.bytes == b"after")
    );
}

#[test]
fn interfaces_have_a_limit() {
    let mut capture = LITTLE.section();
    for _ in 0..65_537 {
        capture.extend(LITTLE.interface(0, &[]));
    }
    capture.extend(LITTLE.enhanced(65_535, 1, b"last"));
    capture.extend(LITTLE.enhanced(65_536, 1, b"beyond"));
    let (packets, damages) = read_in(1 << 20, &capture);
    assert_eq!(packets.len(), 1);
    let expected = [
        (1, Problem::Interfaces(65_536)),
        (3, Problem::Interface(65_536)),
    ];
    assert_eq!(problems(&damages), expected);
}

proptest! {
    #[test]
    fn damage_anywhere_is_survived_and_windows_do_not_matter(
        lengths in prop::collection::vec(0_usize..90, 0..12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        form in 0..4,
        window in 1_usize..300,
    ) {
        let order = if form % 2 == 0 { LITTLE } else { BIG };
        let mut capture = if form < 2 { classic(order, &lengths) } else { pcapng(order, &lengths) };
        for (at, value) in damage {
            let at = at.index(capture.len());
            capture[at] = value;
        }
        prop_assert_eq!(read_in(window, &capture), read_in(1 << 20, &capture));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), begin in 0..3) {
        let before = match begin {
            0 => Vec::new(),
            1 => LITTLE.pcap_header(0xa1b2_c3d4),
            _ => [BIG.section(), BIG.interface(0, &[])].concat(),
        };
        read_in(64, &[before, bytes].concat());
    }
}

#[test]
fn another_reader_finds_the_same_packets() {
    use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

    let Some(folder) = captures() else { return };
    for name in [
        "small.pcap",
        "hard/ns.pcap",
        "hard/bigendian.pcap",
        "hard/small.pcapng",
        "tls13.dsb.pcapng",
    ] {
        let capture = std::fs::read(folder.join(name)).unwrap();
        let mut theirs = Vec::new();
        let mut reader = create_reader(1 << 20, &capture[..]).unwrap();
        loop {
            match reader.next() {
                Ok((len, block)) => {
                    match block {
                        PcapBlockOwned::Legacy(packet) => {
                            theirs.push((packet.data.to_vec(), packet.origlen))
                        }
                        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                            let captured = usize::try_from(packet.caplen).unwrap();
                            theirs.push((packet.data[..captured].to_vec(), packet.origlen));
                        }
                        _ => {}
                    }
                    reader.consume(len);
                }
                Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
                Err(PcapError::Eof) => break,
                Err(error) => panic!("{name}: {error}"),
            }
        }
        let (ours, damages) = read_in(1 << 20, &capture);
        assert_eq!(damages, []);
        let ours: Vec<_> = ours
            .into_iter()
            .map(|(_, bytes, original)| (bytes, original))
            .collect();
        assert!(
            ours == theirs,
            "{name}: {} and {}",
            ours.len(),
            theirs.len()
        );
    }
}

#[test]
fn packets_that_say_no_time_are_counted() {
    let capture = [
        LITTLE.section(),
        LITTLE.interface(0, &[]),
        LITTLE.enhanced(0, 77, b"timed"),
        LITTLE.simple(4, b"none"),
    ];
    let (counters, damages) = each_packet(&capture.concat(), 64, |_| {});
    assert_eq!((counters.packets, counters.timeless), (2, 1));
    assert_eq!(damages, []);
}
