//! The journal against failing disks.

mod creation;
mod limits;
mod removal;
mod restarts;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prost::Message;
use twintap_record::PRODUCER_ID_LEN;

use super::disk::{DirDisk, Disk, SegmentFile};
use super::frame::{BatchMeta, Frames, Kind};
use super::segment::SegmentId;
use super::*;
use crate::clock::SystemClock;

const EIO: i32 = 5;
const EMFILE: i32 = 24;

mod lost_segments;

/// What fails: the operation of this number (from 1, writes and syncs counted apart), once.
#[derive(Debug, Default)]
struct Faults {
    write: AtomicU64,
    sync: AtomicU64,
    truncate: AtomicU64,
    remove: AtomicU64,
    sync_dir: AtomicU64,
    /// Not once: as long as it is set.
    create: AtomicBool,
    free_bytes: AtomicU64,
}

#[derive(Debug)]
struct FaultyDisk(DirDisk, Arc<Faults>);

#[derive(Debug)]
struct FaultyFile(Box<dyn SegmentFile>, Arc<Faults>);

/// Is this the operation that was chosen to fail?
fn due(counter: &AtomicU64) -> bool {
    let step = |left: u64| left.checked_sub(1);
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step) == Ok(1)
}

fn io_error_if(due: bool) -> io::Result<()> {
    if due {
        return Err(io::Error::from_raw_os_error(EIO));
    }
    Ok(())
}

impl Disk for FaultyDisk {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        if self.1.create.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        Ok(Box::new(FaultyFile(
            self.0.create(name)?,
            Arc::clone(&self.1),
        )))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        io_error_if(due(&self.1.sync_dir))?;
        self.0.sync_dir()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        io_error_if(due(&self.1.remove))?;
        self.0.remove(name)
    }

    fn is_in_place(&self, name: &str) -> io::Result<bool> {
        self.0.is_in_place(name)
    }

    fn free_bytes(&mut self) -> io::Result<u64> {
        Ok(self.1.free_bytes.load(Ordering::SeqCst))
    }
}

impl SegmentFile for FaultyFile {
    fn append(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        if due(&self.1.write) {
            // As a full disk does: the first bytes still fit.
            let [head, _] = parts;
            self.0.append([&head[..head.len() / 2], &[]])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.append(parts)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        io_error_if(due(&self.1.truncate))?;
        self.0.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        io_error_if(due(&self.1.sync))?;
        self.0.sync()
    }
}

fn settings(data_dir: &Path) -> JournalSettings {
    JournalSettings {
        data_dir: data_dir.to_owned(),
        segment_bytes_max: 600,
        segment_records_max: 1000,
        publish_interval: Duration::from_secs(3600),
        journal_bytes_max: 1 << 30,
        disk_free_bytes_min: 1000,
        queue_batches_max: 16,
        ledger: LedgerLimits {
            producers_max: 100,
            producer_expiry: Duration::from_secs(3600),
            undelivered_grace: Duration::from_secs(10),
        },
    }
}

/// Opens the journal, runs its thread while `work` runs, and ends it.
fn with_journal<T>(
    settings: JournalSettings,
    faults: &Arc<Faults>,
    work: impl FnOnce(&dyn Fn(u8, Range<u64>) -> Result<Ack, Refusal>) -> T,
) -> T {
    let Opened {
        journal,
        writer,
        commands,
        ..
    } = open_faulty(settings, faults);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        let result = work(&|producer, numbers| append(&journal, producer, numbers));
        drop(journal);
        result
    })
}

fn open_faulty(settings: JournalSettings, faults: &Arc<Faults>) -> Opened {
    let dir = directory(&settings.data_dir);
    fs::create_dir_all(&dir).unwrap();
    let disk = FaultyDisk(DirDisk::open(&dir).unwrap(), Arc::clone(faults));
    let metrics = Arc::new(Metrics::default());
    open_on(settings, Box::new(disk), SystemClock::shared(), metrics).unwrap()
}

fn append(journal: &Journal, producer: u8, numbers: Range<u64>) -> Result<Ack, Refusal> {
    let envelope = Envelope {
        producer_id: [producer; PRODUCER_ID_LEN],
        first_record_number: numbers.start,
        records_count: u32::try_from(numbers.end - numbers.start).unwrap(),
        ..Envelope::default()
    };
    let body = Bytes::from(vec![producer; 40]);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(journal.append(envelope, body, None))
}

fn wait_until(condition: impl Fn() -> bool) {
    let clock = SystemClock::shared();
    let deadline = clock.monotonic() + Duration::from_secs(60);
    while !condition() {
        assert!(clock.monotonic() < deadline, "it does not happen");
        std::thread::yield_now();
    }
}

/// Sequences of the segments whose publication is noted.
fn notes(data_dir: &Path) -> Vec<u64> {
    let frames = fs::read_dir(directory(data_dir))
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let id = SegmentId::from_file_name(&name).unwrap();
            Frames::new(id.id, fs::read(&path).unwrap().into())
        });
    frames
        .filter(|frame| frame.kind == Kind::Published)
        .map(|frame| PublishedMeta::decode(frame.meta).unwrap().segment_sequence)
        .collect()
}

fn healthy() -> Arc<Faults> {
    let faults = Faults::default();
    faults.free_bytes.store(u64::MAX, Ordering::SeqCst);
    Arc::new(faults)
}

