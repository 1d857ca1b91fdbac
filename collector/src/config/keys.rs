//! Every configuration key: name, default, meaning. `twintap check-config` prints this table.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file. The environment variable is `TWINTAP_` and the name in capitals.
    pub name: &'static str,
    /// As it would be written.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        meaning,
    }
}

/// All keys of `twintap serve`.
pub const KEYS: &[Key] = &[
    key(
        "listen",
        "127.0.0.1:9090",
        "address and port of the HTTP endpoint; beyond loopback only with a token, client certificates, or allow_unauthenticated",
    ),
    key(
        "tls_certificate_file",
        "",
        "PEM file of the certificate and those above it; read again when it changes",
    ),
    key(
        "tls_private_key_file",
        "",
        "PEM file of the certificate's private key",
    ),
    key(
        "tls_client_ca_file",
        "",
        "PEM file; if given, clients must have a certificate that one of these signed",
    ),
    key(
        "token_file",
        "",
        "file of bearer tokens, one a line; if given, POST /v1/records needs one of them; read at the start",
    ),
    key(
        "allow_unauthenticated",
        "false",
        "listen beyond loopback with neither token nor client certificates: for where a mesh lets only filters in",
    ),
    key(
        "data_dir",
        "./twintap-data",
        "where records, dataset and accounting are kept",
    ),
    key(
        "publish_interval",
        "30s",
        "a record is in Parquet after about this long",
    ),
    key(
        "segment_bytes_max",
        "64MiB",
        "journal segment, and so about the input of one Parquet file",
    ),
    key(
        "segment_records_max",
        "131072",
        "records in a journal segment",
    ),
    key(
        "journal_bytes_max",
        "2GiB",
        "records waiting for Parquet, at least twice segment_bytes_max; beyond it batches are refused",
    ),
    key(
        "disk_free_bytes_min",
        "1GiB",
        "with less free on the disk, batches are refused",
    ),
    key("body_bytes_max", "4MiB", "one batch"),
    key("batch_records_max", "16384", "records in one batch"),
    key(
        "ingest_bytes_max",
        "64MiB",
        "batches being read or waiting for the disk, in all",
    ),
    key(
        "memory_bytes_max",
        "0",
        "memory to stay within: with little, connections_max, ingest_bytes_max and segment_bytes_max are lowered; 0: three quarters of the control group's limit",
    ),
    key("queue_batches_max", "1024", "batches waiting for the disk"),
    key("connections_max", "1024", "open connections"),
    key(
        "streams_max",
        "100",
        "concurrent requests on one HTTP/2 connection",
    ),
    key("header_bytes_max", "32KiB", "header list of a request"),
    key(
        "header_timeout",
        "10s",
        "from connecting to the first request",
    ),
    key(
        "body_timeout",
        "30s",
        "from a request's headers to the end of its body",
    ),
    key("idle_timeout", "5m", "connection without requests"),
    key(
        "drain_timeout",
        "10s",
        "for a graceful end; what is not in Parquet by then stays durable",
    ),
    key(
        "producers_max",
        "10000",
        "filter instances remembered, to store each record once",
    ),
    key(
        "producer_expiry",
        "24h",
        "a filter instance silent for this long, while serve runs, is forgotten",
    ),
    key(
        "undelivered_grace",
        "10s",
        "a record that has not come after this long is undelivered",
    ),
    key(
        "log_level",
        "info",
        "error, warn, info, debug, trace, or a tracing filter",
    ),
    key("log_format", "text", "text or json"),
];
