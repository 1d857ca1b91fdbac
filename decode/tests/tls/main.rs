//! TLS as a watcher sees it: real peers in memory, their records in any pieces and with losses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "helpers of tests are not marked as tests"
)]

mod calls;
mod losses;
mod peers;
#[path = "../calls/truth.rs"]
mod truth;
mod watched;

use peers::{Act, Options, Peers, Seen, connect};
use rustls::crypto::ring::cipher_suite as suites;
use twintap_decode::stream::Way::{Forward, Reverse};
use twintap_decode::tls::{FailReason, Outcome, UndecryptedReason};
use watched::{Part, Step, Watched, watch};

fn steps(seen: &Seen) -> Vec<Step> {
    let steps = seen.sent.iter();
    steps
        .map(|(way, bytes)| Step::Bytes(*way, bytes.clone()))
        .collect()
}

fn assert_decrypted(seen: &Seen, watched: &Watched) {
    assert_eq!(
        watched.outcome,
        Outcome::Decrypted,
        "{:?}",
        watched.counters
    );
    assert!(!seen.forward.is_empty() && !seen.reverse.is_empty());
    for way in [Forward, Reverse] {
        assert_eq!(watched.parts.whole(way), seen.plain(way), "{way:?}");
    }
    assert_eq!(watched.counters.failed.total(), 0);
}

/// A request and a response, of more than one record each.
fn exchange() -> Vec<Act> {
    vec![
        Act::Send(Forward, vec![b'q'; 20_000]),
        Act::Send(Reverse, vec![b'a'; 40_000]),
        Act::Send(Forward, b"bye".to_vec()),
    ]
}

#[test]
fn every_suite_is_decrypted() {
    for suite in [
        suites::TLS13_AES_128_GCM_SHA256,
        suites::TLS13_AES_256_GCM_SHA384,
        suites::TLS13_CHACHA20_POLY1305_SHA256,
    ] {
        let suite = Some(suite);
        let seen = connect(
            Options {
                suite,
                ..Options::tls13()
            },
            &exchange(),
        );
        assert_decrypted(&seen, &watch(&seen.key_log, steps(&seen)));
    }
    for suite in [
        suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ] {
        let suite = Some(suite);
        let seen = connect(
            Options {
                suite,
                ..Options::tls12()
            },
            &exchange(),
        );
        assert_decrypted(&seen, &watch(&seen.key_log, steps(&seen)));
    }
}

#[test]
fn key_updates_of_both_ways_are_followed() {
    let mut acts = exchange();
    for round in 0..3 {
        acts.extend([Act::Rekey(Forward), Act::Send(Forward, vec![round; 100])]);
        acts.extend([Act::Rekey(Reverse), Act::Send(Reverse, vec![round; 100])]);
    }
    let seen = connect(Options::tls13(), &acts);
    let watched = watch(&seen.key_log, steps(&seen));
    assert_decrypted(&seen, &watched);
    assert!(watched.counters.key_updates >= 6, "{:?}", watched.counters);
}

#[test]
fn a_hello_retry_request_is_followed() {
    let hello_retry = true;
    let seen = connect(
        Options {
            hello_retry,
            ..Options::tls13()
        },
        &exchange(),
    );
    let watched = watch(&seen.key_log, steps(&seen));
    assert_decrypted(&seen, &watched);
    let flights = seen.sent.len() - exchange().len();
    assert!(flights >= 5, "no second ClientHello in {flights} flights");
}

#[test]
fn resumed_connections_are_decrypted() {
    for options in [Options::tls12(), Options::tls13()] {
        let peers = Peers::new(options);
        let first = peers.connect(&[], &exchange());
        let second = peers.connect(&[], &exchange());
        let handshake = |seen: &Seen| seen.cipher(Reverse).len();
        assert!(handshake(&second) < handshake(&first), "not resumed");
        assert_decrypted(&second, &watch(&second.key_log, steps(&second)));
    }
}

#[test]
fn early_data_that_the_server_takes_comes_first() {
    let peers = Peers::new(Options::tls13());
    peers.connect(&[], &exchange());
    let seen = peers.connect(b"early bird", &exchange());
    assert!(seen.forward.starts_with(b"early bird"));
    let watched = watch(&seen.key_log, steps(&seen));
    assert_decrypted(&seen, &watched);
    assert_eq!(watched.counters.early_rejected_bytes, 0);
}

