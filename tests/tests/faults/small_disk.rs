//! A full disk: batches are refused, nothing acknowledged is lost, and it goes on when there is room.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use twintap_e2e::process::Process;
use twintap_e2e::{live, wait};

use crate::batch::Batch;
use crate::collector::Place;
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::resources::resumes;

const MOUNTED_WITHIN: Duration = Duration::from_secs(30);
const BATCH_RECORDS: u64 = 100;
/// More than any of these disks can hold.
const BATCHES_MAX: u64 = 2_000;
const DISK: &str = "4m";

/// A mount namespace with a small file system of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Process,
    mounted: PathBuf,
    _directory: TempDir,
}

impl Namespace {
    /// A tmpfs of `size`; `None`, said loudly, where mounting is not permitted.
    pub(crate) async fn with_small_disk(test: &str, size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mounted = directory.path().join("disk");
        fs::create_dir(&mounted).expect("an empty folder");
        let script = format!(
            "mount -t tmpfs -o size={size},mode=0700 none \"$1\" && echo mounted && exec sleep 3600"
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script, "sh"])
            .arg(&mounted);
        let log = directory.path().join("holder.log");
        let mut holder = Process::start("unshare", &mut command, &log);
        let is_mounted = wait::until("it is mounted, or not", MOUNTED_WITHIN, async || {
            let is_mounted = holder.log().contains("mounted\n");
            (is_mounted || holder.exited().is_some()).then_some(is_mounted)
        });
        if !is_mounted.await {
            live::skip(test, holder.log().trim());
            return None;
        }
        Some(Self {
            holder,
            mounted,
            _directory: directory,
        })
    }

    /// A data directory on the disk.
    pub(crate) fn place(&self, keys: &[&str]) -> Place {
        let prefix = vec!["nsenter".to_owned(), self.flag(), "--".to_owned()];
        Place::new(keys).within(prefix, self.mounted.join("data"), self.root())
    }

    /// `ro` or `rw`, as soon as nobody writes.
    pub(crate) async fn remount(&self, mode: &str) {
        wait::until_true("it is mounted anew", MOUNTED_WITHIN, async || {
            let mut command = Command::new("nsenter");
            command.arg(self.flag()).args(["--", "mount", "-o"]);
            command.arg(format!("remount,{mode}")).arg(&self.mounted);
            command.output().expect("nsenter starts").status.success()
        })
        .await;
    }

    /// A file that takes room, as this process sees it.
    fn ballast(&self) -> PathBuf {
        let inside = self.mounted.strip_prefix("/").unwrap_or(&self.mounted);
        self.root().join(inside).join("ballast")
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.holder.pid()))
    }

    fn flag(&self) -> String {
        format!("--mount=/proc/{}/ns/mnt", self.holder.pid())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_is_over_when_there_is_room() {
    let mut random = Random::of_run("full disk");
    let Some(namespace) = Namespace::with_small_disk("a full disk", DISK).await else {
        return;
    };
    let mut figures = Figures::new(
        "full disk",
        "a 4 MiB file system fills up at another point each time, then has room again",
        random.seed(),
    );
    for point in 0..full_or(20, 4) {
        let what = format!("TWINTAP_SEED={}, point {point}", random.seed());
        // With the reserve that is kept by default, scaled down; and without.
        let reserve = ["disk_free_bytes_min=256KiB", "disk_free_bytes_min=0"][point % 2];
        let keys = ["publish_interval=50ms", "segment_records_max=500", reserve];
        let (place, oracle) = (namespace.place(&keys), Oracle::default());
        let (mut collector, _) = place.start().await;
        let mut client = collector.client();
        let room = (256 << 10) + random.below(1 << 20);
        let ballast = vec![1; usize::try_from((4 << 20) - room).expect("4 MiB")];
        fs::write(namespace.ballast(), ballast).expect("there is room for it");
        let mut refused = None;
        for sequence in 1..BATCHES_MAX {
            let batch = Batch {
                producer: 0,
                sequence,
                records: BATCH_RECORDS,
            };
            let answer = client.post(batch, &oracle).await;
            let answer =
                answer.unwrap_or_else(|error| panic!("{what}: {error:#}\n{}", collector.log()));
            if !answer.status.is_success() {
                refused = Some((batch, answer));
                break;
            }
        }
        let (batch, answer) = refused.unwrap_or_else(|| panic!("{what}: never full"));
        let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
        assert!(
            code == "disk_full" || code == "disk_low",
            "{what}: {answer:?}"
        );
        assert!(
            !collector.complaints().is_empty(),
            "{what}: nothing was said"
        );
        let is_killed = random.below(2) == 0;
        if is_killed {
            collector.ended_by(Signal::KILL).await;
        }
        fs::remove_file(namespace.ballast()).expect("it is there");
        if !is_killed {
            resumes(&client, batch, &oracle, &collector).await;
            drop(client);
            collector.drain().await;
        }
        let restart = place.settle(&oracle).await;
        figures.add(1, oracle.judge(&place, &what), restart);
        fs::remove_dir_all(place.visible_data_dir()).expect("it is the test's own");
    }
    figures.keep();
}
