//! What the collector counts about itself, in the OpenMetrics text format at `/metrics`.
//!
//! Counters end in `_total`, units are base units, label values come from fixed sets in the code:
//! nothing a client sends can make a new series.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Count = Gauge<u64, AtomicU64>;

/// What filters count, as the accounting sums it up. Calls, but for the first.
#[derive(Debug)]
pub struct FilterFigures<'a> {
    /// Filters that are remembered.
    pub producers_count: usize,
    /// Reached a filter.
    pub observed: u64,
    /// Got a record number.
    pub recorded: u64,
    /// Refused for good by the collector.
    pub refused: u64,
    /// Numbered before this directory heard of their filter.
    pub recorded_before: u64,
    /// Have not arrived for longer than `undelivered_grace`.
    pub undelivered: u64,
    /// Have not arrived yet.
    pub pending: u64,
    /// Lost in a filter, by reason.
    pub dropped: &'a BTreeMap<String, u64>,
    /// Never meant to be recorded, by reason.
    pub skipped: &'a BTreeMap<String, u64>,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// What became of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Reason by the name the contract has for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FilterReasonLabel {
    reason: String,
}

/// Counts a connection while it lives.
struct OpenConnection(Count);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// All metrics. Shared; every method may be called from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    records: Family<OutcomeLabel, Counter>,
    batches: Counter,
    refused: Family<ReasonLabel, Counter>,
    body_bytes: Counter,
    connections: Count,
    connections_refused: Family<ReasonLabel, Counter>,
    ack_seconds: Histogram,
    sync_seconds: Histogram,
    queue_batches: Gauge,
    queue_bytes: Gauge,
    journal_bytes: Count,
    journal_segments: Count,
    journal_write_errors: Counter,
    torn_bytes: Counter,
    damaged: Counter,
    unpublished: Count,
    disk_free_bytes: Count,
    parts: Counter,
    part_bytes: Counter,
    refiled: Counter,
    publish_errors: Counter,
    forgotten: Counter,
    producers: Count,
    filter_observed: Count,
    filter_recorded: Count,
    filter_refused: Count,
    recorded_before: Count,
    undelivered: Count,
    pending: Count,
    filter_dropped: Family<FilterReasonLabel, Count>,
    filter_skipped: Family<FilterReasonLabel, Count>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("twintap");
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 15));
        let metrics = Self {
            records: Family::default(),
            batches: Counter::default(),
            refused: Family::default(),
            body_bytes: Counter::default(),
            connections: Count::default(),
            connections_refused: Family::default(),
            ack_seconds: seconds(),
            sync_seconds: seconds(),
            queue_batches: Gauge::default(),
            queue_bytes: Gauge::default(),
            journal_bytes: Count::default(),
            journal_segments: Count::default(),
            journal_write_errors: Counter::default(),
            torn_bytes: Counter::default(),
            damaged: Counter::default(),
            unpublished: Count::default(),
            disk_free_bytes: Count::default(),
            parts: Counter::default(),
            part_bytes: Counter::default(),
            refiled: Counter::default(),
            publish_errors: Counter::default(),
            forgotten: Counter::default(),
            producers: Count::default(),
            filter_observed: Count::default(),
            filter_recorded: Count::default(),
            filter_refused: Count::default(),
            recorded_before: Count::default(),
            undelivered: Count::default(),
            pending: Count::default(),
            filter_dropped: Family::default(),
            filter_skipped: Family::default(),
            registry: Registry::default(),
        };
        metrics.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    fn register(&self, r: &mut Registry) {
        let m = self;
        r.register(
            "records",
            "Records by outcome since start",
            m.records.clone(),
        );
        r.register(
            "batches",
            "Batches that became durable since start",
            m.batches.clone(),
        );
        r.register(
            "requests_refused",
            "POSTs refused, by reason",
            m.refused.clone(),
        );
        let bytes = || Unit::Bytes;
        r.register_with_unit(
            "body",
            "Bytes of bodies read",
            bytes(),
            m.body_bytes.clone(),
        );
        r.register("connections", "Open connections", m.connections.clone());
        r.register(
            "connections_refused",
            "Connections closed by us, by reason",
            m.connections_refused.clone(),
        );
        r.register_with_unit(
            "ack",
            "From the request's headers to its durable ack",
            Unit::Seconds,
            m.ack_seconds.clone(),
        );
        r.register_with_unit(
            "journal_sync",
            "One sync of the journal",
            Unit::Seconds,
            m.sync_seconds.clone(),
        );
        r.register(
            "queue_batches",
            "Batches waiting for the journal",
            m.queue_batches.clone(),
        );
        r.register_with_unit(
            "queue",
            "Bytes waiting for the journal",
            bytes(),
            m.queue_bytes.clone(),
        );
        r.register_with_unit(
            "journal",
            "Size of the journal",
            bytes(),
            m.journal_bytes.clone(),
        );
        r.register(
            "journal_segments",
            "Sealed segments not yet in Parquet",
            m.journal_segments.clone(),
        );
        r.register(
            "journal_write_errors",
            "Writes that failed",
            m.journal_write_errors.clone(),
        );
        r.register_with_unit(
            "journal_torn",
            "Bytes cut at start",
            bytes(),
            m.torn_bytes.clone(),
        );
        r.register(
            "journal_damaged",
            "Damaged stretches found in segments",
            m.damaged.clone(),
        );
        r.register(
            "records_unpublished",
            "Durable records not yet in Parquet",
            m.unpublished.clone(),
        );
        r.register_with_unit(
            "disk_free",
            "Free for the data directory",
            bytes(),
            m.disk_free_bytes.clone(),
        );
        r.register(
            "records_refiled",
            "Records whose start is not believed, filed by the time of receipt",
            m.refiled.clone(),
        );
        r.register("parquet_files", "Files written", m.parts.clone());
        r.register_with_unit(
            "parquet",
            "Bytes of files written",
            bytes(),
            m.part_bytes.clone(),
        );
        r.register(
            "publish_errors",
            "Failed attempts to publish a segment",
            m.publish_errors.clone(),
        );
        r.register(
            "producers_forgotten",
            "Producers forgotten since start",
            m.forgotten.clone(),
        );
        r.register("producers", "Producers remembered", m.producers.clone());
        r.register(
            "filter_observed",
            "Calls observed by all filters",
            m.filter_observed.clone(),
        );
        r.register(
            "filter_recorded",
            "Calls numbered by all filters",
            m.filter_recorded.clone(),
        );
        r.register(
            "filter_refused",
            "Records given up by filters",
            m.filter_refused.clone(),
        );
        r.register(
            "filter_dropped",
            "Calls lost in filters, by reason",
            m.filter_dropped.clone(),
        );
        r.register(
            "filter_skipped",
            "Calls skipped by filters, by reason",
            m.filter_skipped.clone(),
        );
        r.register(
            "recorded_before",
            "Records made before this directory first heard of their recorder",
            m.recorded_before.clone(),
        );
        r.register(
            "undelivered",
            "Records that have not arrived for longer than the grace period",
            m.undelivered.clone(),
        );
        r.register(
            "pending",
            "Records that have not arrived yet",
            m.pending.clone(),
        );
    }

    /// The exposition.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        encode(&mut text, &self.registry).ok();
        text
    }

    /// A batch is durable.
    pub fn batch_received(&self, stored: u64, duplicates: u64) {
        self.batches.inc();
        self.record_outcome("stored", stored);
        self.record_outcome("duplicate", duplicates);
    }

    /// A request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A body was read.
    pub fn body_read(&self, bytes: usize) {
        self.body_bytes.inc_by(bytes as u64);
    }

    /// A batch was acknowledged this long after its request began.
    pub fn acknowledged(&self, after: Duration) {
        self.ack_seconds.observe(after.as_secs_f64());
    }

    /// A connection was opened; it is closed when the answer is dropped.
    #[must_use]
    pub fn connection_opened(&self) -> impl Drop + use<> {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// A connection was closed by us.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// A batch waits for the journal.
    pub fn queue_entered(&self, bytes: usize) {
        self.queue_batches.inc();
        self.queue_bytes
            .inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A batch no longer waits.
    pub fn queue_left(&self, bytes: usize) {
        self.queue_batches.dec();
        self.queue_bytes
            .dec_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// One sync took this long.
    pub fn synced(&self, took: Duration) {
        self.sync_seconds.observe(took.as_secs_f64());
    }

    /// A write to the journal failed.
    pub fn journal_write_error(&self) {
        self.journal_write_errors.inc();
    }

    /// The end of the journal was cut at start.
    pub fn torn_tail(&self, bytes: u64) {
        self.torn_bytes.inc_by(bytes);
    }

    /// Acknowledged records are gone from segments, or with them.
    pub fn journal_damaged(&self, stretches: u64) {
        self.damaged.inc_by(stretches);
    }

    /// Size of the journal, segments to publish, records to publish.
    pub fn set_journal(&self, bytes: u64, segments: usize, unpublished: u64) {
        self.journal_bytes.set(bytes);
        self.journal_segments.set(segments as u64);
        self.unpublished.set(unpublished);
    }

    /// Room on the disk.
    pub fn set_disk_free(&self, bytes: u64) {
        self.disk_free_bytes.set(bytes);
    }

    /// Silent producers were forgotten.
    pub fn producers_forgotten(&self, count: usize) {
        self.forgotten.inc_by(count as u64);
    }

    /// So many files of so many bytes were written, with rows that are not under the hour of their start.
    pub fn parts_published(&self, files: usize, bytes: u64, refiled_rows: u64) {
        self.parts.inc_by(files as u64);
        self.part_bytes.inc_by(bytes);
        self.refiled.inc_by(refiled_rows);
    }

    /// A segment is in Parquet.
    pub fn segment_published(&self, records: u64, quarantined: u64, damaged: u64) {
        self.record_outcome("published", records);
        self.record_outcome("quarantined", quarantined);
        self.damaged.inc_by(damaged);
    }

    /// An attempt to publish failed.
    pub fn publish_failed(&self) {
        self.publish_errors.inc();
    }

    /// What filters count, summed up.
    pub fn set_filter_figures(&self, figures: &FilterFigures<'_>) {
        self.producers.set(figures.producers_count as u64);
        self.filter_observed.set(figures.observed);
        self.filter_recorded.set(figures.recorded);
        self.filter_refused.set(figures.refused);
        self.recorded_before.set(figures.recorded_before);
        self.undelivered.set(figures.undelivered);
        self.pending.set(figures.pending);
        for (family, counts) in [
            (&self.filter_dropped, figures.dropped),
            (&self.filter_skipped, figures.skipped),
        ] {
            for (reason, count) in counts {
                family
                    .get_or_create(&FilterReasonLabel {
                        reason: reason.clone(),
                    })
                    .set(*count);
            }
        }
    }

    fn record_outcome(&self, outcome: &'static str, count: u64) {
        self.records
            .get_or_create(&OutcomeLabel { outcome })
            .inc_by(count);
    }
}
