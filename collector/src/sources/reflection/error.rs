//! Why a server did not tell what its messages are.

use std::time::Duration;

/// Why a server did not tell. Text that came from the server is bounded and escaped.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// Nobody listens there, the name is unknown, ...
    #[error("failed to connect: {0}")]
    Connect(#[source] std::io::Error),
    /// Nobody answered at all.
    #[error("no connection within {0:?}")]
    ConnectTimedOut(Duration),
    /// It answered too slowly, or never ended.
    #[error("not finished within {0:?}")]
    TimedOut(Duration),
    /// It does not speak HTTP/2, or not without TLS.
    #[error("not HTTP/2 in plain text: {0} (a port with TLS?)")]
    Http2(#[source] h2::Error),
    /// It does not speak gRPC.
    #[error("not gRPC: HTTP status {http_status}, content-type {content_type:?}")]
    NotGrpc {
        /// `:status` of the answer.
        http_status: u16,
        /// `content-type` of the answer.
        content_type: String,
    },
    /// It knows neither version of reflection.
    #[error("the server has no reflection (neither grpc.reflection.v1 nor v1alpha)")]
    NoReflection,
    /// It lists no services but those of reflection and health checking.
    #[error("the server lists no services")]
    NoServices,
    /// The call ended with an error.
    #[error("the server ended with status {code}: {message:?}")]
    Status {
        /// `grpc-status`.
        code: i32,
        /// `grpc-message`.
        message: String,
    },
    /// It refused one question.
    #[error("the server does not tell {what:?}: status {code}, {message:?}")]
    Refused {
        /// The service or file asked for.
        what: String,
        /// Code of the error response, as of `grpc-status`.
        code: i32,
        /// Its text.
        message: String,
    },
    /// It answered another question than the one asked.
    #[error("the server answered something else than asked for {what:?}")]
    AnotherAnswer {
        /// The service or file asked for.
        what: String,
    },
    /// It answered, and the file that was asked for is not there.
    #[error("the server was asked for the file {name:?} and sent others")]
    NotSent {
        /// The file.
        name: String,
    },
    /// Two files of one name with different content.
    #[error("the server sent two different files {name:?}")]
    Contradiction {
        /// The file.
        name: String,
    },
    /// Not protobuf, compressed without being asked, ...
    #[error("not understood: {0}")]
    Malformed(&'static str),
    /// More than is taken.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much is taken.
        limit: usize,
    },
}

/// `UNIMPLEMENTED`: the server does not have the service.
const UNIMPLEMENTED: i32 = 12;

/// Characters kept of a text from the server.
const TEXT_CHARS_MAX: usize = 200;

impl ReflectionError {
    /// Does it say that the server does not have this version of reflection?
    pub(super) fn is_unimplemented(&self) -> bool {
        match self {
            Self::Status { code, .. } => *code == UNIMPLEMENTED,
            // As gRPC maps it, for servers that are more than gRPC.
            Self::NotGrpc { http_status, .. } => *http_status == 404,
            _ => false,
        }
    }
}

/// A text from the server, bounded.
pub(super) fn bounded(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
