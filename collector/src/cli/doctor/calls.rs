//! Recorded calls of a data directory: read one by one, then paired pass by pass.

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
use crate::store::data_dir;
use crate::store::parquet::{Dataset, Projection};

/// Calls of one range of buckets, about: half as many as ids have a place, since buckets differ.
const CALLS_OF_RANGE: u64 = 1 << 21;
/// Decoded calls held by pairing, near enough.
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
    data_dir::refuse_newer(folder)?;
    let dataset = Dataset::open(folder)?;
    if dataset.rows() == 0 && recording.accounting.is_none() {
        anyhow::bail!("is no data directory: it has neither calls nor accounting");
    }
    add_calls(&dataset, &mut recording)?;
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
            recording.add_pairing(pairing);
            Ok(())
        },
    )?;
    Ok(recording)
}

/// Sums up all calls, in a reading of their own: passes hand on neither the duplicates, nor what calls
/// carried that wait for another look. Held are a batch of rows and the counts of ids.
fn add_calls(dataset: &Dataset, recording: &mut Recording) -> anyhow::Result<()> {
    for buckets in bucket_ranges(dataset.rows()) {
        for call in dataset.calls_in_buckets(buckets, Projection::Everything) {
            recording.add_call(&*call?);
        }
        recording.crowds.end_buckets();
    }
    Ok(())
}

/// All buckets, in ranges of about [`CALLS_OF_RANGE`]; one bucket is the least.
fn bucket_ranges(calls: u64) -> impl Iterator<Item = Range<u16>> {
    let ranges = calls.div_ceil(CALLS_OF_RANGE).clamp(1, PAIR_BUCKETS);
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
        for (reason, count) in &total.dropped {
            *sum.dropped.entry(reason.clone()).or_default() += count;
        }
        sum.refused += total.refused;
        sum.quarantined += total.quarantined;
        sum.missing += total.undelivered + total.pending;
    }
    Ok(Some(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::crowds::IDS_MAX;

    #[test]
    fn ranges_cover_all_buckets_once() {
        for calls in [0, 1, 3 * CALLS_OF_RANGE + 1, u64::MAX] {
            let mut next = 0;
            for range in bucket_ranges(calls) {
                assert!(range.start == next && range.end > next, "{range:?}");
                next = range.end;
            }
            assert_eq!(u64::from(next), PAIR_BUCKETS);
        }
    }

    #[test]
    fn ids_of_a_range_have_a_place_although_buckets_differ() {
        let ids_max = u64::try_from(IDS_MAX).unwrap();
        assert_eq!(bucket_ranges(100 * ids_max).count(), 200);
        assert_eq!(bucket_ranges(ids_max / 2).count(), 1);
    }
}
