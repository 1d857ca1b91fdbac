//! `twintap serve`: the collector.

use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config_args::ConfigArgs;
use super::core_dump;
use super::logging;
use super::open_files;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::pipeline::serve::{self, Settings};
use crate::pipeline::signals::StopSignals;

/// Takes records from the filter, acknowledges them when they are durable, writes Parquet.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

const AFTER_HELP: &str = "\
Endpoints: POST /v1/records (from the filter), GET /healthz, /readyz, /metrics.

SIGTERM or Ctrl-C: finishes requests, writes Parquet, exits; a second one exits at once.

All keys, their defaults and meaning: twintap check-config

Examples:
  twintap serve
  twintap serve --listen 0.0.0.0:9090 --set token_file=/run/twintap/tokens
  twintap serve --config twintap.toml --set journal_bytes_max=8GiB
  TWINTAP_PUBLISH_INTERVAL=5s twintap serve";

/// Tasks that a thread runs before it looks again whether others' connections are ready, or the journal has
/// told them. With tokio's 61 those who always have something to do keep all others waiting sixty turns.
const TURNS_BETWEEN_EVENTS: u32 = 4;

/// What a configuration with `allow_unauthenticated` should bring to mind.
pub(super) const EXPOSED: &str =
    "records are taken from whoever reaches the port (allow_unauthenticated): only filters should";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    core_dump::refuse();
    let (layers, config) = args.config.load()?;
    logging::start(&config.log_level, config.log_format);
    for unknown in layers.unknown() {
        warn!("ignored {unknown}");
    }
    if config.is_exposed() {
        info!("{}", EXPOSED);
    }
    open_files::raise(config.connections_max)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("http")
        .event_interval(TURNS_BETWEEN_EVENTS)
        .global_queue_interval(TURNS_BETWEEN_EVENTS)
        .build()
        .context("failed to start the runtime")?;
    let served = runtime.block_on(serve(&config));
    // What is left are threads whose work is durable.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let signals = StopSignals::catch().context("failed to listen for signals")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("failed to listen on {}", config.listen))?;
    let settings = Settings::from(config).within_memory(config.memory_bytes_max);
    let ask = || {
        info!("shutting down");
        shutdown.cancel();
    };
    tokio::select! {
        result = serve::run(listener, settings, SystemClock::shared(), shutdown.clone()) => {
            Ok(result?)
        }
        never = signals.heed(ask) => match never {},
    }
}