#[test]
fn early_data_that_the_server_refuses_is_not_told() {
    let mut peers = Peers::new(Options::tls13());
    peers.connect(&[], &exchange());
    peers.restart_server(Options::tls13());
    let seen = peers.connect(b"early bird", &exchange());
    assert!(!seen.forward.starts_with(b"early bird"));
    let watched = watch(&seen.key_log, steps(&seen));
    assert_decrypted(&seen, &watched);
    assert_eq!(watched.counters.early_rejected_bytes, 10);
}

#[test]
fn what_is_no_tls_passes_through() {
    let steps = [
        Step::Bytes(Forward, b"P".to_vec()),
        Step::Bytes(Forward, b"RI".to_vec()),
        Step::Gap(Forward, 3),
        Step::Bytes(Reverse, vec![0x16, 3]),
        Step::Bytes(Reverse, vec![9, 9]),
    ];
    let watched = watch(b"", steps);
    assert_eq!(watched.outcome, Outcome::Clear);
    let expected = [Part::Bytes(b"PRI".to_vec()), Part::Gap(3)];
    assert_eq!(watched.parts.forward, expected);
    assert_eq!(watched.parts.whole(Reverse), [0x16, 3, 9, 9]);
}

#[test]
fn without_secrets_nothing_is_told() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        let watched = watch(b"", steps(&seen));
        let expected = Outcome::Undecrypted(UndecryptedReason::NoSecrets);
        assert_eq!(watched.outcome, expected);
        assert_eq!(
            (watched.parts.of(Forward), watched.parts.of(Reverse)),
            (&[][..], &[][..])
        );
    }
}

#[test]
fn secrets_of_others_are_no_secrets() {
    let seen = connect(Options::tls13(), &exchange());
    let other = connect(Options::tls13(), &exchange());
    let watched = watch(&other.key_log, steps(&seen));
    let expected = Outcome::Undecrypted(UndecryptedReason::NoSecrets);
    assert_eq!(watched.outcome, expected);
}

#[test]
fn secrets_that_do_not_fit_open_nothing() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        // The last digits of each line are of the secret.
        let text = String::from_utf8(seen.key_log.clone()).unwrap();
        let spoil = |line: &str| {
            let digits = if line.ends_with("00") { "11" } else { "00" };
            [line.split_at(line.len() - 2).0, digits, "\n"].concat()
        };
        let spoilt: String = text.lines().map(spoil).collect();
        let watched = watch(spoilt.as_bytes(), steps(&seen));
        let expected = Outcome::Undecrypted(UndecryptedReason::WrongSecrets);
        assert_eq!(watched.outcome, expected, "{:?}", watched.counters);
        assert!(watched.counters.failed.of(FailReason::Tag) > 0);
        for way in [Forward, Reverse] {
            let is_gap = |part: &Part| !matches!(part, Part::Bytes(_));
            assert!(watched.parts.of(way).iter().all(is_gap));
        }
    }
}

#[test]
fn where_all_behind_the_hellos_is_lost_nothing_is_decrypted() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        let (mut hellos, mut losses) = (Vec::new(), Vec::new());
        for way in [Forward, Reverse] {
            let bytes = seen.cipher(way);
            let (hello, rest) =
                bytes.split_at(5 + usize::from(bytes[3]) * 256 + usize::from(bytes[4]));
            hellos.push(Step::Bytes(way, hello.to_vec()));
            losses.push(Step::Gap(way, u64::try_from(rest.len()).unwrap()));
        }
        let watched = watch(&seen.key_log, [hellos, losses].concat());
        let counters = watched.counters;
        assert_eq!((counters.opened, counters.failed.total()), (0, 0));
        let expected = Outcome::Undecrypted(UndecryptedReason::RecordsLost);
        assert_eq!(watched.outcome, expected);
    }
}

#[test]
fn secrets_may_come_until_the_handshake_is_over() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        // Behind the server's first flight, which is the second thing sent.
        for place in 0..3 {
            let mut steps = steps(&seen);
            steps.insert(place, Step::Secrets(seen.key_log.clone()));
            assert_decrypted(&seen, &watch(b"", steps));
        }
    }
}

