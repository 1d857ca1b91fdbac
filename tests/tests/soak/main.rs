//! Hours of the usual, with faults in between: a real Envoy mirrors an old service to a new one and records
//! both, the real collector is killed, ended, stopped and started again, Envoy's listener is replaced, clients
//! abort, and nothing fails, is lost uncounted, or grows.
//!
//! Every call and its answer follow from its number ([`twintap_e2e::traffic`]), so the oracle knows each one
//! that was issued. The faults of each half, their order, their lengths and the pauses between them follow from a
//! seed, which is printed; their moments also from how long the mesh takes to catch up after each, so two runs of
//! one seed differ in those, and the slower one may have fewer faults.
//!
//! In the first half the collector is killed and ended too ([`faults`]). In the second it is the same process
//! from beginning to end, so that what it leaks adds up: there the growth of memory, descriptors, threads and
//! journal is held to limits ([`drift`]).
//!
//! `make soak` sets the length; without one it is the short run that is part of every check.

mod drift;
mod faults;
mod load;
mod mesh;
mod report;
mod sample;
mod settings;
mod stored;

use std::time::{Duration, Instant};

use twintap_e2e::machine;
use twintap_e2e::random::Random;

use faults::Fault;
use mesh::Mesh;
use report::Report;
use sample::Sample;
use settings::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fails_is_lost_or_grows_whatever_happens_in_between() {
    let _machine = machine::alone();
    let settings = Settings::of_environment();
    let mut random = Random::of_run("soak");
    let mut report = Report::of(&settings, random.seed());
    // One for each half: how many faults the first has room for changes nothing in the second.
    let mut of_halves = [(); 2].map(|()| Random::new(random.below(u64::MAX)));
    let mut mesh = Mesh::start(&settings).await;
    let began = Instant::now();
    let halves = [
        (settings.duration / 2, &Fault::ALL[..]),
        (settings.duration, &Fault::OF_A_LASTING_COLLECTOR[..]),
    ];
    for (half, (until, kinds)) in halves.into_iter().enumerate() {
        let random = &mut of_halves[half];
        // Each kind of fault once, in any order, then again.
        let mut next = vec![];
        let mut fault_at = began.elapsed() + gap(&settings, random);
        while began.elapsed() < until {
            if began.elapsed() >= fault_at {
                if next.is_empty() {
                    next = kinds.to_vec();
                    random.shuffle(&mut next);
                }
                let fault = next
                    .pop()
                    .expect("one of them")
                    .drawn(random, settings.away_max);
                report.fault(began.elapsed(), &fault);
                let caught_up = mesh.suffer(&fault).await;
                report.caught_up(caught_up);
                fault_at = began.elapsed() + gap(&settings, random);
            }
            report.sample(half, Sample::take(&mesh, began.elapsed()).await);
            tokio::time::sleep(settings.sample_every).await;
        }
    }
    let outcome = mesh.end().await;
    report.judge(outcome);
}

/// From one fault to the next.
fn gap(settings: &Settings, random: &mut Random) -> Duration {
    let longest = u64::try_from(settings.gap_max.as_millis()).expect("not that long");
    Duration::from_millis(longest / 4 + random.below(longest))
}
