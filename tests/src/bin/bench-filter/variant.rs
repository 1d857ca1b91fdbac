//! The variants: which Envoy, and which load.

use anyhow::Context;
use serde_json::{Value, json};
use twintap_e2e::envoy::{Bootstrap, Filter, Listener, Route};
use twintap_e2e::grpc::Server;
use twintap_e2e::{Envoy, Sink};

use crate::Arguments;

/// What is in Envoy's filter chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Nothing but the router.
    None,
    /// The module that does nothing.
    Noop,
    /// Everything recorded and shipped, bodies uncut.
    Full,
    /// As full, with bodies cut at 4 KiB.
    Cut,
    /// The recorder with sampling rate 0.
    Unsampled,
    /// Envoy's own tap filter, a file per request.
    Tap,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) chain: Chain,
    pub(crate) message_bytes: usize,
}

const KIB: usize = 1024;

/// In the order of measurement; `none` of a size comes before its variants.
pub(crate) const VARIANTS: [Variant; 9] = [
    Variant {
        name: "none_1kib",
        chain: Chain::None,
        message_bytes: KIB,
    },
    Variant {
        name: "noop_1kib",
        chain: Chain::Noop,
        message_bytes: KIB,
    },
    Variant {
        name: "full_1kib",
        chain: Chain::Full,
        message_bytes: KIB,
    },
    Variant {
        name: "unsampled_1kib",
        chain: Chain::Unsampled,
        message_bytes: KIB,
    },
    Variant {
        name: "tap_1kib",
        chain: Chain::Tap,
        message_bytes: KIB,
    },
    Variant {
        name: "none_64kib",
        chain: Chain::None,
        message_bytes: 64 * KIB,
    },
    Variant {
        name: "noop_64kib",
        chain: Chain::Noop,
        message_bytes: 64 * KIB,
    },
    Variant {
        name: "full_64kib",
        chain: Chain::Full,
        message_bytes: 64 * KIB,
    },
    Variant {
        name: "cut_64kib",
        chain: Chain::Cut,
        message_bytes: 64 * KIB,
    },
];

/// Larger than any body here, so that nothing is cut.
const UNCUT: u64 = 256 * 1024;
const CUT: u64 = 4096;

/// A variant's Envoy and what it talks to.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) variant: Variant,
    pub(crate) envoy: Envoy,
    pub(crate) sink: Sink,
    pub(crate) tap: tempfile::TempDir,
    _server: Server,
}

impl Rig {
    pub(crate) async fn start(variant: Variant, arguments: &Arguments) -> anyhow::Result<Self> {
        let server = Server::answering(|_| crate::load::answer()).await;
        let sink = Sink::counting().await;
        let tap = memory_directory()?;
        let mut listener = Listener::new("grpc", Route::to("server"));
        if let Some(filter) = recorder(variant.chain, arguments)? {
            listener = listener.filter(filter);
        }
        if variant.chain == Chain::Tap {
            listener = listener.http_filter(tap_filter(tap.path().join("t").to_string_lossy()));
        }
        let bootstrap = Bootstrap::new(variant.name)
            .listener(listener)
            .grpc("server", server.address());
        let bootstrap = match arguments.collector_http {
            2 => bootstrap.collector_http2(sink.address()),
            _ => bootstrap.collector(sink.address()),
        };
        let envoy = bootstrap.start().await;
        Ok(Self {
            variant,
            envoy,
            sink,
            tap,
            _server: server,
        })
    }
}

/// Tap's files cost what the file system costs: memory, where there is some to write to.
fn memory_directory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

fn recorder(chain: Chain, arguments: &Arguments) -> anyhow::Result<Option<Filter>> {
    let recorder = || match arguments.position.as_str() {
        "upstream" => Filter::upstream(),
        _ => Filter::inbound(),
    };
    let filter = match chain {
        Chain::None | Chain::Tap => return Ok(None),
        Chain::Noop if arguments.position == "upstream" => {
            return Ok(Some(Filter::noop().in_upstream_chain()));
        }
        Chain::Noop => return Ok(Some(Filter::noop())),
        Chain::Full => recorder().with("body_bytes_max", UNCUT),
        Chain::Cut => recorder().with("body_bytes_max", CUT),
        Chain::Unsampled => recorder().with("sample_rate", 0.0),
    };
    let filter = arguments.set.iter().try_fold(filter, |filter, pair| {
        let (key, value) = pair.split_once('=').context("--set takes KEY=JSON")?;
        let value: Value = serde_json::from_str(value).with_context(|| format!("--set {key}"))?;
        anyhow::Ok(filter.with(key, value))
    })?;
    Ok(Some(filter))
}

fn tap_filter(prefix: impl Into<String>) -> Value {
    json!({
        "name": "envoy.filters.http.tap",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap",
            "common_config": {"static_config": {
                "match": {"any_match": true},
                "output_config": {
                    "max_buffered_rx_bytes": 8_388_608,
                    "max_buffered_tx_bytes": 8_388_608,
                    "sinks": [{
                        "format": "PROTO_BINARY",
                        "file_per_tap": {"path_prefix": prefix.into()},
                    }],
                },
            }},
        },
    })
}
