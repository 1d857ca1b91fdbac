//! The power is cut at random moments, on a real file system: what was acknowledged is stored, once.
//!
//! [`crate::power`] has thousands of cuts, of a disk that is a model. Here the disk is ext4 in a file,
//! which the kernel itself shuts down; so this also asks whether ext4 keeps what the model promises.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::collector::PATIENCE;
use crate::figures::Figures;
use crate::full_or;
use crate::kill::{first_batches, send_all};
use crate::namespace::Namespace;
use crate::oracle::Oracle;
use crate::random::Random;

const DISK_BYTES: u64 = 1 << 30;
/// The latest moment of a cut, after the collector was ready.
const CUT_WITHIN_MS: u64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut_of_a_real_file_system() {
    let mut random = Random::of_run("power cut of ext4");
    let Some(namespace) = Namespace::with_ext4("power cuts of ext4", DISK_BYTES).await else {
        return;
    };
    let mut figures = Figures::new(
        "power cut of ext4",
        "ext4 loses power at a random moment (FS_IOC_SHUTDOWN), while 2 000 records/s are sent, on one \
         data directory",
        random.seed(),
    );
    let what = format!("TWINTAP_SEED={}", random.seed());
    let cuts = full_or(100, 5);
    // Segments small enough that cuts meet every step of a record's way into Parquet.
    let keys = [
        "publish_interval=200ms",
        "segment_records_max=500",
        "disk_free_bytes_min=16MiB",
    ];
    let place = namespace.place(&keys);
    let oracle = Arc::new(Oracle::default());
    let mut next = first_batches();
    let mut worst = Duration::ZERO;
    for cut in 1..=cuts {
        let (mut collector, took) = place.restart().await;
        worst = worst.max(took);
        let switch = namespace.power_switch(Some(collector.process.pid()));
        let senders = send_all(next, &collector, &oracle);
        let moment = Instant::now() + Duration::from_millis(random.below(CUT_WITHIN_MS));
        tokio::time::sleep_until(moment).await;
        assert_eq!(switch.cut(), Ok(()), "{what}, cut {cut}");
        collector.process.ended(PATIENCE).await;
        next = senders.join_all().await;
        namespace.mount_again().await;
    }
    worst = worst.max(place.settle(&oracle).await);
    let verdict = oracle.judge(&place, &what);
    assert_eq!(verdict.records, verdict.acknowledged, "{what}");
    assert!(verdict.acknowledged > cuts, "{verdict:?}");
    figures.add(cuts, verdict, worst);
    figures.keep();
}