#[test]
fn handshake_secrets_are_not_needed() {
    let seen = connect(Options::tls13(), &exchange());
    let text = String::from_utf8(seen.key_log.clone()).unwrap();
    let kept = text.lines().filter(|line| !line.contains("HANDSHAKE"));
    let kept: String = kept.map(|line| line.to_owned() + "\n").collect();
    let watched = watch(kept.as_bytes(), steps(&seen));
    assert_eq!(watched.outcome, Outcome::Decrypted);
    for way in [Forward, Reverse] {
        assert_eq!(watched.parts.whole(way), seen.plain(way), "{way:?}");
    }
    assert!(watched.counters.failed.of(FailReason::Tag) > 0);
}

#[test]
fn one_way_may_come_long_before_the_other() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        for first in [Forward, Reverse] {
            let mut steps = steps(&seen);
            steps.sort_by_key(|step| matches!(step, Step::Bytes(way, _) if *way != first));
            assert_decrypted(&seen, &watch(&seen.key_log, steps));
        }
    }
}

#[test]
fn a_connection_that_begins_midway_is_not_read() {
    let seen = connect(Options::tls13(), &exchange());
    let late = steps(&seen).into_iter().skip(1);
    let watched = watch(&seen.key_log, late);
    let expected = Outcome::Undecrypted(UndecryptedReason::HelloNotCaptured);
    assert_eq!(watched.outcome, expected);
}

#[test]
fn a_client_that_nobody_answers_hides_nothing() {
    let seen = connect(Options::tls13(), &exchange());
    let watched = watch(&seen.key_log, steps(&seen).into_iter().take(1));
    let expected = Outcome::Undecrypted(UndecryptedReason::Unfinished);
    assert_eq!(watched.outcome, expected);
}

#[test]
fn a_client_that_takes_its_hello_back_hides_nothing() {
    let seen = connect(Options::tls13(), &exchange());
    let alert = Step::Bytes(Forward, vec![21, 3, 3, 0, 2, 2, 90]);
    let steps = steps(&seen).into_iter().take(1).chain([alert]);
    let watched = watch(&seen.key_log, steps);
    let expected = Outcome::Undecrypted(UndecryptedReason::Unfinished);
    assert_eq!(watched.outcome, expected);
}

#[test]
fn what_is_behind_the_hello_of_one_way_alone_is_not_nothing() {
    for options in [Options::tls12(), Options::tls13()] {
        let seen = connect(options, &exchange());
        for way in [Forward, Reverse] {
            let mut steps = steps(&seen);
            steps.retain(|step| matches!(step, Step::Bytes(its, _) if *its == way));
            let watched = watch(&seen.key_log, steps);
            let expected = Outcome::Undecrypted(UndecryptedReason::HelloNotCaptured);
            assert_eq!(watched.outcome, expected, "{way:?}");
        }
    }
}

#[test]
fn a_loss_behind_the_only_hello_is_not_nothing() {
    let seen = connect(Options::tls13(), &exchange());
    let lost = Step::Gap(Forward, 100);
    let watched = watch(
        &seen.key_log,
        steps(&seen).into_iter().take(1).chain([lost]),
    );
    let expected = Outcome::Undecrypted(UndecryptedReason::HelloNotCaptured);
    assert_eq!(watched.outcome, expected);
}

#[test]
fn a_way_whose_beginning_is_lost_is_not_taken_for_clear() {
    let seen = connect(Options::tls13(), &exchange());
    let lost = Step::Gap(Forward, 5);
    let watched = watch(
        &seen.key_log,
        [lost.clone()].into_iter().chain(steps(&seen)),
    );
    let expected = Outcome::Undecrypted(UndecryptedReason::HelloNotCaptured);
    assert_eq!(watched.outcome, expected);
    assert!(watched.parts.forward.is_empty());
    let clear = [
        lost,
        Step::Bytes(Forward, vec![7; 9]),
        Step::Bytes(Reverse, vec![8; 9]),
    ];
    let watched = watch(b"", clear);
    assert_eq!(watched.outcome, Outcome::Clear);
    let expected = [Part::Gap(5), Part::Bytes(vec![7; 9])];
    assert_eq!(watched.parts.forward, expected);
}

