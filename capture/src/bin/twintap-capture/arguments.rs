//! The command line. `twintap capture` writes it; people may, too.

use std::time::Duration;

use clap::{ArgGroup, Parser};

/// Captures packets of an interface and writes them to standard output as pcap.
///
/// The only part of twintap that needs a privilege, CAP_NET_RAW, which it drops with all others as soon
/// as the interface is open. It copies packets and never looks into them. Usually it is run by
/// `twintap capture`.
#[derive(Debug, Parser)]
#[command(name = "twintap-capture", version, after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("what").required(true).args(["interface", "list_interfaces"]))]
pub(crate) struct Arguments {
    /// Network interface; `any` is all of them
    #[arg(short, long, value_name = "NAME")]
    pub(crate) interface: Option<String>,

    /// Lists interfaces: name, addresses, up or down, separated by tabs
    #[arg(long)]
    pub(crate) list_interfaces: bool,

    /// Bytes of the kernel's buffer
    #[arg(long, value_name = "N", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u32).range(1 << 16..=1 << 30))]
    pub(crate) buffer_bytes: u32,

    /// Also captures what is not addressed to this machine
    #[arg(long)]
    pub(crate) promiscuous: bool,

    /// Ends after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) packets_max: Option<u64>,

    /// Ends after so many milliseconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    duration_ms: Option<u64>,

    /// Which packets, in the language of pcap-filter(7)
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

const AFTER_HELP: &str = "\
Standard error tells what happens, one line each: started, stats (every second), ended, error.
SIGTERM or Ctrl-C ends the capture; what the kernel has by then is written.

Exit codes: 0 ended as asked, or nobody reads standard output any more; 2 usage, no such interface,
bad filter; 3 anything else.

Examples:
  sudo setcap cap_net_raw+ep $(command -v twintap-capture)
  twintap-capture -i eth0 'tcp port 50051' > traffic.pcap
  twintap-capture --list-interfaces";

impl Arguments {
    /// The filter expression; empty for everything.
    pub(crate) fn filter(&self) -> String {
        self.filter.join(" ").trim().to_owned()
    }

    /// When to end.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }
}
