//! Rows to calls: the inverse of [`super::columns`]. Bytes are slices of the batch's buffers.
//!
//! A column that was not read leaves its fields empty; so does NULL.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::constants::Constants;
use super::typed::{Bools, ColumnArray, Fixed16, Integers, Lists, Slices};
use crate::call::{
    Call, CallId, Certainty, Direction, End, Header, Message, Position, Role, Status, Timing,
    Workload,
};

/// Makes calls of batches. Remembers the last workload, which most rows share.
#[derive(Debug, Default)]
pub(super) struct FromRows {
    workload: Arc<Workload>,
}

impl FromRows {
    /// The calls of `batch`, in its order; `constants` are columns that were not read.
    pub(super) fn calls(
        &mut self,
        batch: &RecordBatch,
        constants: &Constants,
    ) -> Result<Vec<Box<Call>>, ArrowError> {
        let columns = Columns::new(&Found { batch, constants })?;
        let one_workload = columns.workload.is_constant();
        let calls = (0..batch.num_rows()).map(|row| {
            // Where all rows have one, the first says it.
            if row == 0 || !one_workload {
                self.look_at_workload(&columns.workload, row);
            }
            Box::new(self.call(&columns, row))
        });
        Ok(calls.collect())
    }

    fn call(&self, columns: &Columns, row: usize) -> Call {
        Call {
            id: CallId {
                producer_id: columns.producer_id.at(row).unwrap_or_default(),
                record_number: columns.record_number.unsigned(row).unwrap_or_default(),
            },
            role: role(columns.role.bytes(row)),
            position: position(columns.position.bytes(row)),
            workload: Arc::clone(&self.workload),
            rpc_method: columns.rpc_method.text(row).to_owned(),
            authority: columns.authority.at(row),
            started_unix_ns: columns.started_unix_ns(row),
            timing: Timing {
                request_end_ns: columns.request_end_ns.unsigned(row),
                response_headers_ns: columns.response_headers_ns.unsigned(row),
                response_end_ns: columns.response_end_ns.unsigned(row),
                duration_ns: columns.duration_ns.unsigned(row),
            },
            pair_id: columns.pair_id.at(row),
            request_id: columns.request_id.at(row),
            trace_id: columns.trace_id.at(row),
            attempt: columns.attempt.narrow(row),
            request_metadata: columns.request_metadata.at(row),
            response_metadata: columns.response_metadata.at(row),
            trailers: columns.response_trailers.at(row),
            trailers_only: columns.trailers_only.at(row),
            request: columns.request.at(row),
            response: columns.response.at(row),
            status: columns.status_code.narrow(row).map(Status),
            status_message: columns.status_message.at(row),
            status_details: columns.status_details.at(row),
            http_status: columns.http_status.narrow(row),
            cluster_name: columns.cluster_name.at(row),
            route_name: columns.route_name.at(row),
            server_address: columns.server_address.at(row),
            client_address: columns.client_address.at(row),
            peer_identity: columns.peer_identity.at(row),
            response_flags: columns.response_flags.bits(row).unwrap_or_default(),
            response_code_details: columns.response_code_details.at(row),
            end: end(columns.end.bytes(row)),
            sampled_ppm: columns.sampled_ppm.narrow(row).unwrap_or_default(),
            incomplete: columns.incomplete.at(row),
            method_certainty: certainty(columns.rpc_method_certainty.bytes(row)),
            status_certainty: certainty(columns.status_certainty.bytes(row)),
            gap: columns.gap.at(row),
            stream_id: columns.stream_id.narrow(row),
        }
    }

    fn look_at_workload(&mut self, columns: &WorkloadColumns, row: usize) {
        if !columns.is_at(row, &self.workload) {
            self.workload = Arc::new(columns.at(row));
        }
    }
}

/// Where columns are looked up.
struct Found<'a> {
    batch: &'a RecordBatch,
    constants: &'a Constants,
}

