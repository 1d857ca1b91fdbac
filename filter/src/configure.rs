//! Root contexts: reading their configuration, learning where they run, reporting metrics.

use crate::config::{Config, ConfigError, Refusal, TEXT_BYTES_MAX};
use crate::copy::{Text, copy};
use crate::engine::Engine;
use crate::host::{Buffer, Host, Metric};
use crate::random::Random;
use crate::root::{PRODUCER_BYTES_MAX, Phase};
use crate::wire::Encoder;

/// Field of `Producer` and the node property it comes from.
const NODE: [(u32, &[u8]); 9] = [
    (4, b"xds\0node\0id"),
    (5, b"xds\0node\0cluster"),
    (6, b"xds\0node\0metadata\0NAME"),
    (7, b"xds\0node\0metadata\0NAMESPACE"),
    (8, b"xds\0node\0metadata\0WORKLOAD_NAME"),
    (9, b"xds\0node\0metadata\0CLUSTER_ID"),
    (10, b"xds\0node\0metadata\0LABELS\0app"),
    (11, b"xds\0node\0metadata\0LABELS\0version"),
    (12, b"xds\0node\0locality\0zone"),
];

/// Bytes kept of one of them.
const NODE_BYTES_MAX: usize = 200;

/// How soon an inert root is counted.
const INERT_TICK_MS: u32 = 100;

impl Engine<'_> {
    /// Root context `context` has a configuration of `size` bytes. Whatever it is, the host is never
    /// told to fail: a refused configuration makes the root inert.
    pub fn on_configure<H: Host>(&mut self, host: &mut H, context: u32, size: usize) {
        let gone = match self.root_index(context) {
            Some(_) => None,
            None => self.make_room(host),
        };
        if gone.is_some() {
            self.create_root(context);
        }
        self.configure(host, context, size);
        // The last call: the host takes those behind it for calls of the other context.
        if let Some(gone) = gone {
            self.done(host, gone);
        }
    }

    fn configure<H: Host>(&mut self, host: &mut H, context: u32, size: usize) {
        let Some(index) = self.root_index(context) else {
            host.warn(b"twintap: more than 8 configurations in one VM, traffic passes unrecorded");
            self.refuse(host, context);
            return;
        };
        let metrics = host.define_metrics();
        let config = self.read_config(host, size);
        let producer = match &config {
            Ok(config) => producer(host, config),
            Err(_) => Text::EMPTY,
        };
        let seed = self.seed(host);
        let Some(root) = self.root(index) else {
            return;
        };
        if metrics.is_err() {
            root.counters.host_error();
        }
        match config {
            Ok(config) => {
                if root.is_told_invalid && host.add(Metric::ConfigInvalid, -1).is_ok() {
                    root.is_told_invalid = false;
                }
                if root.phase != Phase::Active {
                    let (id, _) = seed.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
                    root.producer_id = *id;
                }
                root.config = config;
                root.producer = producer;
                root.phase = Phase::Active;
                if host.set_tick_ms(root.config.flush_interval_ms).is_err() {
                    root.counters.host_error();
                }
            }
            Err(error) => {
                root.phase = Phase::Inert;
                host.warn(error.message(&mut [0; 256]));
                if host.set_tick_ms(INERT_TICK_MS).is_err() {
                    root.counters.host_error();
                }
            }
        }
    }

    /// Counts an inert root in the gauge of refused configurations. With its first tick, which is its last: Envoy
    /// tries each configuration in a VM that it throws away without a word.
    pub(crate) fn tell_invalid<H: Host>(&mut self, host: &mut H, index: u8) {
        let Some(root) = self.root(index).filter(|root| !root.is_told_invalid) else {
            return;
        };
        root.is_told_invalid = host.add(Metric::ConfigInvalid, 1).is_ok();
        if root.is_told_invalid {
            // Refused, it ticks on for nothing.
            let _answered = host.set_tick_ms(0);
        }
    }

    /// Brings the host's metrics up to date.
    pub(crate) fn report<H: Host>(&mut self, host: &mut H, index: u8) {
        let now_s = seconds(host.now_ns());
        let Some(root) = self.root(index) else {
            return;
        };
        let (now, before) = (root.counters, root.reported);
        let changes = [
            (Metric::Records, now.recorded(), before.recorded()),
            (
                Metric::Dropped,
                now.dropped().saturating_add(now.given_up),
                before.dropped().saturating_add(before.given_up),
            ),
            (Metric::Skipped, now.skipped(), before.skipped()),
            (Metric::BatchesSent, now.batches_sent, before.batches_sent),
            (
                Metric::BatchesFailed,
                now.batches_failed,
                before.batches_failed,
            ),
            (Metric::HostErrors, now.host_errors, before.host_errors),
        ];
        for (metric, now, before) in changes {
            let grown = i64::try_from(now.saturating_sub(before)).unwrap_or(i64::MAX);
            if grown > 0 {
                // A metric the host refuses is nothing the filter can repair or should retry.
                let _answered = host.add(metric, grown);
            }
        }
        root.reported = now;
        if now_s != root.heartbeat_s {
            root.heartbeat_s = now_s;
            let _answered = host.set(Metric::Heartbeat, now_s);
        }
    }

    fn read_config<H: Host>(&mut self, host: &mut H, size: usize) -> Result<Config, ConfigError> {
        let failed = |refusal| {
            Err(ConfigError {
                refusal,
                at: 0,
                key: Text::EMPTY,
            })
        };
        if size > TEXT_BYTES_MAX || size > self.scratch.len() {
            return failed(Refusal::TooLong);
        }
        let room = self.scratch.get_mut(..size).unwrap_or_default();
        let len = if size == 0 {
            Ok(0)
        } else {
            host.buffer(Buffer::Configuration, 0, room)
        };
        match len.ok().and_then(|len| self.scratch.get_mut(..len)) {
            Some(text) => {
                let config = Config::try_from_json(text);
                // It may hold a key.
                text.fill(0);
                config
            }
            None => failed(Refusal::Syntax),
        }
    }

    /// 32 random bytes; also seeds the generator of pair ids.
    fn seed<H: Host>(&mut self, host: &mut H) -> [u8; 32] {
        let mut seed = [0; 32];
        if host.random(&mut seed).is_err() {
            // Better than equal ids on all workers; the clock is all there is.
            copy(&mut seed, &host.now_ns().to_le_bytes());
        }
        let mut random = Random::new(seed);
        let mut fresh = [0; 32];
        let (words, _) = fresh.as_chunks_mut::<8>();
        for word in words {
            *word = random.next_u64().to_le_bytes();
        }
        self.random = random;
        fresh
    }
}

