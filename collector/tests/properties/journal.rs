//! A segment of the journal: damage costs the frames that it touches, no other, and is counted; and
//! whatever frames say, the ledger is rebuilt from them, the same each time.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use twintap::store::accounting::Accounting;
use twintap::store::journal::frame::{
    Frame, Frames, Kind, SEGMENT_HEADER_BYTES, check_version, encode, segment_header,
};
use twintap::store::journal::ledger::{Ledger, LedgerLimits};
use twintap::store::journal::recovery::{read, recover};
use twintap::store::journal::segment::SegmentId;
use uuid::Uuid;

use super::folder;
use super::script::Script;

const SEGMENT: Uuid = Uuid::from_u128(7);

const LIMITS: LedgerLimits = LedgerLimits {
    producers_max: 100,
    producer_expiry: Duration::from_secs(3600),
    undelivered_grace: Duration::from_secs(10),
};

/// Frames of one script.
const FRAMES_MAX: u8 = 8;

/// `bytes` are how many frames, these, and damage.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (whole, frames) = segment(&mut script);
    let damaged = damage(whole.clone(), &mut script);
    let is_whole = |place: &Range<usize>| damaged.get(place.clone()) == whole.get(place.clone());

    let mut reader = Frames::new(SEGMENT, Bytes::from(damaged.clone()));
    let found: Vec<Frame> = reader.by_ref().collect();
    let intact: Vec<_> = frames.iter().filter(|(place, _)| is_whole(place)).collect();
    assert!(intact.iter().map(|(_, frame)| frame).eq(&found));
    let end = intact
        .last()
        .map_or(SEGMENT_HEADER_BYTES, |(place, _)| place.end);
    assert_eq!(reader.valid_end(), end.min(damaged.len()));
    let states: Vec<bool> = frames.iter().map(|(place, _)| is_whole(place)).collect();
    let stretches = [&[true], &states[..]].concat();
    let stretches = stretches.windows(2).filter(|pair| pair == &[false, true]);
    assert_eq!(reader.damaged_stretches(), stretches.count() as u64);

    let folder = folder::temporary();
    let id = SegmentId {
        sequence: 1,
        id: SEGMENT,
    };
    std::fs::write(folder.path().join(id.file_name()), &damaged).unwrap();
    if check_version(&damaged).is_err() {
        assert!(read(folder.path(), LIMITS).is_err());
        assert!(recover(folder.path(), LIMITS).is_err());
        return;
    }
    assert_recovered(folder.path(), damaged.len() - end.min(damaged.len()));
}

/// The frames that a script says, and where each is.
fn segment(script: &mut Script<'_>) -> (Vec<u8>, Vec<(Range<usize>, Frame)>) {
    let mut file = segment_header().to_vec();
    let mut frames = Vec::new();
    for _ in 0..script.byte().unwrap_or(0) % (FRAMES_MAX + 1) {
        let Some(kind) = script.byte() else { break };
        let kind = [Kind::Snapshot, Kind::Batch, Kind::Published][usize::from(kind % 3)];
        let mut part = || Bytes::copy_from_slice(script.payload().unwrap_or_default());
        let (meta, body) = (part(), part());
        let start = file.len();
        file.extend(encode(SEGMENT, start as u64, kind, &meta, &body).unwrap());
        file.extend(&body);
        frames.push((start..file.len(), Frame { kind, meta, body }));
    }
    (file, frames)
}

/// The same bytes with what the rest of the script does to them: each step changes some, or cuts.
fn damage(mut file: Vec<u8>, script: &mut Script<'_>) -> Vec<u8> {
    while let (Some(at), Some(len), Some(change)) = (script.u16(), script.byte(), script.byte()) {
        let at = usize::from(at).min(file.len());
        match change {
            0 => file.truncate(at),
            change => {
                let touched = file[at..].iter_mut().take(usize::from(len));
                touched.for_each(|byte| *byte ^= change);
            }
        }
    }
    file
}

/// Panics unless what is read is what is recovered, once and again.
fn assert_recovered(dir: &Path, torn_bytes: usize) {
    let seen = read(dir, LIMITS).unwrap().ledger;
    let first = recover(dir, LIMITS).unwrap();
    assert_eq!(first.torn_bytes, torn_bytes as u64);
    if let Some(seen) = &seen {
        assert_eq!(figures(seen).total, figures(&first.ledger).total);
    }
    if first.unpublished.is_empty() {
        // It said of itself that it was published.
        return;
    }
    let again = recover(dir, LIMITS).unwrap();
    assert_eq!(again.torn_bytes, 0);
    assert_eq!(figures(&first.ledger), figures(&again.ledger));
    let rebuilt = Ledger::from_snapshot(LIMITS, first.ledger.snapshot());
    assert_eq!(
        figures(&first.ledger).total.stored,
        figures(&rebuilt).total.stored
    );
    assert_eq!(first.ledger.unpublished(), again.ledger.unpublished());
}

fn figures(ledger: &Ledger) -> Accounting {
    Accounting::of(ledger, u64::MAX / 2)
}