impl<'a> Found<'a> {
    fn column(&self, name: &str) -> Option<ColumnArray<'a>> {
        let read = self.batch.column_by_name(name).map(ColumnArray::from);
        read.or_else(|| self.constants.value(name).map(ColumnArray::constant))
    }
}

/// Declares a struct of typed columns that are looked up by their names.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name { $($column: $type,)* }

        impl $name {
            fn find(found: &Found<'_>) -> Result<Self, ArrowError> {
                Ok(Self { $($column: $type::of(found.column(stringify!($column)))?,)* })
            }
        }
    };
}

columns! {
    /// What is found by its name alone.
    PlainColumns {
        producer_id: Fixed16,
        record_number: Integers,
        role: Slices,
        position: Slices,
        rpc_method: Slices,
        authority: Slices,
        started_at: Integers,
        started_ns_rest: Integers,
        duration_ns: Integers,
        request_end_ns: Integers,
        response_headers_ns: Integers,
        response_end_ns: Integers,
        pair_id: Slices,
        request_id: Slices,
        trace_id: Fixed16,
        attempt: Integers,
        request_metadata: MetadataColumn,
        response_metadata: MetadataColumn,
        response_trailers: MetadataColumn,
        trailers_only: Bools,
        status_code: Integers,
        status_message: Slices,
        status_details: Slices,
        http_status: Integers,
        cluster_name: Slices,
        route_name: Slices,
        server_address: Slices,
        client_address: Slices,
        peer_identity: Slices,
        response_flags: Integers,
        response_code_details: Slices,
        end: Slices,
        sampled_ppm: Integers,
        incomplete: Bools,
        rpc_method_certainty: Slices,
        status_certainty: Slices,
        gap: Bools,
        stream_id: Integers,
    }
}

columns! {
    WorkloadColumns {
        service: Slices,
        pod_name: Slices,
        pod_namespace: Slices,
        workload_name: Slices,
        node_id: Slices,
        app_version: Slices,
        recorder_version: Slices,
    }
}

impl WorkloadColumns {
    fn at(&self, row: usize) -> Workload {
        Workload {
            service: self.service.text(row).to_owned(),
            pod_name: self.pod_name.text(row).to_owned(),
            pod_namespace: self.pod_namespace.text(row).to_owned(),
            workload_name: self.workload_name.text(row).to_owned(),
            node_id: self.node_id.text(row).to_owned(),
            app_version: self.app_version.text(row).to_owned(),
            recorder_version: self.recorder_version.text(row).to_owned(),
        }
    }

    fn is_constant(&self) -> bool {
        let Self {
            service,
            pod_name,
            pod_namespace,
            workload_name,
            node_id,
            app_version,
            recorder_version,
        } = self;
        let columns = [
            service,
            pod_name,
            pod_namespace,
            workload_name,
            node_id,
            app_version,
            recorder_version,
        ];
        columns.into_iter().all(Slices::is_constant)
    }

    fn is_at(&self, row: usize, workload: &Workload) -> bool {
        let is = |column: &Slices, text: &String| column.bytes(row) == text.as_bytes();
        is(&self.pod_name, &workload.pod_name)
            && is(&self.node_id, &workload.node_id)
            && is(&self.service, &workload.service)
            && is(&self.pod_namespace, &workload.pod_namespace)
            && is(&self.workload_name, &workload.workload_name)
            && is(&self.app_version, &workload.app_version)
            && is(&self.recorder_version, &workload.recorder_version)
    }
}

/// All columns of a batch.
struct Columns {
    plain: PlainColumns,
    workload: WorkloadColumns,
    request: DirectionColumns,
    response: DirectionColumns,
}

impl std::ops::Deref for Columns {
    type Target = PlainColumns;

    fn deref(&self) -> &PlainColumns {
        &self.plain
    }
}

impl Columns {
    fn new(found: &Found<'_>) -> Result<Self, ArrowError> {
        Ok(Self {
            plain: PlainColumns::find(found)?,
            workload: WorkloadColumns::find(found)?,
            request: DirectionColumns::find(found, "request")?,
            response: DirectionColumns::find(found, "response")?,
        })
    }

