//! What `ingest` and `capture` have in common: which calls, whose they are, where they go.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::ValueEnum;
use twintap_decode::link::LinkConfig;
use twintap_filter::hmac::Hmac;
use twintap_filter::methods::{Methods, Names, is_header_name, is_pattern};

use super::key_log;
use crate::call::{Observer, Role, ServerPattern, Workload};
use crate::cli::schema_args::TypeArgs;
use crate::cli::{UsageError, terminal};
use crate::clock::SystemClock;
use crate::pipeline::ingest::{OnProgress, Settings};
use crate::sources::capture::Source;
use crate::sources::capture::learn::Descriptors;

/// Not asked for: health checks and reflection.
const EXCLUDED_BY_DEFAULT: [&str; 2] = ["grpc.health.v1.Health/*", "grpc.reflection.*"];

/// Options of commands that rebuild calls from packets.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PacketOptions {
    /// Data directory to write to
    #[arg(long, value_name = "DIR", default_value = "./twintap-data")]
    pub(in crate::cli) data_dir: PathBuf,

    /// Where calls go
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    pub(in crate::cli) format: Format,

    /// Only connections with this port at either end; may be given several times [default: all that
    /// turn out to speak HTTP/2]
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Vec<u16>,

    /// Address of the old service: IP, IP:PORT or :PORT; may be given several times. Where those of two sides fit a
    /// server, IP:PORT goes before :PORT, and this before IP
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    pub(in crate::cli) primary: Vec<ServerPattern>,

    /// Address of the new service, in the same forms
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    pub(in crate::cli) candidate: Vec<ServerPattern>,

    /// Address of a second instance of the old service, which shows what is noise
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    pub(in crate::cli) secondary: Vec<ServerPattern>,

    /// Name of the service, for the column `service`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(in crate::cli) service: String,

    /// Only these methods: `pkg.Service/Method`, `pkg.Service/*` or `pkg.*`; may be given several
    /// times
    #[arg(long, value_name = "METHOD")]
    pub(in crate::cli) include_method: Vec<String>,

    /// Not these methods; wins over --include-method
    /// [default: grpc.health.v1.Health/* and grpc.reflection.*]
    #[arg(long, value_name = "METHOD")]
    pub(in crate::cli) exclude_method: Vec<String>,

    /// Also treat this metadata name as a secret; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) redact_header: Vec<String>,

    /// File with the key of the hash that replaces secrets, which then can be compared; without one,
    /// they are dropped
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) redaction_key_file: Option<PathBuf>,

    /// Key log with the secrets of TLS connections, as `SSLKEYLOGFILE` makes it; may be given several
    /// times. Secrets in pcapng captures are used without being asked. Not with `twintap capture`: it
    /// would be read before the secrets are there
    #[arg(long, alias = "tls-keylog-file", value_name = "FILE")]
    pub(in crate::cli) tls_keylog: Vec<PathBuf>,

    /// Another UDP port of VXLAN, besides 4789 and 8472; may be given several times
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) vxlan_port: Vec<u16>,

    /// What is captured in several tunnels is of one network: packets of a connection may be in tunnels of different
    /// numbers (VNI, GRE key), as where each direction has its own. Without it, equal addresses in two tunnels are two
    /// connections
    #[arg(long)]
    pub(in crate::cli) merge_tunnels: bool,

    /// Types name calls of connections whose beginning was not captured.
    #[command(flatten)]
    pub(in crate::cli) types: TypeArgs,

    /// Threads that rebuild calls; of `ingest` as many encode them to Parquet beside, up to 6
    /// [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(in crate::cli) threads: Option<u16>,

    /// Exit with 4 if no call was found, or none of a server that was named by its role, a record was damaged, bytes of an HTTP/2 connection were
    /// lost, a call was not seen whole, or a TLS connection of a server that was asked for (--port, --primary, --candidate,
    /// --secondary) was not decrypted
    #[arg(long)]
    pub(in crate::cli) strict: bool,

    /// No summary and no progress; errors and warnings all the same
    #[arg(long)]
    pub(in crate::cli) quiet: bool,
}

/// Where calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Into the calls dataset of the data directory, docs/dataset.md
    Parquet,
    /// To standard output, one JSON object a line
    Ndjson,
    /// Nowhere: the summary says what is in the captures, --strict whether it is whole
    None,
}

