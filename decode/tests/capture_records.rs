//! The bad-input catalogue of capture files: records and blocks that are odd or wrong, each with what is
//! read and what is said of the rest.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::each_packet;
use support::files::LITTLE;
use twintap_decode::capture::Problem;

/// How many packets, and which problems at which records.
fn read_in(window: usize, capture: &[u8]) -> (usize, Vec<(u64, Problem)>) {
    let mut packets_count = 0;
    let (_, damages) = each_packet(capture, window, |_| packets_count += 1);
    let problem = damages
        .iter()
        .map(|damage| (damage.packet_number, damage.problem));
    (packets_count, problem.collect())
}

/// Name, the capture, how many packets it has, and what is wrong with the rest.
type Case = (&'static str, Vec<u8>, usize, &'static [(u64, Problem)]);

#[test]
fn odd_and_wrong_records_have_an_answer_each() {
    let header = LITTLE.pcap_header(0xa1b2_c3d4);
    let good = || LITTLE.pcap_record((10, 0), 3, b"abc");
    let snapshot_0 = {
        let mut header = header.clone();
        header[16..20].fill(0);
        header
    };
    let no_room_for_the_option = {
        // Of an Ethernet interface: an option of 200 bytes, and the end of the block.
        let body = [1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 200, 0, 9, 0, 0, 0];
        LITTLE.block(1, &body)
    };
    let packet = || LITTLE.enhanced(0, 1, b"abc");
    let version_3 = {
        let mut header = header.clone();
        header[4] = 3;
        header
    };
    let interface_0 = &[(1, Problem::Interface(0))];
    let cases: Vec<Case> = vec![
        (
            "a packet of no bytes, of which 60 were not captured",
            [header.clone(), LITTLE.pcap_record((10, 0), 60, b""), good()].concat(),
            2,
            &[],
        ),
        (
            "a packet of no bytes in pcapng",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[]),
                LITTLE.enhanced(0, 1, b""),
                packet(),
            ]
            .concat(),
            2,
            &[],
        ),
        (
            "more captured than there was",
            [
                header.clone(),
                LITTLE.pcap_record((10, 0), 2, b"abc"),
                good(),
            ]
            .concat(),
            1,
            &[(
                1,
                Problem::Contradiction {
                    captured: 3,
                    original: 2,
                },
            )],
        ),
        (
            "a snapshot length of 0",
            [snapshot_0, good()].concat(),
            1,
            &[],
        ),
        (
            "times that go back, to 1970 and by a day",
            [
                header.clone(),
                LITTLE.pcap_record((200_000, 0), 3, b"abc"),
                LITTLE.pcap_record((0, 0), 3, b"abc"),
                LITTLE.pcap_record((113_600, 0), 3, b"abc"),
            ]
            .concat(),
            3,
            &[],
        ),
        (
            "a fraction of more than a second",
            [
                header.clone(),
                LITTLE.pcap_record((10, u32::MAX), 3, b"abc"),
            ]
            .concat(),
            1,
            &[],
        ),
        (
            "version 3 of pcap",
            version_3,
            0,
            &[(1, Problem::Version { major: 3, minor: 4 })],
        ),
        (
            "no interface",
            [LITTLE.section(), packet()].concat(),
            0,
            interface_0,
        ),
        (
            "no interface, and a simple packet",
            [LITTLE.section(), LITTLE.simple(3, b"abc")].concat(),
            0,
            interface_0,
        ),
        (
            "an interface of the section before",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[]),
                LITTLE.section(),
                packet(),
            ]
            .concat(),
            0,
            interface_0,
        ),
        (
            "an option that ends behind its block",
            [LITTLE.section(), no_room_for_the_option, packet()].concat(),
            1,
            &[],
        ),
        (
            "an option without a value",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[(9, &[]), (14, &[1])]),
                packet(),
            ]
            .concat(),
            1,
            &[],
        ),
        (
            "resolutions of 0x7f and 0xff",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[(9, &[0x7f])]),
                LITTLE.interface(0, &[(9, &[0xff])]),
                packet(),
                LITTLE.enhanced(1, u64::MAX, b"abc"),
            ]
            .concat(),
            2,
            &[],
        ),
        (
            "name records of 64 KiB",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[]),
                LITTLE.block(4, &[0xff; 65_536]),
                packet(),
            ]
            .concat(),
            1,
            &[],
        ),
        (
            "a block of no length",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[]),
                LITTLE.u32(6).to_vec(),
                LITTLE.u32(0).to_vec(),
            ]
            .concat(),
            0,
            &[(1, Problem::BlockLength(0))],
        ),
        (
            "a block of 2^32-4 bytes",
            [
                LITTLE.section(),
                LITTLE.interface(0, &[]),
                LITTLE.u32(6).to_vec(),
                LITTLE.u32(u32::MAX - 3).to_vec(),
            ]
            .concat(),
            0,
            &[(1, Problem::BlockLength(u32::MAX - 3))],
        ),
    ];
    let mut unlike = Vec::new();
    for (name, capture, packets_count, expected) in cases {
        // The windows in which it is read must not matter.
        for window in [1, 64, 1 << 20] {
            let answer = read_in(window, &capture);
            if answer != (packets_count, expected.to_vec()) {
                unlike.push(format!("{name} in windows of {window}: {answer:?}"));
            }
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn a_million_interfaces_cost_no_more_than_the_limit() {
    let interface = LITTLE.interface(0, &[]);
    let capture = [
        LITTLE.section(),
        interface.repeat(1_000_000),
        LITTLE.enhanced(65_535, 1, b"last"),
    ]
    .concat();
    let (packets_count, problems) = read_in(1 << 20, &capture);
    assert_eq!((packets_count, problems.len()), (1, 1_000_000 - 65_536));
    let beyond = |(_, problem): &(u64, Problem)| *problem == Problem::Interfaces(65_536);
    assert!(problems.iter().all(beyond));
}
