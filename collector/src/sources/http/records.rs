//! The POST: is it a batch, may it be read, can it be kept?
//!
//! In this order, so that what is refused costs as little as can be: headers, memory, body,
//! envelope, journal. Nothing is kept of a batch that is refused. 200 with
//! [`ACKNOWLEDGED_HEADER`](twintap_record::ACKNOWLEDGED_HEADER) is an acknowledgement; 401, 403, 408, 429, 5xx: send it
//! again later. Any other 4xx: the same batch will be refused again (the filter counts it as refused).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use twintap_record::CONTENT_TYPE as BATCH_TYPE;

use super::answer::Refused;
use super::routes::Service;
use crate::sources::{Intake, NotTaken, Taken};
use twintap_decode::envelope::{self, EnvelopeError};

/// Other names under which clients send protobuf.
const ALIASES: [&str; 2] = ["application/protobuf", "application/vnd.google.protobuf"];
/// Unit of the memory budget: a body takes at least this much of it.
const MEMORY_UNIT: usize = 1024;
/// When to come again if the memory budget is used up.
const MEMORY_RETRY: Duration = Duration::from_secs(1);

/// Permits for a memory budget of `bytes`.
pub fn memory_permits(bytes: usize) -> usize {
    bytes.div_ceil(MEMORY_UNIT).max(1)
}

impl<I: Intake> Service<I> {
    /// Answers `POST /v1/records`.
    pub(super) async fn post_records(&self, request: Request<Incoming>) -> Result<Taken, Refused> {
        check_content(request.headers())?;
        let declared = self.declared_length(request.headers())?;
        self.intake
            .check()
            .map_err(Refused::not_taken)
            .map_err(unread)?;
        let memory = self.memory(declared).map_err(unread)?;
        let read = self.read(request.into_body(), declared);
        let body = tokio::time::timeout(self.limits.body_timeout, read)
            .await
            .map_err(|_| {
                let reason = format!("the body took longer than {:?}", self.limits.body_timeout);
                Refused::unread(StatusCode::REQUEST_TIMEOUT, "body_timeout", reason)
            })??;
        self.metrics.body_read(body.len());
        let envelope = envelope::parse(&body, self.limits.batch_records_max).map_err(bad_batch)?;
        self.intake
            .take(envelope, body, memory)
            .await
            .map_err(Refused::not_taken)
    }

    fn declared_length(&self, headers: &HeaderMap) -> Result<Option<usize>, Refused> {
        // The HTTP layer has checked its syntax; one too large for usize is too large anyway.
        let Some(value) = headers.get(CONTENT_LENGTH) else {
            return Ok(None);
        };
        let length = value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(usize::MAX);
        if length > self.limits.body_bytes_max {
            Err(self.too_large())
        } else {
            Ok(Some(length))
        }
    }

    fn too_large(&self) -> Refused {
        let reason = format!(
            "bodies of more than {} bytes are refused",
            self.limits.body_bytes_max
        );
        Refused::unread(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", reason)
    }

    /// Sets memory aside: the declared length, or the most a body may have.
    fn memory(&self, declared: Option<usize>) -> Result<OwnedSemaphorePermit, Refused> {
        let permits = memory_permits(declared.unwrap_or(self.limits.body_bytes_max));
        u32::try_from(permits)
            .ok()
            .and_then(|permits| self.memory.clone().try_acquire_many_owned(permits).ok())
            .ok_or_else(|| {
                Refused::not_taken(NotTaken {
                    code: "overloaded",
                    reason: "too many bytes of batches are on their way to the disk".to_owned(),
                    retry_after: Some(MEMORY_RETRY),
                })
            })
    }

    async fn read(&self, mut body: Incoming, declared: Option<usize>) -> Result<Bytes, Refused> {
        let mut whole = BytesMut::with_capacity(declared.unwrap_or_default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let reason = "the body ended before its end";
                Refused::unread(StatusCode::BAD_REQUEST, "body_incomplete", reason)
            })?;
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            if whole.is_empty() && body.is_end_stream() {
                whole = BytesMut::from(chunk);
            } else {
                whole.extend_from_slice(&chunk);
            }
            if whole.len() > self.limits.body_bytes_max {
                return Err(self.too_large());
            }
        }
        Ok(whole.freeze())
    }
}

fn unread(refused: Refused) -> Refused {
    Refused {
        close: true,
        ..refused
    }
}

fn check_content(headers: &HeaderMap) -> Result<(), Refused> {
    let unsupported = |code, reason: String| {
        Err(Refused::unread(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code,
            reason,
        ))
    };
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let known = [BATCH_TYPE]
        .iter()
        .chain(&ALIASES)
        .any(|name| essence.eq_ignore_ascii_case(name));
    if !known {
        return unsupported("content_type", format!("content-type must be {BATCH_TYPE}"));
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported(
            "content_encoding",
            "bodies are sent without encoding".to_owned(),
        );
    }
    Ok(())
}

fn bad_batch(error: EnvelopeError) -> Refused {
    let status = match error {
        EnvelopeError::Version(_) => StatusCode::UNPROCESSABLE_ENTITY,
        EnvelopeError::TooManyRecords(_) => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Refused::client(status, error.code(), error.to_string())
}