impl PacketOptions {
    /// How many threads rebuild calls, and how many encode them.
    pub(in crate::cli) fn threads_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }

    /// How to rebuild calls from `inputs`.
    pub(in crate::cli) fn settings(
        &self,
        inputs: Vec<Source>,
        producer_id: [u8; 16],
        on_progress: OnProgress,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<Settings> {
        self.check_roles()?;
        let mut link = LinkConfig::default();
        link.vxlan_ports.extend(&self.vxlan_port);
        link.tunnels_separate_flows = !self.merge_tunnels;
        let role = |role| move |pattern: &ServerPattern| (*pattern, role);
        let roles = self.primary.iter().map(role(Role::Primary));
        let roles = roles.chain(self.candidate.iter().map(role(Role::Candidate)));
        let roles = roles.chain(self.secondary.iter().map(role(Role::Secondary)));
        Ok(Settings {
            inputs,
            threads_count: self.threads_count(),
            link,
            ports: self.port.clone(),
            key_log: Arc::new(key_log::read(&self.tls_keylog)?),
            methods: self.methods()?,
            descriptors: load_descriptors(&self.types)?,
            observer: Observer {
                producer_id,
                workload: Arc::new(Workload {
                    service: self.service.clone(),
                    recorder_version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..Workload::default()
                }),
                roles: roles.collect(),
                redact_headers: self.redact_headers()?,
                redaction_key: self
                    .redaction_key_file
                    .as_deref()
                    .map(read_key)
                    .transpose()?,
            },
            clock: SystemClock::shared(),
            progress: Arc::default(),
            on_progress,
            stop,
        })
    }

    /// Options that would say which calls are of which side, where these go to a dataset and one was not given.
    pub(in crate::cli) fn missing_roles(&self) -> Option<&'static str> {
        let has_other_side = !self.candidate.is_empty() || !self.secondary.is_empty();
        match (self.format, self.primary.is_empty(), has_other_side) {
            (Format::Parquet, true, false) => Some("--primary and --candidate"),
            (Format::Parquet, true, true) => Some("--primary"),
            (Format::Parquet, false, false) => Some("--candidate"),
            _ => None,
        }
    }

    /// One address has one role.
    fn check_roles(&self) -> anyhow::Result<()> {
        let all = [&self.primary, &self.candidate, &self.secondary];
        let all: Vec<_> = all.into_iter().flatten().collect();
        for (index, pattern) in all.iter().enumerate() {
            if all.iter().skip(index + 1).any(|other| other == pattern) {
                return Err(UsageError::error(
                    "--primary, --candidate and --secondary name the same address",
                ));
            }
        }
        Ok(())
    }

    fn redact_headers(&self) -> anyhow::Result<Names> {
        let mut all = self.redact_header.iter();
        if let Some(bad) = all.find(|name| !is_header_name(name.as_bytes())) {
            return Err(UsageError::error(format!(
                "{bad:?} is no name of metadata that could be redacted: give one name, without patterns and blanks"
            )));
        }
        names(&self.redact_header, "--redact-header")
    }

    fn methods(&self) -> anyhow::Result<Methods> {
        let all = self.include_method.iter().chain(&self.exclude_method);
        if let Some(bad) = all.clone().find(|pattern| !is_pattern(pattern.as_bytes())) {
            return Err(UsageError::error(format!(
                "{bad:?} is no method: give pkg.Service/Method, pkg.Service/* or pkg.*"
            )));
        }
        let default = EXCLUDED_BY_DEFAULT.map(str::to_owned);
        let exclude = if self.exclude_method.is_empty() {
            &default[..]
        } else {
            &self.exclude_method
        };
        Ok(Methods {
            include: names(&self.include_method, "--include-method")?,
            exclude: names(exclude, "--exclude-method")?,
        })
    }
}

fn names(list: &[String], option: &str) -> anyhow::Result<Names> {
    let mut names = Names::EMPTY;
    for name in list {
        if names.push(name.as_bytes()).is_none() {
            return Err(UsageError::error(format!(
                "{option} is given too often: at most 64 times, 4096 bytes"
            )));
        }
    }
    Ok(names)
}

fn load_descriptors(types: &TypeArgs) -> anyhow::Result<Option<Descriptors>> {
    let Some(schema) = types.load()? else {
        return Ok(None);
    };
    let known = Descriptors::new([schema.to_descriptor_set().as_slice()]);
    let known = known.map_err(|error| UsageError::error(format!("failed to use types: {error}")));
    known.map(Some)
}

/// A shorter key of hashes is told.
const KEY_BYTES_WANTED: usize = 16;

fn read_key(path: &Path) -> anyhow::Result<Hmac> {
    let key = std::fs::read(path)
        .with_context(|| format!("failed to read the key {}", path.display()))?;
    let key = key.trim_ascii();
    if key.is_empty() {
        return Err(UsageError::error(format!(
            "the key {} is empty",
            path.display()
        )));
    }
    if key.len() < KEY_BYTES_WANTED {
        terminal::tell(format_args!(
            "the key {} has {} bytes, and who can guess it can guess the secrets: take {KEY_BYTES_WANTED} \
             random ones or more",
            path.display(),
            key.len()
        ));
    }
    Ok(Hmac::new(key))
}

/// `IP`, `IP:PORT`, `[IPv6]:PORT` or `:PORT`. An IPv4 address that is written as one of IPv6 is that of IPv4.
fn parse_server(text: &str) -> Result<ServerPattern, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(ServerPattern {
            address: Some(address.ip().to_canonical()),
            port: Some(address.port()),
        });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ServerPattern {
            address: Some(address.to_canonical()),
            port: None,
        });
    }
    let port = text
        .strip_prefix(':')
        .and_then(|port| port.parse::<u16>().ok());
    match port {
        Some(port) => Ok(ServerPattern {
            address: None,
            port: Some(port),
        }),
        None => Err("give IP, IP:PORT or :PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv4_in_the_form_of_ipv6_is_that_of_ipv4() {
        for (mapped, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("[::ffff:127.0.0.1]:50051", "127.0.0.1:50051"),
        ] {
            assert_eq!(parse_server(mapped), parse_server(plain));
        }
    }
}
