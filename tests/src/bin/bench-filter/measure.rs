//! Runs the rounds.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::ensure;

use crate::variant::{Chain, Rig, VARIANTS, Variant};
use crate::{Arguments, load};
use twintap_e2e::artifacts;

/// How long the sink must stay unchanged to have everything. Several flush intervals.
const SETTLED: Duration = Duration::from_millis(300);
/// Load before the first measurement: connections, the module's memory, V8's compiler.
const WARM_UP: Duration = Duration::from_secs(2);

/// CPU nanoseconds per request of one variant, forward and backward, per round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) cpu_ns: Vec<f64>,
    pub(crate) requests: u64,
    pub(crate) requests_per_s: Vec<f64>,
    pub(crate) recorded: u64,
    pub(crate) dropped: u64,
    pub(crate) vm_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
}

/// All samples by variant, and the module's size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measurements {
    pub(crate) samples: BTreeMap<&'static str, Samples>,
    pub(crate) module_bytes: Option<u64>,
}

/// Measures what the arguments ask for.
pub(crate) async fn all(arguments: &Arguments) -> anyhow::Result<Measurements> {
    let mut measurements = Measurements::default();
    for size in [1024, 64 * 1024] {
        let variants = chosen(arguments, size);
        if variants.len() < 2 {
            continue;
        }
        let mut rigs = vec![];
        for variant in variants {
            rigs.push(Rig::start(variant, arguments).await?);
        }
        for rig in &rigs {
            one(rig, arguments, WARM_UP).await?;
        }
        for round in 1..=arguments.rounds {
            eprintln!("{} KiB: round {round} of {}", size / 1024, arguments.rounds);
            let mut cpu = BTreeMap::<&str, f64>::new();
            for rig in rigs.iter().chain(rigs.iter().rev()) {
                let (cpu_ns, done) =
                    one(rig, arguments, Duration::from_secs_f64(arguments.seconds)).await?;
                *cpu.entry(rig.variant.name).or_default() += cpu_ns / 2.0;
                let samples = measurements.samples.entry(rig.variant.name).or_default();
                let per_s = done.requests as f64 / done.elapsed.as_secs_f64();
                samples.requests_per_s.push(per_s);
                samples.requests += done.requests;
            }
            for (name, cpu_ns) in cpu {
                measurements
                    .samples
                    .entry(name)
                    .or_default()
                    .cpu_ns
                    .push(cpu_ns);
            }
        }
        for rig in &rigs {
            finish(
                rig,
                measurements.samples.entry(rig.variant.name).or_default(),
            )?;
        }
    }
    if measurements
        .samples
        .keys()
        .any(|name| name.starts_with("full"))
    {
        measurements.module_bytes = Some(fs::metadata(artifacts::filter_wasm())?.len());
    }
    Ok(measurements)
}

fn chosen(arguments: &Arguments, size: usize) -> Vec<Variant> {
    let wanted = |variant: &&Variant| {
        variant.message_bytes == size
            && (variant.chain == Chain::None
                || arguments.only.is_empty()
                || arguments.only.iter().any(|name| name == variant.name))
    };
    VARIANTS.iter().filter(wanted).copied().collect()
}

/// One measurement: CPU nanoseconds per request, shipping included.
async fn one(
    rig: &Rig,
    arguments: &Arguments,
    duration: Duration,
) -> anyhow::Result<(f64, load::Done)> {
    let address = rig.envoy.address("grpc").await;
    let lanes = (arguments.connections, arguments.concurrency);
    let before = rig.envoy.process.cpu_ns();
    let done = load::run(address, rig.variant.message_bytes, lanes, duration).await?;
    // The same wait for all, so that ticks of an idle Envoy weigh the same.
    let mut records = rig.sink.received().records;
    loop {
        tokio::time::sleep(SETTLED).await;
        let now = rig.sink.received().records;
        if now == records {
            break;
        }
        records = now;
    }
    let cpu_ns = (rig.envoy.process.cpu_ns() - before) as f64 / done.requests as f64;
    clear(rig)?;
    Ok((cpu_ns, done))
}

/// Tap leaves a file per request.
fn clear(rig: &Rig) -> anyhow::Result<()> {
    for entry in fs::read_dir(rig.tap.path())? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn finish(rig: &Rig, samples: &mut Samples) -> anyhow::Result<()> {
    let received = rig.sink.received();
    samples.recorded = received.records;
    samples.dropped = received.dropped();
    samples.vm_bytes = rig
        .envoy
        .process
        .wasm_memories()
        .into_iter()
        .max()
        .unwrap_or(0);
    samples.rss_peak_bytes = rig.envoy.process.rss_peak_bytes();
    if matches!(rig.variant.chain, Chain::Full | Chain::Cut) {
        ensure!(
            received.records + received.dropped() == received.observed(),
            "{}: {} observed, {} recorded, {} dropped",
            rig.variant.name,
            received.observed(),
            received.records,
            received.dropped(),
        );
    }
    Ok(())
}
