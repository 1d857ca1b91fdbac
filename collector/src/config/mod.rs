//! What the user sets: defaults < file < environment < flags.
//!
//! Every key is text in every layer ([`keys`] lists them, with their defaults and meaning),
//! knows where its value is from ([`Origin`]), and is parsed once, here: the rest of the program
//! gets numbers, durations and addresses. An unknown key is an error with the nearest known name;
//! an unknown variable is a warning, as others may set it.

mod file;
mod keys;
mod layers;
pub(crate) mod units;

pub use keys::{KEYS, Key};
pub use layers::{Layers, Origin};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Prefix of environment variables: `TWINTAP_LISTEN` sets `listen`.
pub const ENV_PREFIX: &str = "TWINTAP_";
/// Names the configuration file.
pub const ENV_FILE: &str = "TWINTAP_CONFIG";

/// Most batches that may wait for the disk: each has its place from the start.
const QUEUE_BATCHES_MAX: usize = 100_000;
/// Most connections: each takes a descriptor.
const CONNECTIONS_MAX: usize = 1_000_000;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The configuration of `twintap serve`; [`KEYS`] documents each.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "documented once, in KEYS, where users read it too"
)]
pub struct Config {
    pub listen: SocketAddr,
    pub tls_certificate_file: Option<PathBuf>,
    pub tls_private_key_file: Option<PathBuf>,
    pub tls_client_ca_file: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub allow_unauthenticated: bool,
    pub data_dir: PathBuf,
    pub publish_interval: Duration,
    pub segment_bytes_max: u64,
    pub segment_records_max: u64,
    pub journal_bytes_max: u64,
    pub disk_free_bytes_min: u64,
    pub body_bytes_max: u64,
    pub batch_records_max: u32,
    pub ingest_bytes_max: u64,
    pub memory_bytes_max: u64,
    pub queue_batches_max: usize,
    pub connections_max: usize,
    pub streams_max: u32,
    pub header_bytes_max: u32,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub idle_timeout: Duration,
    pub drain_timeout: Duration,
    pub producers_max: usize,
    pub producer_expiry: Duration,
    pub undelivered_grace: Duration,
    pub log_level: String,
    pub log_format: LogFormat,
}

/// What is wrong with the configuration, where, and what would do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ConfigError {
    /// File, line and column; variable; or flag.
    pub origin: String,
    /// What is wrong, and a hint.
    pub problem: String,
}

impl Config {
    /// Parses the value that wins for each key.
    pub fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let config = Self {
            listen: layers.parse("listen", units::address)?,
            tls_certificate_file: layers.parse("tls_certificate_file", units::path_or_none)?,
            tls_private_key_file: layers.parse("tls_private_key_file", units::path_or_none)?,
            tls_client_ca_file: layers.parse("tls_client_ca_file", units::path_or_none)?,
            token_file: layers.parse("token_file", units::path_or_none)?,
            allow_unauthenticated: layers.parse("allow_unauthenticated", units::boolean)?,
            data_dir: layers.parse("data_dir", units::path)?,
            publish_interval: layers.parse("publish_interval", units::duration)?,
            segment_bytes_max: layers.parse("segment_bytes_max", units::size)?,
            segment_records_max: layers.parse("segment_records_max", units::count)?,
            journal_bytes_max: layers.parse("journal_bytes_max", units::size)?,
            disk_free_bytes_min: layers.parse("disk_free_bytes_min", units::size_or_zero)?,
            body_bytes_max: layers.parse("body_bytes_max", units::size)?,
            batch_records_max: layers.parse("batch_records_max", units::count)?,
            ingest_bytes_max: layers.parse("ingest_bytes_max", units::size)?,
            memory_bytes_max: layers.parse("memory_bytes_max", units::size_or_zero)?,
            queue_batches_max: layers
                .parse("queue_batches_max", units::count_up_to(QUEUE_BATCHES_MAX))?,
            connections_max: layers
                .parse("connections_max", units::count_up_to(CONNECTIONS_MAX))?,
            streams_max: layers.parse("streams_max", units::count)?,
            header_bytes_max: layers.parse("header_bytes_max", units::size)?,
            header_timeout: layers.parse("header_timeout", units::duration)?,
            body_timeout: layers.parse("body_timeout", units::duration)?,
            idle_timeout: layers.parse("idle_timeout", units::duration)?,
            drain_timeout: layers.parse("drain_timeout", units::duration)?,
            producers_max: layers.parse("producers_max", units::count)?,
            producer_expiry: layers.parse("producer_expiry", units::duration)?,
            undelivered_grace: layers.parse("undelivered_grace", units::duration)?,
            log_level: layers.parse("log_level", units::log_level)?,
            log_format: layers.parse("log_format", units::log_format)?,
        };
        let ordered = [
            (
                "body_bytes_max",
                config.body_bytes_max,
                "ingest_bytes_max",
                config.ingest_bytes_max,
            ),
            (
                "body_bytes_max",
                config.body_bytes_max,
                "segment_bytes_max",
                config.segment_bytes_max,
            ),
        ];
        for (small, small_value, large, large_value) in ordered {
            if small_value > large_value {
                let problem = format!("{large} must be at least {small}, which is {small_value}");
                return Err(layers.error(large, problem));
            }
        }
        // One segment is written to Parquet while the next fills.
        if config.segment_bytes_max > config.journal_bytes_max / 2 {
            let problem = format!(
                "journal_bytes_max must be at least twice segment_bytes_max, which is {}",
                config.segment_bytes_max
            );
            return Err(layers.error("journal_bytes_max", problem));
        }
        config.check_tls(layers)?;
        config.check_exposure(layers)?;
        Ok(config)
    }

    /// TLS takes a certificate and its key.
    fn check_tls(&self, layers: &Layers) -> Result<(), ConfigError> {
        let certificate = ("tls_certificate_file", &self.tls_certificate_file);
        let private_key = ("tls_private_key_file", &self.tls_private_key_file);
        let client_ca = ("tls_client_ca_file", &self.tls_client_ca_file);
        let pairs = [
            (certificate, private_key),
            (private_key, certificate),
            (client_ca, certificate),
        ];
        for ((given, value), (needed, other)) in pairs {
            if value.is_some() && other.is_none() {
                return Err(layers.error(given, format!("{given} is of no use without {needed}")));
            }
        }
        Ok(())
    }

    /// Does it take records from whoever reaches the port, from other machines too?
    pub fn is_exposed(&self) -> bool {
        let is_protected = self.tls_client_ca_file.is_some() || self.token_file.is_some();
        !self.listen.ip().is_loopback() && !is_protected
    }

    /// Whoever can reach the port can write records, and so decide what a comparison says.
    fn check_exposure(&self, layers: &Layers) -> Result<(), ConfigError> {
        if !self.is_exposed() || self.allow_unauthenticated {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback, and anyone who reaches it could write records: set token_file, or \
             tls_client_ca_file with tls_certificate_file and tls_private_key_file, or, where a mesh lets \
             only filters in, allow_unauthenticated = true",
            self.listen
        );
        Err(layers.error("listen", problem))
    }
}

#[cfg(test)]
mod tests;
