//! Recorded calls of a data directory, bucket by bucket.

use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;

use crate::call::PAIR_BUCKETS;
use crate::doctor::at::Place;
use crate::doctor::evidence::Evidence;
use crate::doctor::input::Inputs;
use crate::doctor::recording::{Accounted, Recording};
use crate::pair;
use crate::pipeline::passes::{self, pair_dataset};
use crate::store::accounting::Accounting;
use crate::store::parquet::{Dataset, Projection};

/// Decoded calls held at once, near enough.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// Sums up the calls below `folder`; if they cannot be read, that is noted.
pub(super) fn read(folder: &Path, evidence: &mut Evidence, inputs: &mut Inputs) {
    let name = folder.display().to_string();
    match recording(folder) {
        Ok(recording) => {
            inputs.take(
                &name,
                format!("a data directory with {} calls", recording.calls),
            );
            evidence.recordings.push(recording);
        }
        Err(error) => inputs.refuse(&name, None, format!("{error:#}")),
    }
}

fn recording(folder: &Path) -> anyhow::Result<Recording> {
    anyhow::ensure!(folder.is_dir(), "is no folder");
    let mut recording = Recording {
        origin: Place {
            input: folder.display().to_string(),
            ..Place::default()
        },
        accounting: accounted(folder).context("failed to read the accounting")?,
        ..Recording::default()
    };
    let dataset = Dataset::open(folder)?;
    if dataset.rows() == 0 && recording.accounting.is_none() {
        anyhow::bail!("is no data directory: it has neither calls nor accounting");
    }
    for buckets in bucket_ranges(dataset.decoded_bytes()) {
        let calls = dataset
            .calls_in_buckets(buckets, Projection::Everything)
            .collect::<Result<Vec<_>, _>>()?;
        recording.add_calls(&calls);
    }
    let reading = passes::Settings {
        memory_bytes_max: MEMORY_BYTES_MAX,
        projection: Projection::Everything,
        pairing: pair::Settings::default(),
    };
    pair_dataset(
        &dataset,
        &reading,
        |_| true,
        |_| (),
        |pairing| {
            recording.add_pairing(&pairing);
            Ok(())
        },
    )?;
    Ok(recording)
}

/// All buckets, in ranges whose calls take about [`MEMORY_BYTES_MAX`] each; one bucket is the least.
fn bucket_ranges(decoded_bytes: u64) -> impl Iterator<Item = Range<u16>> {
    let ranges = decoded_bytes
        .div_ceil(MEMORY_BYTES_MAX)
        .clamp(1, PAIR_BUCKETS);
    let border = move |index: u64| u16::try_from(index * PAIR_BUCKETS / ranges).unwrap_or(u16::MAX);
    (0..ranges).map(move |index| border(index)..border(index + 1))
}

fn accounted(folder: &Path) -> std::io::Result<Option<Accounted>> {
    let all = match Accounting::load_all(folder) {
        Ok(all) => all,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if all.is_empty() {
        return Ok(None);
    }
    let mut sum = Accounted::default();
    for total in all.iter().map(|accounting| &accounting.total) {
        sum.observed += total.observed;
        sum.not_grpc += total.skipped.get("not_grpc").copied().unwrap_or(0);
        sum.buffer_full += total.dropped.get("buffer_full").copied().unwrap_or(0);
        sum.missing += total.undelivered + total.pending;
    }
    Ok(Some(sum))
}