/// (producer, number) of every record in the segments; fails if one is there twice.
fn journaled(data_dir: &Path) -> BTreeSet<(u8, u64)> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory(data_dir)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let id = SegmentId::from_file_name(&name).unwrap();
        for frame in Frames::new(id.id, fs::read(&path).unwrap().into()) {
            if frame.kind != Kind::Batch {
                continue;
            }
            let meta = BatchMeta::decode(frame.meta).unwrap();
            for bounds in meta.accepted.chunks(2) {
                for number in bounds[0]..bounds[1] {
                    assert!(all.insert((meta.producer_id[0], number)), "{number} twice");
                }
            }
        }
    }
    all
}

#[test]
fn a_full_disk_refuses_one_batch_and_the_next_is_taken() {
    for failing in 1..=12 {
        let data = tempfile::tempdir().unwrap();
        let faults = healthy();
        let mut acked = BTreeSet::new();
        let refused = with_journal(settings(data.path()), &faults, |append| {
            faults.write.store(failing, Ordering::SeqCst);
            let mut refused = 0;
            for number in 1..=10 {
                let batch = number..number + 1;
                match append(1, batch.clone()) {
                    Ok(_) => {
                        acked.insert((1, number));
                    }
                    Err(refusal) => {
                        assert_eq!(refusal, Refusal::DiskFull);
                        refused += 1;
                        append(1, batch).unwrap();
                        acked.insert((1, number));
                    }
                }
            }
            refused
        });
        assert!(refused <= 1, "write {failing}");
        assert_eq!(journaled(data.path()), acked, "write {failing}");
        // And it can be read again.
        with_journal(settings(data.path()), &healthy(), |append| {
            let again = append(1, 1..11).unwrap();
            assert_eq!(
                again,
                Ack {
                    stored: 0,
                    duplicates: 10
                },
                "write {failing}"
            );
        });
    }
}

#[test]
fn what_a_failed_sync_covered_is_never_acknowledged() {
    for failing in 1..=12 {
        let data = tempfile::tempdir().unwrap();
        let faults = healthy();
        let acked = with_journal(settings(data.path()), &faults, |append| {
            faults.sync.store(failing, Ordering::SeqCst);
            let results: Vec<_> = (1..=10)
                .map(|number| append(1, number..number + 1))
                .collect();
            let acked = results.iter().take_while(|result| result.is_ok()).count();
            let after = &results[acked..];
            assert!(
                after
                    .iter()
                    .all(|result| *result == Err(Refusal::JournalFailed)),
                "sync {failing}: {results:?}"
            );
            acked as u64
        });
        let stored = journaled(data.path());
        assert!(
            (1..=acked).all(|number| stored.contains(&(1, number))),
            "sync {failing}"
        );
    }
}

#[test]
fn after_a_failed_write_the_journal_becomes_ready_although_nobody_writes() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    let Opened {
        journal,
        writer,
        commands,
        ..
    } = open_faulty(settings(data.path()), &faults);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        faults.write.store(1, Ordering::SeqCst);
        assert_eq!(append(&journal, 1, 1..2), Err(Refusal::DiskFull));
        wait_until(|| journal.health().ready().is_ok());
        drop(journal);
    });
}

#[test]
fn a_segment_stays_until_its_publication_is_noted() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    let Opened {
        journal,
        writer,
        commands,
        sealed,
    } = open_faulty(settings(data.path()), &faults);
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(&commands));
        let mut numbers = 1..;
        while sealed.backlog() == 0 {
            let number = numbers.next().unwrap();
            append(&journal, 1, number..number + 1).unwrap();
        }
        let segment = sealed.next().unwrap();
        let path = directory(data.path()).join(segment.file_name());
        faults.write.store(1, Ordering::SeqCst);
        let published = PublishedMeta {
            segment_sequence: segment.sequence,
            ..PublishedMeta::default()
        };
        journal.published(published).unwrap();
        wait_until(|| journal.health().ready().is_err());
        assert!(path.exists());
        wait_until(|| !path.exists());
        assert_eq!(notes(data.path()), [segment.sequence]);
        drop(journal);
    });
}

#[test]
fn a_nearly_full_disk_refuses_until_there_is_room() {
    let data = tempfile::tempdir().unwrap();
    let faults = healthy();
    faults.free_bytes.store(10, Ordering::SeqCst);
    with_journal(settings(data.path()), &faults, |append| {
        // The first look at the disk may come after the first batch has been queued.
        let first = append(1, 1..2);
        assert_eq!(first, Err(Refusal::DiskLow));
        faults.free_bytes.store(u64::MAX, Ordering::SeqCst);
        let mut tries = 0;
        while append(1, 1..2).is_err() {
            tries += 1;
            assert!(tries < 10_000_000, "it does not recover");
        }
    });
}

#[test]
fn a_journal_at_its_limit_refuses() {
    let data = tempfile::tempdir().unwrap();
    let limited = JournalSettings {
        journal_bytes_max: 2000,
        ..settings(data.path())
    };
    with_journal(limited, &healthy(), |append| {
        let results: Vec<_> = (1..=100)
            .map(|number| append(1, number..number + 1))
            .collect();
        let taken = results.iter().take_while(|result| result.is_ok()).count();
        assert!((1..100).contains(&taken), "{taken} taken");
        assert!(
            results[taken..]
                .iter()
                .all(|result| *result == Err(Refusal::JournalFull))
        );
    });
}

#[test]
fn a_new_producer_is_refused_while_the_table_is_full() {
    let data = tempfile::tempdir().unwrap();
    let mut limited = settings(data.path());
    limited.ledger.producers_max = 2;
    with_journal(limited, &healthy(), |append| {
        assert!(append(1, 1..2).is_ok());
        assert!(append(2, 1..2).is_ok());
        assert_eq!(append(3, 1..2), Err(Refusal::TooManyProducers));
        assert!(append(1, 2..3).is_ok());
    });
}