/// Cuts ten bytes out of the fourth record of 1000 bytes that the client sent in one go.
fn without_the_fourth_record(options: Options) -> (Seen, Watched) {
    let record_bytes_max = Some(1000);
    let plain: Vec<_> = (0..=255).cycle().take(5000).collect();
    let acts = [Act::Send(Forward, plain), Act::Send(Reverse, vec![1])];
    let seen = connect(
        Options {
            record_bytes_max,
            ..options
        },
        &acts,
    );
    let mut steps = steps(&seen);
    let long = |step: &Step| matches!(step, Step::Bytes(Forward, bytes) if bytes.len() > 5000);
    let place = steps.iter().position(long).unwrap();
    let Step::Bytes(_, bytes) = &steps[place] else {
        unreachable!();
    };
    let at = bytes.len() / 2;
    let parts = [
        Step::Bytes(Forward, bytes[..at].to_vec()),
        Step::Gap(Forward, 10),
        Step::Bytes(Forward, bytes[at + 10..].to_vec()),
    ];
    steps.splice(place..=place, parts);
    let watched = watch(&seen.key_log, steps);
    (seen, watched)
}

#[test]
fn tls12_tells_exactly_how_much_a_lost_record_had() {
    let (seen, watched) = without_the_fourth_record(Options::tls12());
    let [Part::Bytes(before), Part::Gap(len), Part::Bytes(after)] = watched.parts.of(Forward)
    else {
        panic!("{:?}", watched.counters);
    };
    let len = usize::try_from(*len).unwrap();
    assert_eq!(before.len() + len + after.len(), 5000);
    assert!(seen.forward.starts_with(before) && seen.forward.ends_with(after));
    assert_eq!(watched.counters.missing_records, 0);
    assert_eq!(watched.counters.failed.of(FailReason::Cut), 1);
    let whole = watch(&seen.key_log, steps(&seen)).counters;
    assert_eq!(watched.counters.records, whole.records);
    // The header told where the next record begins.
    assert_eq!(watched.counters.resyncs, 0);
}

#[test]
fn a_record_counts_as_failed_or_as_missing_never_as_both() {
    for options in [Options::tls12(), Options::tls13()] {
        let acts: Vec<_> = (0..9)
            .map(|_| Act::Send(Forward, vec![b'q'; 500]))
            .collect();
        let seen = connect(options, &acts);
        let mut steps = steps(&seen);
        let whole = watch(&seen.key_log, steps.clone()).counters;
        // The end of one record, all of the next two, the beginning of the one behind them.
        let first = steps.len() - 6;
        let Step::Bytes(_, bytes) = &steps[first] else {
            unreachable!();
        };
        let (len, kept) = (bytes.len(), bytes[..100].to_vec());
        let Step::Bytes(_, bytes) = &steps[first + 3] else {
            unreachable!();
        };
        let rest = bytes[10..].to_vec();
        let lost = u64::try_from(3 * len - 100 + 10).unwrap();
        let cut = [
            Step::Bytes(Forward, kept),
            Step::Gap(Forward, lost),
            Step::Bytes(Forward, rest),
        ];
        steps.splice(first..first + 4, cut);
        let counters = watch(&seen.key_log, steps).counters;
        assert_eq!((counters.failed.total(), counters.missing_records), (1, 3));
        assert_eq!(counters.records + counters.missing_records, whole.records);
    }
}

#[test]
fn tls13_tells_at_most_how_much_a_lost_record_had() {
    let (seen, watched) = without_the_fourth_record(Options::tls13());
    let [Part::Bytes(before), Part::GapUpTo(len), Part::Bytes(after)] = watched.parts.of(Forward)
    else {
        panic!("{:?}", watched.counters);
    };
    // Without padding it is as much as that.
    let len = usize::try_from(*len).unwrap();
    assert_eq!(before.len() + len + after.len(), 5000);
    assert!(seen.forward.starts_with(before) && seen.forward.ends_with(after));
}

#[test]
fn more_than_may_wait_is_given_up() {
    let seen = connect(Options::tls13(), &exchange());
    let mut steps = steps(&seen);
    steps.retain(|step| matches!(step, Step::Bytes(Forward, _)));
    let endless = (0..100).map(|_| Step::Bytes(Forward, vec![0; 1000]));
    let watched = watch(&seen.key_log, steps.into_iter().chain(endless));
    let expected = Outcome::Undecrypted(UndecryptedReason::Limit);
    assert_eq!(watched.outcome, expected);
}
