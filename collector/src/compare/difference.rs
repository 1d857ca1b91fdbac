//! One thing that differs: where, how, and both values as bounded text.

use super::looks_like::LooksLike;
use super::relation::Relation;
use super::rules::Severity;

/// One difference between the two sides of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which part of the call.
    pub place: Place,
    /// Where in it: `items[2].price`, `labels["eu"]`, a metadata name; wire field numbers
    /// (`4.2[1]`) where there is no descriptor. Empty for the place as a whole.
    pub path: String,
    /// Index of the message in the primary's stream (in the candidate's, if only it has it).
    pub message_index: Option<u32>,
    /// What kind of difference.
    pub kind: Kind,
    /// What it looks like to a person, if something simple explains it.
    pub looks_like: Option<LooksLike>,
    /// How the two values relate.
    pub relation: Relation,
    /// The primary's value as text, at most
    /// [`VALUE_CHARS_MAX`](super::limits::VALUE_CHARS_MAX) characters.
    pub primary: Option<String>,
    /// The candidate's, likewise.
    pub candidate: Option<String>,
    /// What it counts as.
    pub severity: Severity,
    /// The rule that says it does not count; `None` if it counts.
    pub ignored_by: Option<String>,
    /// Differences of the pair that are like it but for indices, and are not kept.
    pub more_alike: u64,
}

/// The part of a call in which something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `grpc-status`, or the HTTP status where there is none.
    Status,
    /// `grpc-message`.
    StatusMessage,
    /// `grpc-status-details-bin`.
    StatusDetails,
    /// Messages of the response.
    ResponseMessage,
    /// Response headers.
    ResponseMetadata,
    /// Response trailers.
    Trailers,
    /// Messages of the request.
    RequestMessage,
    /// Request headers.
    RequestMetadata,
}

impl Place {
    /// Every part.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::StatusMessage,
        Self::StatusDetails,
        Self::ResponseMessage,
        Self::ResponseMetadata,
        Self::Trailers,
        Self::RequestMessage,
        Self::RequestMetadata,
    ];

    /// Does it hold names and values, whose paths are the names?
    pub(crate) fn is_metadata(self) -> bool {
        matches!(
            self,
            Self::ResponseMetadata | Self::Trailers | Self::RequestMetadata
        )
    }

    /// Are there paths in it at all?
    pub(super) fn has_path(self) -> bool {
        !matches!(self, Self::Status | Self::StatusMessage)
    }

    /// Stable name, as in the `differences` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::StatusMessage => "status_message",
            Self::StatusDetails => "status_details",
            Self::ResponseMessage => "response_message",
            Self::ResponseMetadata => "response_metadata",
            Self::Trailers => "trailers",
            Self::RequestMessage => "request_message",
            Self::RequestMetadata => "request_metadata",
        }
    }
}

/// What kind of difference it is.
///
/// A number, bool or enum without presence always has a value, so zero on one side is
/// [`Kind::Value`]; an empty text, bytes or list is no value, so one on one side is
/// [`Kind::Missing`] or [`Kind::Extra`]. Maps are compared entry by entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Both have a value, of the same type, and the values differ.
    Value,
    /// The values are of different types.
    Type,
    /// Only the primary has it.
    Missing,
    /// Only the candidate has it.
    Extra,
    /// One side has the default value where the other has none (fields with presence).
    DefaultVsAbsent,
    /// Another field of the oneof is set.
    OneofArm,
    /// The same elements in another order.
    ListOrder,
    /// The primary has a message more in its stream.
    MessageMissing,
    /// The candidate has a message more in its stream.
    MessageExtra,
    /// What was captured is equal byte by byte, and the whole bodies differ in length.
    BeyondCapture,
    /// The bytes of one side are not what its descriptor says, or are marked as compressed without saying how.
    Undecodable,
    /// The descriptors of the two sides give the same bytes another meaning.
    SchemaDrift,
    /// The bytes differ, and looking for where would cost more than
    /// [`WORK_MAX`](super::limits::WORK_MAX).
    TooLarge,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Value,
        Self::Type,
        Self::Missing,
        Self::Extra,
        Self::DefaultVsAbsent,
        Self::OneofArm,
        Self::ListOrder,
        Self::MessageMissing,
        Self::MessageExtra,
        Self::BeyondCapture,
        Self::Undecodable,
        Self::SchemaDrift,
        Self::TooLarge,
    ];

    /// Stable name, as in the `differences` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Type => "type",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::DefaultVsAbsent => "default_vs_absent",
            Self::OneofArm => "oneof_arm",
            Self::ListOrder => "list_order",
            Self::MessageMissing => "message_missing",
            Self::MessageExtra => "message_extra",
            Self::BeyondCapture => "beyond_capture",
            Self::Undecodable => "undecodable",
            Self::SchemaDrift => "schema_drift",
            Self::TooLarge => "too_large",
        }
    }

    /// The same kind with the sides swapped.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Missing => Self::Extra,
            Self::Extra => Self::Missing,
            Self::MessageMissing => Self::MessageExtra,
            Self::MessageExtra => Self::MessageMissing,
            same => same,
        }
    }
}
