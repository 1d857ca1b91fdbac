//! A segment that cannot be begun, and what is left of it.

use super::*;

/// What follows the two syncs and the removal that fail.
const BATCH: Range<u64> = 1..3;

/// Every batch fills a segment.
fn small_segments(data_dir: &Path) -> JournalSettings {
    JournalSettings {
        segment_records_max: 2,
        ..settings(data_dir)
    }
}

/// Sequences of the segments, and which of them are empty.
fn sequences(data_dir: &Path) -> Vec<(u64, bool)> {
    let entries = fs::read_dir(directory(data_dir)).unwrap();
    let mut all: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let id = SegmentId::from_file_name(name.to_str().unwrap()).unwrap();
            (id.sequence, entry.metadata().unwrap().len() == 0)
        })
        .collect();
    all.sort_unstable();
    all
}

fn duplicates(count: u64) -> Ack {
    Ack {
        stored: 0,
        duplicates: count,
    }
}

/// Lets the sync of the next segment fail, not those before it: of the batch, and of the segment that is sealed.
fn fail_next_segment(faults: &Faults) {
    faults.sync.store(3, Ordering::SeqCst);
}

#[test]
fn a_segment_that_could_not_be_begun_shares_its_sequence_with_none() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    with_journal(small_segments(data.path()), &faults, |append| {
        fail_next_segment(&faults);
        faults.remove.store(1, Ordering::SeqCst);
        append(1, BATCH).unwrap();
        wait_until(|| faults.remove.load(Ordering::SeqCst) == 0);
        append(1, 3..5).unwrap();
        append(1, 5..7).unwrap();
    });
    let found = sequences(data.path());
    assert!(
        found.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{found:?}"
    );
    assert_eq!(found[..2], [(1, false), (2, true)], "what is left is empty");
    with_journal(small_segments(data.path()), &healthy(), |append| {
        assert_eq!(append(1, 1..7), Ok(duplicates(6)));
    });
}

#[test]
fn what_is_left_of_a_segment_does_not_make_a_start_forget() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    with_journal(small_segments(data.path()), &faults, |append| {
        fail_next_segment(&faults);
        faults.remove.store(1, Ordering::SeqCst);
        append(1, BATCH).unwrap();
        wait_until(|| faults.remove.load(Ordering::SeqCst) == 0);
        faults.create.store(true, Ordering::SeqCst);
        append(1, 3..5).unwrap();
    });
    let settings = small_segments(data.path());
    let read = recovery::read(&directory(data.path()), settings.ledger).unwrap();
    assert_eq!(read.ledger.unwrap().unpublished(), 4);
    with_journal(settings, &healthy(), |append| {
        assert_eq!(append(1, 1..5), Ok(duplicates(4)));
    });
    assert_eq!(journaled(data.path()).len(), 4);
}

#[test]
fn a_removal_that_may_not_last_leaves_nothing_to_come_back() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    with_journal(small_segments(data.path()), &faults, |append| {
        fail_next_segment(&faults);
        faults.sync_dir.store(1, Ordering::SeqCst);
        // It is emptied instead, but for this.
        faults.truncate.store(1, Ordering::SeqCst);
        append(1, BATCH).unwrap();
        wait_until(|| faults.truncate.load(Ordering::SeqCst) == 0);
        let refused = append(1, 3..5);
        assert_eq!(refused, Err(Refusal::JournalFailed));
    });
}

#[test]
fn what_can_be_neither_removed_nor_emptied_ends_the_journal() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    with_journal(small_segments(data.path()), &faults, |append| {
        fail_next_segment(&faults);
        faults.remove.store(1, Ordering::SeqCst);
        faults.truncate.store(1, Ordering::SeqCst);
        append(1, BATCH).unwrap();
        wait_until(|| faults.truncate.load(Ordering::SeqCst) == 0);
        assert_eq!(append(1, 3..5), Err(Refusal::JournalFailed));
    });
    with_journal(small_segments(data.path()), &healthy(), |append| {
        assert_eq!(append(1, BATCH), Ok(duplicates(2)));
        assert_eq!(append(1, 3..5).unwrap().stored, 2);
    });
}

#[test]
fn a_full_segment_takes_nothing_more_while_no_next_one_can_be_begun() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    let opened = open_faulty(settings(data.path()), &faults);
    let (journal, writer, commands) = (opened.journal, opened.writer, opened.commands);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        faults.create.store(true, Ordering::SeqCst);
        let taken = (1..100).take_while(|number| append(&journal, 1, *number..number + 1).is_ok());
        assert!((1..20).contains(&taken.count()));
        assert_eq!(append(&journal, 1, 50..51), Err(Refusal::SegmentFull));
        assert_eq!(journal.health().ready(), Err(Refusal::SegmentFull));
        faults.create.store(false, Ordering::SeqCst);
        wait_until(|| journal.health().ready().is_ok());
        append(&journal, 1, 50..51).unwrap();
        drop(journal);
    });
    assert_eq!(sequences(data.path()).len(), 2);
}
