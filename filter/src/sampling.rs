//! Which calls are recorded when not all are.
//!
//! Every party must decide alike about one call without talking: the filter at the caller, those at
//! both servers, on every worker. So the decision is a pure function of the call's identity: with
//! `h` its XXH3-64, the call is chosen if `(h >> 32) * 1 000 000 >> 32` is below the rate in parts
//! per million. A call without identity is chosen by chance.

use xxhash_rust::xxh3::xxh3_64;

/// Parts per million that mean everything.
pub const ALL_PPM: u32 = 1_000_000;

/// Is the call known as `identity` chosen at `rate_ppm`?
pub fn chosen(identity: &[u8], rate_ppm: u32) -> bool {
    chosen_by_hash(xxh3_64(identity), rate_ppm)
}

/// Is a call whose identity has this hash chosen at `rate_ppm`?
pub fn chosen_by_hash(hash: u64, rate_ppm: u32) -> bool {
    (hash >> 32).wrapping_mul(u64::from(ALL_PPM)) >> 32 < u64::from(rate_ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_chosen_is_the_rate() {
        for rate_ppm in [0, 1000, 100_000, 500_000, 1_000_000] {
            let chosen = (0..100_000_u32)
                .filter(|id| chosen(format!("{id:032x}").as_bytes(), rate_ppm))
                .count() as f64;
            let expected = f64::from(rate_ppm) / 10.0;
            assert!(
                (chosen - expected).abs() <= 5.0 * expected.sqrt(),
                "{rate_ppm}: {chosen}"
            );
        }
    }

    #[test]
    fn who_is_chosen_at_a_low_rate_is_chosen_at_a_higher_one() {
        for id in 0..1000_u32 {
            let id = id.to_string();
            assert!(!chosen(id.as_bytes(), 50_000) || chosen(id.as_bytes(), 300_000));
        }
    }
}
