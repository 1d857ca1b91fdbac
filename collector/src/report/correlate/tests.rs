//! Planted correlations are found, and chance is not taken for one.

mod many_features;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::call::{Call, CallId, Header, Role, Workload};
use crate::compare::{Settings, compare};
use crate::pair::FoundBy;
use crate::report::samples::{call_with, direction, text_field, varint_field};
use crate::report::{Aggregate, Loss, Report, Scope, Thresholds, describe};

/// A number that looks random, the same on every run.
fn random(seed: u64, number: u64) -> u64 {
    xxh3_64(&[seed.to_le_bytes(), number.to_le_bytes()].concat())
}

/// What is drawn of pair `number`.
#[derive(Clone, Copy)]
struct Drawn {
    number: u64,
    country: &'static str,
    quantity: u64,
    tenant: &'static str,
    pod: &'static str,
    dice: u64,
}

fn draw(seed: u64, number: u64) -> Drawn {
    let of =
        |salt: u64, many: u64| usize::try_from(random(seed ^ salt << 32, number) % many).unwrap();
    Drawn {
        number,
        country: ["DE", "FR", "US", "JP"][of(1, 4)],
        quantity: of(2, 200) as u64,
        tenant: ["a", "b", "c"][of(3, 3)],
        pod: ["web-1", "web-2", "web-3"][of(4, 3)],
        dice: of(5, 1_000) as u64,
    }
}

fn pair(drawn: Drawn, differs: bool) -> Pair {
    let side = |role: Role, text: &str| {
        let request = [
            text_field(1, drawn.country),
            varint_field(2, drawn.quantity),
            varint_field(3, drawn.number),
        ];
        let header = |name: &'static str, value: &str| Header {
            name: Bytes::from_static(name.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            redacted: name == "authorization",
        };
        Call {
            id: CallId {
                producer_id: [role as u8; 16],
                record_number: drawn.number,
            },
            started_unix_ns: 1_785_578_400_000_000_000 + drawn.number * 1_000_000_000,
            request: direction(request.concat()),
            request_metadata: vec![
                header("x-tenant", drawn.tenant),
                header("authorization", drawn.country),
            ],
            workload: Arc::new(Workload {
                pod_name: drawn.pod.to_owned(),
                ..Workload::default()
            }),
            ..call_with(role, text_field(1, text))
        }
    };
    Pair {
        primary: Box::new(side(Role::Primary, "Berlin")),
        candidate: Box::new(side(
            Role::Candidate,
            if differs { "BERLIN" } else { "Berlin" },
        )),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    }
}

fn report_of(pairs: impl IntoIterator<Item = Pair>) -> Report {
    let mut aggregate = Aggregate::default();
    for pair in pairs {
        let verdict = compare(&pair.primary, &pair.candidate, &Settings::default());
        aggregate.add_pair(&pair, &verdict);
    }
    let (scope, thresholds) = (Scope::default(), Thresholds::default());
    aggregate.into_report(
        String::new(),
        scope,
        Some(Loss::default()),
        thresholds,
        |_| false,
    )
}

/// What is said of `count` pairs, of which those differ that `differs` says.
fn said(seed: u64, count: u64, differs: impl Fn(Drawn) -> bool) -> Vec<String> {
    let pairs = (0..count).map(|number| {
        let drawn = draw(seed, number);
        pair(drawn, differs(drawn))
    });
    let report = report_of(pairs);
    let Some(group) = report.differences.first() else {
        return Vec::new();
    };
    group
        .correlations
        .iter()
        .map(describe::correlation)
        .collect()
}

#[test]
fn a_planted_field_value_is_found() {
    assert_eq!(
        said(1, 600, |drawn| drawn.country == "DE"),
        ["only when request.1 = \"DE\"; of these 100 % differ"]
    );
}

#[test]
fn a_rare_difference_is_found_among_many_pairs() {
    // Four of a thousand: the sample of those that differ has them.
    let said = said(2, 8_000, |drawn| drawn.country == "JP" && drawn.dice < 16);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("only when request.1 = \"JP\"; of these"),
        "{said:?}"
    );
}

