//! Log lines to standard error: text for people, or JSON.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::LogFormat;

/// Starts logging. `level` has been checked by the configuration.
pub fn start(level: &str, format: LogFormat) {
    let targets: Targets = level.parse().unwrap_or_default();
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let layer = match format {
        LogFormat::Text => layer.with_filter(targets).boxed(),
        LogFormat::Json => layer.json().with_filter(targets).boxed(),
    };
    // Only fails if logging has been started before, by a test.
    tracing_subscriber::registry().with(layer).try_init().ok();
}
