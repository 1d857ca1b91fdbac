//! Sealed segments that lost records without any frame of them looking damaged.

use super::super::ledger::Ledger;
use super::*;

/// A journal of several sealed segments, and their files, oldest first.
fn sealed() -> (tempfile::TempDir, Vec<std::path::PathBuf>) {
    let data = tempfile::tempdir().unwrap();
    with_journal(settings(data.path()), &healthy(), |append| {
        for number in 1..=40 {
            append(1, number..number + 1).unwrap();
        }
    });
    let entries = fs::read_dir(directory(data.path())).unwrap();
    let mut segments: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert!(segments.len() > 2, "{segments:?}");
    (data, segments)
}

fn damaged_unpublished(data_dir: &Path) -> u64 {
    let read = recovery::read(&directory(data_dir), settings(data_dir).ledger).unwrap();
    read.damaged_unpublished
}

#[test]
fn a_segment_that_is_gone_is_counted_once() {
    let (data, segments) = sealed();
    assert_eq!(damaged_unpublished(data.path()), 0);
    fs::remove_file(&segments[1]).unwrap();
    assert_eq!(damaged_unpublished(data.path()), 1);
    for _ in 0..2 {
        with_journal(settings(data.path()), &healthy(), |_| ());
        let accounting = Accounting::load(data.path()).unwrap();
        assert_eq!(accounting.damaged_stretches, 1);
        assert_eq!(damaged_unpublished(data.path()), 0, "it is counted by now");
    }
}

#[test]
fn a_segment_with_fewer_records_than_were_sealed_is_counted_when_it_is_published() {
    let (data, segments) = sealed();
    fs::write(&segments[0], "").unwrap();
    assert_eq!(damaged_unpublished(data.path()), 1);
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(settings(data.path()), &healthy());
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        let segment = sealed.next().unwrap();
        let nothing_found = PublishedMeta {
            segment_sequence: segment.sequence,
            ..PublishedMeta::default()
        };
        journal.published(nothing_found).unwrap();
        wait_until(|| !segments[0].exists());
        drop(journal);
    });
    let accounting = Accounting::load(data.path()).unwrap();
    assert_eq!(accounting.damaged_stretches, 1);
}

#[test]
fn a_journal_without_notes_misses_nothing() {
    let limits = settings(Path::new("")).ledger;
    let mut ledger = Ledger::new(limits);
    ledger.sealed(1, 5);
    let mut snapshot = ledger.snapshot();
    snapshot.sealed_segments.clear();
    let ledger = Ledger::from_snapshot(limits, snapshot);
    assert!(
        ledger
            .held()
            .missing(&std::collections::BTreeSet::new())
            .is_empty()
    );
}

#[test]
fn a_segment_that_goes_while_the_collector_runs_is_counted_and_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(settings(data.path()), &healthy());
    let (file, file_name) = std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        let mut numbers = 1..;
        let mut until_sealed = |segments| {
            while sealed.backlog() < segments {
                let number = numbers.next().unwrap();
                append(&journal, 1, number..number + 1).unwrap();
            }
        };
        until_sealed(1);
        let gone = sealed.next().unwrap();
        let (file, aside) = (
            directory(data.path()).join(gone.file_name()),
            data.path().join("aside"),
        );
        fs::rename(&file, &aside).unwrap();
        let nothing_found = PublishedMeta {
            segment_sequence: gone.sequence,
            is_gone: true,
            ..PublishedMeta::default()
        };
        journal.published(nothing_found).unwrap();
        wait_until(|| sealed.backlog() == 0);
        until_sealed(1);
        drop(journal);
        let read = || recovery::read(&directory(data.path()), settings(data.path()).ledger);
        let ledger = read().unwrap().ledger.unwrap();
        assert_eq!(ledger.damaged_stretches(), 1);
        assert!(!ledger.is_published(gone.sequence), "no file is left to go");
        fs::rename(&aside, &file).unwrap();
        (file, gone.file_name())
    });
    // Of what came back nothing is in Parquet.
    let again = open_faulty(settings(data.path()), &healthy());
    assert_eq!(
        again.sealed.next().map(|it| it.file_name()),
        Some(file_name)
    );
    assert!(file.exists());
}
