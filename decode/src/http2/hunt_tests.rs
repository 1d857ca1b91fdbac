//! Hunting for the next frame: chains are found, chance is not.

use super::*;

const RULES: Plausibility = Plausibility {
    frame_bytes_max: 16 * 1024,
    stream_id_max: 1000,
};

fn frame(kind: u8, flags: u8, stream_id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [
        &[0][..],
        &length,
        &[kind, flags, 0, 0, 0, stream_id],
        payload,
    ]
    .concat()
}

/// Payload in which no three headers follow each other.
fn noise(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from(0x30 + at * 7 % 64).unwrap())
        .collect()
}

fn bytes(found: &Found) -> Vec<u8> {
    found
        .segments
        .iter()
        .flat_map(|(_, bytes)| bytes.clone())
        .collect()
}

#[test]
fn a_frame_that_is_a_segment_is_found_at_once() {
    let segment = frame(0, 1, 3, &noise(100));
    let found = Hunt::after_loss(0, 40).push(5, &segment, &RULES).unwrap();
    assert_eq!(found.lost_bytes, 40);
    assert_eq!(found.segments, [(5, segment)]);
}

#[test]
fn a_chain_of_three_headers_is_found_in_the_middle_of_a_segment() {
    let frames = [
        frame(0, 0, 3, b"ab"),
        frame(8, 0, 3, &[0; 4]),
        frame(0, 1, 3, b"cd"),
    ]
    .concat();
    let segment = [noise(57), frames.clone(), noise(3)].concat();
    let found = Hunt::default().push(1, &segment, &RULES).unwrap();
    assert_eq!(found.lost_bytes, 57);
    assert_eq!(bytes(&found), [frames, noise(3)].concat());
}

#[test]
fn one_plausible_header_is_not_enough() {
    let segment = [noise(57), frame(0, 1, 3, b"ab"), noise(30)].concat();
    assert!(Hunt::default().push(1, &segment, &RULES).is_none());
}

#[test]
fn a_long_frame_is_believed_when_it_ends_as_a_segment_does() {
    let long = frame(0, 0, 3, &noise(5000));
    let mut hunt = Hunt::after_loss(0, 1);
    for (at, piece) in (0..).zip(long.chunks(1460)) {
        let found = hunt.push(at, piece, &RULES);
        let is_last = at == 3;
        assert_eq!(found.is_some(), is_last, "{at}");
        if let Some(found) = found {
            assert_eq!(bytes(&found), long);
            assert_eq!(found.segments.len(), 4);
        }
    }
}

#[test]
fn segments_of_one_byte_prove_nothing_by_where_they_end() {
    let frames = frame(0, 1, 3, b"ab");
    let mut hunt = Hunt::default();
    for byte in &frames {
        assert!(hunt.push(1, &[*byte], &RULES).is_none());
    }
}

#[test]
fn what_fills_the_buffer_is_given_up_and_counted() {
    let mut hunt = Hunt::default();
    let noise = noise(1000);
    let mut pushed = 0;
    for at in 0..600 {
        assert!(hunt.push(at, &noise, &RULES).is_none());
        pushed += noise.len();
        assert!(hunt.buffer.len() <= HUNT_BYTES_MAX);
        assert_eq!(hunt.buffer.len() as u64 + hunt.lost_bytes, pushed as u64);
    }
    let found = hunt.push(700, &frame(0, 1, 3, &[5; 100]), &RULES).unwrap();
    assert_eq!(found.lost_bytes, pushed as u64);
}

#[test]
fn a_gap_behind_a_plausible_start_decides_for_it() {
    let begun = frame(0, 0, 3, &noise(200));
    let mut hunt = Hunt::after_loss(0, 10);
    assert!(hunt.push(1, &begun[..100], &RULES).is_none());
    assert_eq!(bytes(&hunt.gap(50, &RULES).unwrap()), begun[..100]);
    let mut hunt = Hunt::after_loss(0, 10);
    assert!(hunt.push(1, &noise(100), &RULES).is_none());
    assert!(hunt.gap(50, &RULES).is_none());
    assert_eq!(hunt.lost_bytes, 160);
}
