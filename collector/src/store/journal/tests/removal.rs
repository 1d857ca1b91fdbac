//! A directory that is taken away under the journal, and what a drain leaves.

use super::*;
use crate::store::data_dir::MARKER;

/// Removes a folder to which files may be added meanwhile.
fn remove_whole(path: &Path) {
    wait_until(|| fs::remove_dir_all(path).is_ok() || !path.exists());
}

fn removed(what: impl Fn(&Path)) {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("data");
    let lock = path.join(MARKER);
    let dir = directory(&path);
    fs::create_dir_all(&dir).unwrap();
    let metrics = Arc::new(Metrics::default());
    let lock = Arc::new(File::create(lock).unwrap());
    let opened = open(settings(&path), lock, SystemClock::shared(), metrics).unwrap();
    let Opened {
        journal,
        writer,
        commands,
        ..
    } = opened;
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        assert!(append(&journal, 1, 1..2).is_ok());
        what(&path);
        assert_eq!(append(&journal, 1, 2..3), Err(Refusal::JournalFailed));
        assert_eq!(journal.health().failure(), Some(Failure::Removed));
        drop(journal);
    });
}

#[test]
fn nothing_is_acknowledged_after_the_directory_was_removed() {
    removed(remove_whole);
}

#[test]
fn nothing_is_acknowledged_after_the_journal_was_removed() {
    removed(|path| remove_whole(&directory(path)));
}

#[test]
fn nothing_is_acknowledged_after_the_lock_was_removed() {
    removed(|path| fs::remove_file(path.join(MARKER)).unwrap());
}

#[test]
fn nothing_is_acknowledged_after_the_lock_was_moved_and_others_may_take_another() {
    let move_away = |path: &Path| {
        fs::rename(path.join(MARKER), path.join("moved.json")).unwrap();
    };
    removed(move_away);
    removed(|path| {
        move_away(path);
        fs::write(path.join(MARKER), "").unwrap();
    });
}

#[test]
fn nothing_is_written_to_the_directory_that_takes_the_place_of_a_moved_one() {
    removed(|path| {
        fs::rename(path, path.with_extension("moved")).unwrap();
        fs::create_dir_all(directory(path)).unwrap();
    });
}

#[test]
fn nothing_is_noted_of_segments_that_are_elsewhere() {
    let data = tempfile::tempdir().unwrap();
    let (path, moved) = (data.path().join("data"), data.path().join("moved"));
    let opened = open_faulty(settings(&path), &healthy());
    let (journal, writer, commands) = (opened.journal, opened.writer, opened.commands);
    let mut numbers = 1..;
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        while opened.sealed.backlog() == 0 {
            let number = numbers.next().unwrap();
            append(&journal, 1, number..number + 1).unwrap();
        }
        let segment = opened.sealed.next().unwrap();
        fs::rename(&path, &moved).unwrap();
        // It was not found.
        let nothing = PublishedMeta {
            segment_sequence: segment.sequence,
            ..PublishedMeta::default()
        };
        journal.published(nothing).unwrap();
        drop(journal);
    });
    assert!(notes(&moved).is_empty());
    assert_eq!(journaled(&moved).len() as u64, numbers.start - 1);
}

#[test]
fn a_removed_directory_is_found_although_nobody_writes() {
    let data = tempfile::tempdir().unwrap();
    let opened = open_faulty(settings(data.path()), &healthy());
    let (journal, writer, commands) = (opened.journal, opened.writer, opened.commands);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        fs::remove_dir_all(directory(data.path())).unwrap();
        wait_until(|| journal.health().ready() == Err(Refusal::JournalFailed));
        drop(journal);
    });
    assert!(!data.path().join("accounting.json.tmp").exists());
}

#[test]
fn a_drain_says_what_it_could_not_seal() {
    for (is_out_of_files, left) in [(true, 1), (false, 0)] {
        let data = tempfile::tempdir().unwrap();
        let faults = healthy();
        let opened = open_faulty(settings(data.path()), &faults);
        let (journal, writer, commands) = (opened.journal, opened.writer, opened.commands);
        let sealed = opened.sealed;
        let found = std::thread::scope(|scope| {
            let running = scope.spawn(move || writer.run(&commands));
            append(&journal, 1, 1..2).unwrap();
            faults.create.store(is_out_of_files, Ordering::SeqCst);
            journal.commands.send(Command::Drain).unwrap();
            while let Some(segment) = sealed.next() {
                let published = PublishedMeta {
                    segment_sequence: segment.sequence,
                    ..PublishedMeta::default()
                };
                journal.published(published).unwrap();
            }
            drop(journal);
            running.join().unwrap()
        });
        assert_eq!(found, left);
    }
}