    fn started_unix_ns(&self, row: usize) -> u64 {
        let us = self.started_at.unsigned(row).unwrap_or_default();
        us.saturating_mul(1000)
            .saturating_add(self.started_ns_rest.unsigned(row).unwrap_or_default())
    }
}

/// The columns that exist once for each direction.
struct DirectionColumns {
    messages: Lists,
    offset_ns: Integers,
    compressed: Bools,
    declared_bytes: Integers,
    bytes: Slices,
    messages_count: Integers,
    body_bytes: Integers,
    body_digest: Integers,
    truncated: Bools,
    end_stream: Bools,
    encoding: Slices,
}

impl DirectionColumns {
    fn find(found: &Found<'_>, direction: &str) -> Result<Self, ArrowError> {
        let column = |name: &str| found.column(&format!("{direction}_{name}"));
        let messages = Lists::of(column("messages"))?;
        let field = |name: &str| messages.field(name);
        Ok(Self {
            offset_ns: Integers::of(field("offset_ns"))?,
            compressed: Bools::of(field("compressed"))?,
            declared_bytes: Integers::of(field("declared_bytes"))?,
            bytes: Slices::of(field("bytes"))?,
            messages_count: Integers::of(column("messages_count"))?,
            body_bytes: Integers::of(column("body_bytes"))?,
            body_digest: Integers::of(column("body_digest"))?,
            truncated: Bools::of(column("truncated"))?,
            end_stream: Bools::of(column("end_stream"))?,
            encoding: Slices::of(column("encoding"))?,
            messages,
        })
    }

    fn at(&self, row: usize) -> Direction {
        let messages = self.messages.range(row).map(|index| Message {
            offset_ns: self.offset_ns.unsigned(index),
            compressed: self.compressed.at(index),
            declared_bytes: self.declared_bytes.narrow(index).unwrap_or_default(),
            bytes: self.bytes.at(index),
        });
        Direction {
            messages: messages.collect(),
            messages_count: self.messages_count.unsigned(row),
            body_bytes: self.body_bytes.unsigned(row).unwrap_or_default(),
            body_digest: self.body_digest.bits(row),
            truncated: self.truncated.at(row),
            end_stream: self.end_stream.at(row),
            encoding: self.encoding.at(row),
        }
    }
}

/// A block of headers per row.
#[derive(Debug)]
struct MetadataColumn {
    blocks: Lists,
    name: Slices,
    value: Slices,
    redacted: Bools,
}

impl MetadataColumn {
    fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        let blocks = Lists::of(column)?;
        let field = |name: &str| blocks.field(name);
        Ok(Self {
            name: Slices::of(field("name"))?,
            value: Slices::of(field("value"))?,
            redacted: Bools::of(field("redacted"))?,
            blocks,
        })
    }

    fn at(&self, row: usize) -> Vec<Header> {
        let headers = self.blocks.range(row).map(|index| Header {
            name: self.name.at(index),
            value: self.value.at(index),
            redacted: self.redacted.at(index),
        });
        headers.collect()
    }
}

fn role(name: &[u8]) -> Role {
    match name {
        b"primary" => Role::Primary,
        b"candidate" => Role::Candidate,
        b"secondary" => Role::Secondary,
        _ => Role::Unknown,
    }
}

fn position(name: &[u8]) -> Position {
    match name {
        b"inbound" => Position::Inbound,
        b"upstream" => Position::Upstream,
        b"outbound" => Position::Outbound,
        b"wire" => Position::Wire,
        _ => Position::Unknown,
    }
}

/// Files from before the column was added hold only what was seen.
fn certainty(name: &[u8]) -> Certainty {
    match name {
        b"inferred" => Certainty::Inferred,
        b"ambiguous" => Certainty::Ambiguous,
        b"unknown" => Certainty::Unknown,
        _ => Certainty::Seen,
    }
}

fn end(name: &[u8]) -> End {
    match name {
        b"complete" => End::Complete,
        b"response_first" => End::ResponseFirst,
        b"aborted" => End::Aborted,
        _ => End::Unknown,
    }
}
