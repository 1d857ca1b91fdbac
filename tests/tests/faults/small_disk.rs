//! A full disk: batches are refused, nothing acknowledged is lost, and it goes on when there is room.

use std::fs;

use rustix::process::Signal;

use crate::batch::Batch;
use crate::figures::Figures;
use crate::full_or;
use crate::namespace::Namespace;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::resources::resumes;

const BATCH_RECORDS: u64 = 100;
/// More than any of these disks can hold.
const BATCHES_MAX: u64 = 2_000;
const DISK: &str = "4m";

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
        let file = namespace.file("ballast");
        let ballast = vec![1; usize::try_from((4 << 20) - room).expect("4 MiB")];
        fs::write(&file, ballast).expect("there is room for it");
        let mut refused = None;
        for sequence in 1..BATCHES_MAX {
            let batch = Batch {
                producer: 0,
                sequence,
                records: BATCH_RECORDS,
                message_bytes: 0,
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
        fs::remove_file(&file).expect("it is there");
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
