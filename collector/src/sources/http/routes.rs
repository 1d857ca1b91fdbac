//! Which request goes where.
//!
//! | route | answers |
//! | --- | --- |
//! | `POST /v1/records` | 200 when the batch is durable |
//! | `GET /healthz` | 200 while the process can answer |
//! | `GET /readyz` | 200 if a batch would be taken, as far as is known; 503 and why otherwise |
//! | `GET /metrics` | OpenMetrics |

use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;

use super::answer::{Answer, Refused, text};
use super::limits::Limits;
use super::page::Page;
use super::records::memory_permits;
use super::token::Tokens;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::sources::{Intake, NotTaken};

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What RFC 9113 (6.5.2) adds for each field to the size of a header list.
const HEADER_OVERHEAD: usize = 32;
/// When to come again to a collector that is going away: to its successor.
const DRAINING_RETRY: Duration = Duration::from_secs(1);

/// Answers requests. Cheap to clone.
#[derive(Debug)]
pub struct Service<I> {
    pub(super) intake: I,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) memory: Arc<Semaphore>,
    tokens: Option<Arc<Tokens>>,
    page: Arc<Page>,
    clock: Arc<dyn Clock>,
}

impl<I: Intake> Clone for Service<I> {
    fn clone(&self) -> Self {
        Self {
            intake: self.intake.clone(),
            limits: self.limits,
            metrics: Arc::clone(&self.metrics),
            memory: Arc::clone(&self.memory),
            tokens: self.tokens.clone(),
            page: Arc::clone(&self.page),
            clock: Arc::clone(&self.clock),
        }
    }
}

impl<I: Intake> Service<I> {
    /// Answers with what `intake` says.
    pub fn new(intake: I, limits: Limits, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let memory = Arc::new(Semaphore::new(memory_permits(limits.ingest_bytes_max)));
        Self {
            intake,
            limits,
            metrics,
            memory,
            tokens: None,
            page: Arc::default(),
            clock,
        }
    }

    /// Takes records only of those who have one of `tokens`.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Tokens>) -> Self {
        Self {
            tokens: tokens.map(Arc::new),
            ..self
        }
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Is the clock past the epoch, so that answers can tell the time?
    pub fn has_date(&self) -> bool {
        self.clock.unix_ns() > 0
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let began = self.clock.monotonic();
        let version_11 = request.version() < hyper::Version::HTTP_2;
        match self.route(request).await {
            Ok((answer, is_ack)) => {
                if is_ack {
                    self.metrics
                        .acknowledged(self.clock.monotonic().saturating_sub(began));
                }
                answer
            }
            Err(refused) => {
                self.metrics.refused(refused.code);
                tracing::debug!(
                    code = refused.code,
                    reason = refused.reason,
                    "refused a request"
                );
                // Connection is not a header of HTTP/2: there the stream ends, nothing else.
                Answer::from(Refused {
                    close: refused.close && version_11,
                    ..refused
                })
            }
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<(Answer, bool), Refused> {
        self.check_header_size(request.headers())?;
        let get = request.method() == Method::GET;
        match request.uri().path() {
            twintap_record::PATH if request.method() == Method::POST => {
                self.check_token(request.headers())?;
                let taken = self.post_records(request).await?;
                Ok((taken.into(), true))
            }
            twintap_record::PATH => Err(method("POST", &request)),
            "/healthz" if get => Ok((text(StatusCode::OK, "text/plain", "ok\n"), false)),
            "/readyz" if get => match self.intake.ready() {
                Ok(()) => Ok((text(StatusCode::OK, "text/plain", "ready\n"), false)),
                Err(refusal) => Err(Refused::not_taken(refusal)),
            },
            "/metrics" if get => {
                let now = self.clock.monotonic();
                let page = self.page.at(now, || self.metrics.render());
                Ok((text(StatusCode::OK, METRICS_TYPE, page), false))
            }
            "/healthz" | "/readyz" | "/metrics" => Err(method("GET", &request)),
            _ => {
                let records = twintap_record::PATH;
                let reason = format!("there are {records}, /healthz, /readyz and /metrics");
                Err(refuse(StatusCode::NOT_FOUND, "not_found", reason, &request))
            }
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refused> {
        match &self.tokens {
            Some(tokens) if !tokens.allow(headers) => {
                let reason = "records are taken only with `authorization: Bearer TOKEN`, TOKEN one of token_file";
                Err(Refused::unread(
                    StatusCode::UNAUTHORIZED,
                    "unauthorized",
                    reason,
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_header_size(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let size: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD)
            .sum();
        let max = self.limits.header_bytes_max;
        if usize::try_from(max).is_ok_and(|max| size <= max) {
            return Ok(());
        }
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let reason = format!("header lists of more than {max} bytes are refused");
        Err(Refused::unread(status, "headers_too_large", reason))
    }
}

/// The answer of a collector that takes nothing more.
pub fn draining() -> NotTaken {
    NotTaken {
        code: "shutting_down",
        reason: "the collector is shutting down".to_owned(),
        retry_after: Some(DRAINING_RETRY),
    }
}

fn method(allow: &'static str, request: &Request<Incoming>) -> Refused {
    let reason = format!("this path takes {allow}");
    let refused = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        reason,
        request,
    );
    Refused {
        allow: Some(allow),
        ..refused
    }
}

fn refuse(
    status: StatusCode,
    code: &'static str,
    reason: String,
    request: &Request<Incoming>,
) -> Refused {
    Refused {
        close: !request.body().is_end_stream(),
        ..Refused::client(status, code, reason)
    }
}
