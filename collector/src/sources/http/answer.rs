//! Responses: JSON with a machine-readable code, and when to come again.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use twintap_record::ACKNOWLEDGED_HEADER;

use crate::sources::{NotTaken, Taken};

/// What every route answers with.
pub type Answer = Response<Full<Bytes>>;

/// A refused request: status, `{"code": ..., "reason": ...}`, and what goes with it.
#[derive(Clone, Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// From a fixed set; also the metric's label.
    pub code: &'static str,
    /// For people.
    pub reason: String,
    /// Whether, and when, sending the same again makes sense.
    pub retry_after: Option<Duration>,
    /// The method that would do, if it was the method.
    pub allow: Option<&'static str>,
    /// Must the connection end, because a body is left unread?
    pub close: bool,
}

impl Refused {
    /// Refused for good: the same request will be refused again.
    pub fn client(status: StatusCode, code: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            status,
            code,
            reason,
            retry_after: None,
            allow: None,
            close: false,
        }
    }

    /// The same, where the body was not read.
    pub fn unread(status: StatusCode, code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            close: true,
            ..Self::client(status, code, reason)
        }
    }

    /// Refused for now, or for good because of what came before.
    pub fn not_taken(refusal: NotTaken) -> Self {
        let status = match refusal.retry_after {
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::CONFLICT,
        };
        Self {
            retry_after: refusal.retry_after,
            ..Self::client(status, refusal.code, refusal.reason)
        }
    }
}

#[derive(Serialize)]
struct RefusedBody<'a> {
    code: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct TakenBody {
    stored: u64,
    duplicates: u64,
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let body = RefusedBody {
            code: refused.code,
            reason: &refused.reason,
        };
        let mut answer = json(refused.status, &body);
        let headers = answer.headers_mut();
        if let Some(after) = refused.retry_after {
            // Whole seconds, rounded up: 0 would mean at once.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(method) = refused.allow {
            headers.insert(ALLOW, HeaderValue::from_static(method));
        }
        if refused.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if refused.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

impl From<Taken> for Answer {
    fn from(taken: Taken) -> Self {
        let body = TakenBody {
            stored: taken.stored,
            duplicates: taken.duplicates,
        };
        let mut answer = json(StatusCode::OK, &body);
        let records = HeaderValue::from(taken.stored.saturating_add(taken.duplicates));
        answer.headers_mut().insert(ACKNOWLEDGED_HEADER, records);
        answer
    }
}

/// A plain text.
pub fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    // These structs always serialize; an empty body would still carry the status.
    text(
        status,
        "application/json",
        serde_json::to_vec(body).unwrap_or_default(),
    )
}
