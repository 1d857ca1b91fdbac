//! The labelled corpus: messages of 22 types, changed in one known way each, and what comparing
//! must say of it.
//!
//! `TWINTAP_CORPUS_SEED` and `TWINTAP_CORPUS_SAMPLES` (per class) choose another corpus than the one
//! that is always run. A class is perfect when each sample gives the planted differences (part of
//! the call, path, kind) and nothing else; where a change has a name, the explanation must be it.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::panic,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

mod generate;
mod groups;
mod locate;
mod mutate;
mod noise;
mod oracle;
mod sample;
mod score;
mod shown;
mod types;
#[path = "../dataset/venv.rs"]
mod venv;

use generate::Random;
use sample::Class;
use score::Score;

#[test]
fn every_planted_difference_is_found_and_explained_and_nothing_else_is() {
    let number = |name: &str, otherwise| {
        std::env::var(name).map_or(otherwise, |text| text.parse::<u64>().unwrap())
    };
    let seed = number("TWINTAP_CORPUS_SEED", 20_261_122);
    let samples = number("TWINTAP_CORPUS_SAMPLES", 120);
    println!("seed {seed}, {samples} samples of each class");
    let mut random = Random::new(seed);
    let mut score = Score::default();
    let mut kept = Vec::new();
    for class in Class::ALL {
        let mut made = 0;
        // A type may have no field of the kind that a class changes.
        for _ in 0..samples * 50 {
            if made == samples {
                break;
            }
            let Some(sample) = mutate::sample(*class, &mut random) else {
                continue;
            };
            made += 1;
            score.add(&sample);
            kept.push(sample);
        }
        assert_eq!(made, samples, "{class:?}: no type has what it changes");
    }
    score.print();
    score.check();
    oracle::agrees(&kept);
}

fn seed() -> u64 {
    let seed = std::env::var("TWINTAP_CORPUS_SEED");
    let seed = seed.map_or(20_261_122, |text| text.parse::<u64>().unwrap());
    println!("seed {seed}");
    seed
}

#[test]
fn every_change_of_a_whole_group_is_explained_and_chance_is_not() {
    groups::are_explained(20, &mut Random::new(seed()));
}

#[test]
fn every_change_is_learned_as_noise_but_never_as_a_regression() {
    noise::is_learned(20, &mut Random::new(seed()));
}

#[test]
fn rows_of_both_sides_show_every_difference_and_call_nothing_equal_that_differs() {
    shown::are_truthful(400, &mut Random::new(seed()));
}
