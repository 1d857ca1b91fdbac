//! What the filter costs: CPU time of a real Envoy per request, against the same Envoy without it.
//!
//! One Envoy with one worker per variant, each with its own servers' share of the load at a time.
//! A round measures all variants forwards and then backwards, so that a slow drift of the machine
//! falls on all of them alike; a round's ratio is (forward + backward) of the variant over (forward
//! + backward) of `none`. Reported are the median over rounds, and the lowest and highest.
//!
//! CPU time, not latency: it is what stays comparable on a shared machine. Shipping is included:
//! a measurement ends when the collector's sink has what it will get.

mod load;
mod measure;
mod report;
mod variant;

use clap::Parser;

/// Measures the filter's CPU cost per request on a real Envoy.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; each measures every variant twice.
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Seconds of load per measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Variants to measure beside `none`, comma-separated: noop_1kib, full_1kib, unsampled_1kib,
    /// tap_1kib, noop_64kib, full_64kib, cut_64kib. Default: all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Connections that carry the load.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests in flight, over all connections.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Position of the filter: inbound or upstream.
    #[arg(long, default_value = "inbound")]
    position: String,
    /// Protocol to the collector: 1 or 2.
    #[arg(long, default_value_t = 1)]
    collector_http: u8,
    /// One more key of the filter's configuration, as `key=json`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    set: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let measurements = measure::all(&arguments).await?;
    report::print(&measurements);
    report::write_json(&measurements)
}
