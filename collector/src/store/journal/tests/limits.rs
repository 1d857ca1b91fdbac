//! A journal at its limit makes room whatever has filled it.

use super::*;

fn limited(data_dir: &Path) -> JournalSettings {
    JournalSettings {
        journal_bytes_max: 2000,
        segment_bytes_max: 2000,
        ..settings(data_dir)
    }
}

/// Opens the journal, runs its thread and one that counts segments as published, while `work` runs.
fn with_publisher(settings: JournalSettings, work: impl FnOnce(&Journal)) {
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(settings, &healthy());
    let publisher = journal.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        scope.spawn(move || {
            while let Some(segment) = sealed.next() {
                let published = PublishedMeta {
                    segment_sequence: segment.sequence,
                    ..PublishedMeta::default()
                };
                publisher.published(published).unwrap();
            }
        });
        work(&journal);
        journal.commands.send(Command::Drain).unwrap();
        drop(journal);
    });
}

/// Appends until it is taken.
fn insist(journal: &Journal, producer: u8, numbers: Range<u64>) {
    wait_until(|| match append(journal, producer, numbers.clone()) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal, Refusal::JournalFull);
            false
        }
    });
}

#[test]
fn heartbeats_alone_fill_it_for_a_moment_only() {
    let data = tempfile::tempdir().unwrap();
    let settings = JournalSettings {
        segment_bytes_max: 1 << 20,
        ..limited(data.path())
    };
    with_publisher(settings, |journal| {
        for _ in 0..200 {
            insist(journal, 1, 1..1);
        }
    });
}

#[test]
fn producers_whose_snapshot_is_larger_than_the_journal_may_be_still_send() {
    let data = tempfile::tempdir().unwrap();
    let many = || 1..=u8::try_from(settings(data.path()).ledger.producers_max).unwrap();
    for round in 1..=2 {
        with_publisher(limited(data.path()), |journal| {
            for producer in many() {
                insist(journal, producer, round..round + 1);
            }
        });
    }
}

#[test]
fn notes_alone_are_no_reason_to_seal() {
    let data = tempfile::tempdir().unwrap();
    with_journal(settings(data.path()), &healthy(), |append| {
        for number in 1..=40 {
            append(1, number..number + 1).unwrap();
        }
    });
    // It is full as long as the first cannot be read.
    let full = JournalSettings {
        journal_bytes_max: 1,
        ..settings(data.path())
    };
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(full, &healthy());
    let unreadable = sealed.next().unwrap();
    sealed.put_behind(unreadable);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        while sealed.is_any_waiting() {
            let published = PublishedMeta {
                segment_sequence: sealed.next().unwrap().sequence,
                ..PublishedMeta::default()
            };
            journal.published(published).unwrap();
            wait_until(|| sealed.readable() == 0 || sealed.is_any_waiting());
        }
        journal.commands.send(Command::Drain).unwrap();
        drop(journal);
    });
    assert!(!notes(data.path()).is_empty());
    let segments = fs::read_dir(directory(data.path())).unwrap().count();
    assert_eq!(segments, 2, "the first, and the open one with the notes");
}
