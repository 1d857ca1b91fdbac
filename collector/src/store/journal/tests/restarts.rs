//! The journal against restarts, repeated batches and damage.

use proptest::prelude::*;

use super::*;
use crate::store::accounting::Accounting;
use crate::store::journal::frame::{FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// What happens to a journal.
#[derive(Clone, Debug)]
enum Step {
    Batch {
        producer: u8,
        first: u64,
        count: u64,
    },
    Restart {
        torn: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => (1_u8..4, 1_u64..30, 0_u64..6)
            .prop_map(|(producer, first, count)| Step::Batch { producer, first, count }),
        1 => any::<bool>().prop_map(|torn| Step::Restart { torn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn each_record_is_stored_once_whatever_is_repeated_or_reordered_across_restarts(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let data = tempfile::tempdir().unwrap();
        let mut model = BTreeSet::new();
        let mut steps = steps.into_iter().peekable();
        while steps.peek().is_some() {
            let torn = with_journal(settings(data.path()), &healthy(), |append| {
                for step in steps.by_ref() {
                    match step {
                        Step::Restart { torn } => return torn,
                        Step::Batch { producer, first, count } => {
                            let before = model.len() as u64;
                            model.extend((first..first + count).map(|number| (producer, number)));
                            let stored = model.len() as u64 - before;
                            let ack = append(producer, first..first + count).unwrap();
                            assert_eq!(ack, Ack { stored, duplicates: count - stored });
                        }
                    }
                }
                false
            });
            if torn {
                // A frame that was being written when the power went.
                let newest = fs::read_dir(directory(data.path()))
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .max()
                    .unwrap();
                let mut file = fs::OpenOptions::new().append(true).open(newest).unwrap();
                io::Write::write_all(&mut file, b"TFRM\x02\0\0\0torn").unwrap();
            }
        }
        prop_assert_eq!(journaled(data.path()), model);
    }
}

#[test]
fn figures_outlive_a_journal_without_a_snapshot() {
    let data = tempfile::tempdir().unwrap();
    let one_segment = || JournalSettings {
        segment_bytes_max: 1 << 20,
        ..settings(data.path())
    };
    with_journal(one_segment(), &healthy(), |append| {
        append(1, 1..8).unwrap();
    });
    // Five more are in Parquet, and their segment is gone.
    let mut accounting = Accounting::load(data.path()).unwrap();
    assert_eq!(
        (accounting.total.stored, accounting.total.journaled),
        (7, 7)
    );
    accounting.total.stored += 5;
    accounting.total.published = 5;
    accounting.save(data.path()).unwrap();
    let segment = fs::read_dir(directory(data.path()))
        .unwrap()
        .next()
        .unwrap();
    let path = segment.unwrap().path();
    let mut bytes = fs::read(&path).unwrap();
    bytes[SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        with_journal(one_segment(), &healthy(), |_| ());
        let all = Accounting::load_each(data.path()).unwrap();
        let all = all.into_iter().map(|file| file.accounting.unwrap().total);
        let stored: Vec<_> = all.map(|total| (total.stored, total.journaled)).collect();
        assert_eq!(stored, [(5, 0), (7, 7)]);
    }
}

#[test]
fn a_damaged_snapshot_of_the_oldest_segment_is_told_and_costs_no_figure() {
    let data = tempfile::tempdir().unwrap();
    with_journal(settings(data.path()), &healthy(), |append| {
        for number in 1..=40 {
            append(1, number..number + 1).unwrap();
        }
    });
    let dir = directory(data.path());
    let entries = fs::read_dir(&dir).unwrap();
    let mut segments: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert!(segments.len() > 2, "{segments:?}");
    let mut bytes = fs::read(&segments[0]).unwrap();
    bytes[SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES] ^= 0xff;
    fs::write(&segments[0], bytes).unwrap();
    let read = recovery::read(&dir, settings(data.path()).ledger).unwrap();
    assert_eq!(read.damaged_unpublished, 1);
    assert_eq!(read.ledger.unwrap().unpublished(), 40);
}

#[test]
fn a_start_on_a_full_disk_takes_no_room() {
    let data = tempfile::tempdir().unwrap();
    with_journal(settings(data.path()), &healthy(), |append| {
        append(1, 1..8).unwrap();
    });
    let dir = directory(data.path());
    let entry = fs::read_dir(&dir).unwrap().next().unwrap().unwrap();
    let name = entry.file_name();
    let segment = SegmentId::from_file_name(name.to_str().unwrap()).unwrap();
    // Takes nothing, as a disk that is full.
    let copy = entry.path().with_extension("copy");
    std::os::unix::fs::symlink("/dev/full", &copy).unwrap();
    let error = recovery::make_durable(&dir, segment).unwrap_err();
    assert!(error.to_string().starts_with("write "), "{error}");
    assert!(!copy.is_symlink());
    assert_eq!(journaled(data.path()).len(), 7);
}

#[test]
fn a_published_segment_without_a_file_is_forgotten_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(settings(data.path()), &healthy());
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        let mut numbers = 1..;
        while sealed.backlog() == 0 {
            let number = numbers.next().unwrap();
            append(&journal, 1, number..number + 1).unwrap();
        }
        let published = PublishedMeta {
            segment_sequence: sealed.next().unwrap().sequence,
            ..PublishedMeta::default()
        };
        journal.published(published).unwrap();
        drop(journal);
    });
    assert_eq!(notes(data.path()), [1]);
    let limits = settings(data.path()).ledger;
    let recovered = recovery::recover(&directory(data.path()), limits).unwrap();
    let snapshot = recovered.ledger.snapshot();
    assert_eq!(snapshot.published_segments, [] as [u64; 0]);
}