#[test]
fn metadata_pods_and_numbers_are_found() {
    assert_eq!(
        said(3, 600, |drawn| drawn.tenant == "b"),
        ["only when metadata.x-tenant = \"b\"; of these 100 % differ"]
    );
    let pods = said(4, 600, |drawn| drawn.pod == "web-2");
    assert!(
        pods.contains(&"only from candidate pod \"web-2\"; of these 100 % differ".to_owned()),
        "{pods:?}"
    );
    assert_eq!(
        said(5, 600, |drawn| drawn.quantity >= 120),
        ["only when request.2 ≥ 120; of these 100 % differ"]
    );
    assert_eq!(
        said(6, 600, |drawn| drawn.quantity <= 50),
        ["only when request.2 ≤ 50; of these 100 % differ"]
    );
}

#[test]
fn the_length_of_a_request_stream_is_found() {
    let pairs = (0..600).map(|number| {
        let drawn = draw(7, number);
        let mut pair = pair(drawn, drawn.quantity >= 150);
        for call in [&mut pair.primary, &mut pair.candidate] {
            let message = call.request.messages[0].clone();
            let count = usize::try_from(drawn.quantity / 25 + 1).unwrap();
            call.request.messages = vec![message; count];
            call.request.messages_count = u64::try_from(count).ok();
            // What is in the messages says nothing.
            call.request_metadata.clear();
        }
        pair
    });
    let report = report_of(pairs);
    let said: Vec<String> = report.differences[0]
        .correlations
        .iter()
        .map(describe::correlation)
        .collect();
    assert!(
        said.contains(&"only when count(request) ≥ 7; of these 100 % differ".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_time_from_which_on_it_differs_is_found() {
    let said = |differs: fn(Drawn) -> bool| said(7, 600, differs);
    // `request.3` counts up with the time.
    let since = said(|drawn| drawn.number >= 300);
    assert!(
        since.contains(&"only since 2026-08-01T10:05:00Z; of these 100 % differ".to_owned()),
        "{since:?}"
    );
    let between = said(|drawn| (120..240).contains(&drawn.number));
    assert!(
        between.contains(
            &"only from 2026-08-01T10:02:00Z to 2026-08-01T10:03:59Z; of these 100 % differ"
                .to_owned()
        ),
        "{between:?}"
    );
}

#[test]
fn most_is_not_all() {
    let said = said(8, 2_000, |drawn| drawn.country == "DE" || drawn.dice < 15);
    assert!(
        said.iter()
            .any(|said| said.starts_with("mostly (9") && said.contains("request.1 = \"DE\"")),
        "{said:?}"
    );
}

#[test]
fn what_is_secret_is_no_feature() {
    let said = said(9, 600, |drawn| drawn.country == "DE");
    assert!(
        said.iter().all(|said| !said.contains("authorization")),
        "{said:?}"
    );
}

#[test]
fn without_others_or_with_few_nothing_is_said() {
    assert_eq!(said(10, 600, |_| true), [""; 0]);
    assert_eq!(said(11, 600, |drawn| drawn.number < 7), [""; 0]);
}

#[test]
fn random_differences_hang_on_nothing() {
    for seed in 100..112 {
        for (count, of_thousand) in [(40, 300), (400, 50), (400, 500), (400, 900)] {
            let said = said(seed, count, |drawn| drawn.dice < of_thousand);
            assert_eq!(
                said, [""; 0],
                "seed {seed}, {count} pairs, {of_thousand} of 1000"
            );
        }
    }
}

#[test]
fn samples_are_bounded_whatever_comes() {
    let mut samples = Samples::default();
    let key = GroupKey::sample("a.B/C");
    for number in 0..(SAMPLE_MAX as u64 * 2) {
        samples.add(&pair(draw(1, number), true), std::iter::once(&key));
    }
    for method in 0..100 {
        let mut other = pair(draw(1, method), true);
        other.primary.rpc_method = format!("a.B/{method}");
        samples.add(&other, std::iter::once(&key));
    }
    let kept = samples
        .methods
        .values()
        .map(|sample| sample.judged.len().max(sample.differing.len()));
    assert!(kept.max().unwrap() <= SAMPLES_MAX / 101);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn the_order_of_pairs_does_not_matter(seed in any::<u64>()) {
        let mut pairs: Vec<Pair> = (0..2_500)
            .map(|number| draw(seed, number))
            .map(|drawn| pair(drawn, drawn.country == "DE" && drawn.dice < 500))
            .collect();
        let forward = report_of(pairs.clone());
        pairs.sort_by_key(|pair| random(!seed, pair.primary.id.record_number));
        prop_assert_eq!(&forward.differences, &report_of(pairs).differences);
        prop_assert!(!forward.differences[0].correlations.is_empty());
    }
}