/// Encodes the `Producer` message.
fn producer<H: Host>(host: &mut H, config: &Config) -> Text<PRODUCER_BYTES_MAX> {
    let mut buffer = [0; PRODUCER_BYTES_MAX];
    let mut encoder = Encoder::new(&mut buffer);
    encoder.uint(1, config.position as u64);
    encoder.uint(2, u64::from(config.role));
    encoder.bytes(3, env!("CARGO_PKG_VERSION").as_bytes());
    for (field, path) in NODE {
        let mut value = [0; NODE_BYTES_MAX];
        if let Ok(Some(len)) = host.property(path, &mut value) {
            let text = value.get(..len).unwrap_or_default();
            // The contract has these as strings.
            if core::str::from_utf8(text).is_ok() {
                encoder.bytes(field, text);
            }
        }
    }
    encoder.bytes(13, config.service.as_bytes());
    match encoder.finish() {
        Some(len) => Text::cut(buffer.get(..len).unwrap_or_default()),
        None => Text::EMPTY,
    }
}

/// Whole seconds in `ns`: times 2^90 / 10^9, rounded up, and shifted back. Exact for all 64 bits, and
/// no division that a checker would have to trust.
fn seconds(ns: u64) -> u64 {
    const RECIPROCAL: u128 = (1_u128 << 90).div_ceil(1_000_000_000);
    u64::try_from(u128::from(ns).wrapping_mul(RECIPROCAL) >> 90).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_are_exact() {
        for ns in [
            0,
            999_999_999,
            1_000_000_000,
            1_699_999_999_999_999_999,
            u64::MAX,
        ] {
            assert_eq!(seconds(ns), ns / 1_000_000_000);
            assert_eq!(
                seconds(ns / 1_000_000_000 * 1_000_000_000),
                ns / 1_000_000_000
            );
        }
    }
}
