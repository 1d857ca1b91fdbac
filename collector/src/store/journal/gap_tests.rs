//! A gap between whole frames, as a disk leaves it that loses power within a sync.

use std::fs;
use std::path::Path;

use prost::Message;

use super::frame::{Kind, PublishedMeta, Synced, encode};
use super::segment::SegmentId;
use super::tests::{healthy, settings, with_journal};
use super::{directory, recovery};
use crate::store::fsck;

/// A journal of one batch, to which two frames were added that say what of it was synced; the first of them is
/// damaged. Also: where that begins.
fn with_a_gap(data: &Path, synced: impl Fn(u64) -> Option<u64>) -> u64 {
    with_journal(settings(data), &healthy(), |append| {
        append(1, 1..2).unwrap();
    });
    let mut entries = fs::read_dir(directory(data)).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    let name = path.file_name().unwrap().to_str().unwrap();
    let id = SegmentId::from_file_name(name).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let gap = bytes.len();
    let (meta, to) = (PublishedMeta::default().encode_to_vec(), synced(gap as u64));
    let meta = [meta, Synced { to }.encode_to_vec()].concat();
    for _ in 0..2 {
        let frame = encode(id.id, bytes.len() as u64, Kind::Published, &meta, &[]);
        bytes.extend(frame.unwrap());
    }
    bytes[gap] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    gap as u64
}

#[test]
fn a_gap_in_what_was_never_synced_is_part_of_the_torn_end_and_any_other_is_told() {
    for (synced, damaged) in [
        ((|gap| Some(gap)) as fn(u64) -> Option<u64>, 0),
        (|gap| Some(gap + 1), 1),
        // As an older version writes.
        (|_| None, 1),
    ] {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("twintap.json"), "{\"format\":1}").unwrap();
        let gap = with_a_gap(data.path(), synced);
        let (dir, limits) = (directory(data.path()), settings(data.path()).ledger);
        assert_eq!(
            recovery::read(&dir, limits).unwrap().damaged_unpublished,
            damaged
        );
        let checked = fsck::check(data.path(), None, |_| {}).unwrap();
        let lost = checked
            .findings
            .iter()
            .filter(|found| found.severity == fsck::Severity::Lost);
        assert_eq!(lost.count() as u64, damaged);
        let recovered = recovery::recover(&dir, limits).unwrap();
        let (_, size) = recovered.unpublished[0];
        assert_eq!(
            (size == gap, recovered.torn_bytes > 0),
            (damaged == 0, damaged == 0)
        );
        assert_eq!(
            recovery::read(&dir, limits).unwrap().damaged_unpublished,
            damaged
        );
    }
}
