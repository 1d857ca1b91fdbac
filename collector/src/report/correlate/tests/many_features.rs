//! Clients that send more metadata than is kept, or names that nobody else sends.

use super::*;
use crate::report::correlate::features::FEATURES_MAX;

/// Adds metadata to both requests of a pair.
fn with_metadata(mut pair: Pair, names: impl IntoIterator<Item = String>) -> Pair {
    for name in names {
        let header = Header {
            name: name.into(),
            value: Bytes::from_static(b"x"),
            redacted: false,
        };
        for call in [&mut pair.primary, &mut pair.candidate] {
            call.request_metadata.push(header.clone());
        }
    }
    pair
}

/// More names than are kept, the same ones in every pair that has them.
fn too_many() -> impl Iterator<Item = String> {
    (0..FEATURES_MAX).map(|number| format!("x-padding-{number}"))
}

fn features_said(report: &Report) -> Vec<(String, Relation, bool)> {
    let group = report.differences.first().expect("a group");
    let said = group.correlations.iter();
    said.map(|it| (it.feature.clone(), it.relation, it.is_only))
        .collect()
}

#[test]
fn a_feature_that_was_cut_off_is_not_taken_for_absent() {
    // All requests are alike, but those that do not differ have so much metadata that it is not seen.
    let report = report_of((0..400).map(|number| {
        let drawn = Drawn {
            country: "DE",
            ..draw(20, number)
        };
        let differs = number.is_multiple_of(2);
        let names = too_many().filter(|_| !differs);
        with_metadata(pair(drawn, differs), names)
    }));
    let said = features_said(&report);
    assert!(
        said.iter().all(|(name, ..)| !name.starts_with("request.")),
        "{said:?}"
    );
}

#[test]
fn a_request_that_was_not_captured_whole_is_not_taken_for_an_empty_one() {
    // All requests are alike, but those that do not differ were cut.
    let report = report_of((0..400).map(|number| {
        let drawn = Drawn {
            country: "DE",
            ..draw(24, number)
        };
        let differs = number.is_multiple_of(2);
        let mut pair = pair(drawn, differs);
        for call in [&mut pair.primary, &mut pair.candidate] {
            for message in call.request.messages.iter_mut().filter(|_| !differs) {
                message.declared_bytes += 1;
            }
        }
        pair
    }));
    let said = features_said(&report);
    assert!(
        said.iter().all(|(name, ..)| !name.starts_with("request.")),
        "{said:?}"
    );
    assert_eq!(report.correlation.features_cut, 200);
}

#[test]
fn what_separates_is_found_among_the_pairs_that_were_not_cut() {
    let planted = |cut_of_100: u64| {
        let report = report_of((0..2_000).map(|number| {
            let drawn = draw(21, number);
            let is_cut = random(22, number) % 100 < cut_of_100;
            let pair = pair(drawn, drawn.country == "DE");
            with_metadata(pair, too_many().filter(|_| is_cut))
        }));
        let group = report.differences.into_iter().next().unwrap();
        (group.correlations, report.correlation)
    };
    let (said, _) = planted(0);
    assert_eq!(said[0].feature, "request.1");
    assert!(said[0].is_only);
    // Some of those that differ may have another country, for all that is known.
    let (said, limits) = planted(5);
    assert_eq!(said[0].feature, "request.1");
    assert!(!said[0].is_only);
    assert!((0.9..1.0).contains(&said[0].share_of_differing), "{said:?}");
    assert!(limits.features_cut > 0);
    assert_eq!(
        limits.sampled_pairs - limits.features_cut,
        said[0].sampled_differing + said[0].sampled_others
    );
    // Most of them may: too little is known.
    let (said, _) = planted(50);
    assert!(
        said.iter().all(|it| !it.feature.starts_with("request.")),
        "{said:?}"
    );
}

#[test]
fn names_that_each_pair_has_for_itself_cost_no_more_than_others() {
    let keys: Vec<GroupKey> = (0..8).map(|_| GroupKey::sample("a.B/C")).collect();
    let pairs = 400;
    let mut samples = Samples::default();
    for number in 0..pairs {
        let names = (0..FEATURES_MAX).map(|name| format!("x-{number}-{name}"));
        let mut pair = with_metadata(pair(draw(23, number), false), names);
        pair.primary.rpc_method = "a.B/C".to_owned();
        let differs = number.is_multiple_of(2);
        samples.add(&pair, keys.iter().take(usize::from(differs)));
    }
    let wanted: Vec<Wanted<'_>> = keys
        .iter()
        .map(|key| Wanted {
            key,
            pairs: (pairs / 2, pairs),
            seen: None,
        })
        .collect();
    let (found, work) = samples.correlate_counted(&wanted);
    assert_eq!(found.len(), keys.len());
    // Counting the cases, picking out of both, and at most four looks at each of the few names kept.
    let features = pairs * FEATURES_MAX as u64;
    assert!(work >= keys.len() as u64 * features, "{work}");
    assert!(work <= keys.len() as u64 * 6 * features, "{work}");
}
