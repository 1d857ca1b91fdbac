//! What the filter asks of its host: the one door to Envoy.
//!
//! Every call answers with a status instead of assuming success. `wasm/host.rs` implements this over
//! the proxy-wasm ABI; tests implement it with a host that refuses at will.

/// A status of the proxy-wasm ABI other than OK, or [`Refused::ODD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u32);

impl Refused {
    /// The host said OK and gave something that does not fit the ABI.
    pub const ODD: Self = Self(u32::MAX);
}

/// A header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Of the stream.
    RequestHeaders,
    /// Of the stream.
    RequestTrailers,
    /// Of the stream.
    ResponseHeaders,
    /// Of the stream.
    ResponseTrailers,
    /// Of the collector's answer to a POST.
    CallResponse,
}

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The DATA that just arrived.
    RequestBody,
    /// The DATA that just arrived.
    ResponseBody,
    /// The plugin configuration, while it is being configured.
    Configuration,
}

/// A metric of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Counter `twintap_records_total`.
    Records,
    /// Counter `twintap_dropped_total`.
    Dropped,
    /// Counter `twintap_skipped_total`.
    Skipped,
    /// Counter `twintap_batches_sent_total`.
    BatchesSent,
    /// Counter `twintap_batches_failed_total`.
    BatchesFailed,
    /// Counter `twintap_host_errors_total`.
    HostErrors,
    /// Gauge `twintap_config_invalid`: root contexts with a refused configuration.
    ConfigInvalid,
    /// Gauge `twintap_heartbeat_timestamp_seconds`: when a recorder last ticked.
    Heartbeat,
}

/// All metrics, in the order of their definition.
pub const METRICS: [(Metric, &[u8]); 8] = [
    (Metric::Records, b"twintap_records_total"),
    (Metric::Dropped, b"twintap_dropped_total"),
    (Metric::Skipped, b"twintap_skipped_total"),
    (Metric::BatchesSent, b"twintap_batches_sent_total"),
    (Metric::BatchesFailed, b"twintap_batches_failed_total"),
    (Metric::HostErrors, b"twintap_host_errors_total"),
    (Metric::ConfigInvalid, b"twintap_config_invalid"),
    (Metric::Heartbeat, b"twintap_heartbeat_timestamp_seconds"),
];

/// A POST to the collector.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Envoy cluster.
    pub cluster: &'a [u8],
    /// Header map as [`crate::headers::write_pairs`] lays it out.
    pub headers: &'a [u8],
    /// Encoded batch; the host copies it during the call.
    pub body: &'a [u8],
    /// After which the host answers 504 by itself.
    pub timeout_ms: u32,
}

/// The host.
pub trait Host {
    /// Nanoseconds since the Unix epoch; 0 if the host does not tell.
    fn now_ns(&mut self) -> u64;

    /// Writes a header map into `into`; answers its length.
    fn map(&mut self, map: Map, into: &mut [u8]) -> Result<usize, Refused>;

    /// Writes the first value of a request header into `into`; `None` if there is none.
    fn request_header(&mut self, name: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused>;

    /// Replaces all values of a request header.
    fn set_request_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused>;

    /// Writes at most `into.len()` bytes of a buffer from `start` on; answers how many.
    fn buffer(&mut self, buffer: Buffer, start: usize, into: &mut [u8]) -> Result<usize, Refused>;

    /// Writes a property into `into`; `None` if the host has no such value. `path` is its elements
    /// joined by NUL.
    fn property(&mut self, path: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused>;

    /// Sends a POST on behalf of root context `root`, also from a stream's callback; `back_to` is
    /// the context of that callback. Answers the token under which the response will come.
    fn post(&mut self, root: u32, back_to: u32, post: Post<'_>) -> Result<u32, Refused>;

    /// Asks for ticks of the root context being configured.
    fn set_tick_ms(&mut self, period_ms: u32) -> Result<(), Refused>;

    /// Random bytes.
    fn random(&mut self, into: &mut [u8; 32]) -> Result<(), Refused>;

    /// Defines the metrics; further calls are free.
    fn define_metrics(&mut self) -> Result<(), Refused>;

    /// Adds to a counter (never 0) or a gauge.
    fn add(&mut self, metric: Metric, amount: i64) -> Result<(), Refused>;

    /// Sets a gauge.
    fn set(&mut self, metric: Metric, value: u64) -> Result<(), Refused>;

    /// Says that root context `root`, whose end was put off, is done.
    fn done(&mut self, root: u32) -> Result<(), Refused>;

    /// Writes a warning to Envoy's log.
    fn warn(&mut self, line: &[u8]);
}
