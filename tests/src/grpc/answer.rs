//! What a server does with one call: a script of HTTP/2 steps.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::framed;

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// Response headers; `end` makes them the whole answer.
    Headers {
        /// `:status`.
        status: StatusCode,
        /// Everything else.
        headers: HeaderMap,
        /// END_STREAM.
        end: bool,
    },
    /// An interim answer: `:status` 100 to 199, before the headers.
    Interim(StatusCode),
    /// DATA as it is.
    Data(Bytes),
    /// Reads the request to its end.
    ReadAll,
    /// Reads the request until this many bytes have come.
    ReadBytes(usize),
    /// Sends back what `ReadAll` and `ReadBytes` have read.
    EchoRead,
    /// Sends back every chunk as it comes, to the request's end.
    EchoLive,
    /// Trailers.
    Trailers(HeaderMap),
    /// Waits.
    Sleep(Duration),
    /// RST_STREAM.
    Reset(Reason),
    /// Holds the stream open until the peer ends it.
    Hang,
}

/// What a server does with one call.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) steps: Vec<Step>,
}

impl Answer {
    /// Exactly these steps.
    pub fn script(steps: impl Into<Vec<Step>>) -> Self {
        Self {
            steps: steps.into(),
        }
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The request's body, status 0.
    pub fn echo() -> Self {
        Self::script([Step::ReadAll, headers(), Step::EchoRead, trailers(0)])
    }

    /// The request's chunks as they come, status 0.
    pub fn echo_live() -> Self {
        Self::script([headers(), Step::EchoLive, trailers(0)])
    }

    /// These messages after the whole request, status 0.
    pub fn messages(messages: impl IntoIterator<Item = Bytes>) -> Self {
        let mut steps = vec![Step::ReadAll, headers()];
        steps.extend(
            messages
                .into_iter()
                .map(|message| Step::Data(framed(&message))),
        );
        steps.push(trailers(0));
        Self::script(steps)
    }

    /// One header block that ends the stream.
    pub fn trailers_only(status: u16, message: &str) -> Self {
        let mut fields = content_type();
        fields.insert("grpc-status", status.into());
        fields.insert(
            "grpc-message",
            HeaderValue::from_str(message).expect("percent-encoded"),
        );
        Self::script([
            Step::ReadAll,
            Step::Headers {
                status: StatusCode::OK,
                headers: fields,
                end: true,
            },
        ])
    }

    /// Adds a field to the response headers.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for step in &mut self.steps {
            if let Step::Headers { headers, .. } = step {
                append(headers, name, value.as_ref());
            }
        }
        self
    }

    /// Adds a field to the trailers.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for step in &mut self.steps {
            if let Step::Trailers(trailers) = step {
                append(trailers, name, value.as_ref());
            }
        }
        self
    }

    /// Changes the status in the trailers.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        for step in &mut self.steps {
            if let Step::Trailers(trailers) = step {
                trailers.insert("grpc-status", status.into());
            }
        }
        self
    }

    /// Waits before everything else.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.steps.insert(0, Step::Sleep(delay));
        self
    }
}

/// Adds one field, whatever its bytes.
pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
    headers.append(
        name,
        HeaderValue::from_bytes(value).expect("a header value"),
    );
}

pub(super) fn content_type() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers
}

fn headers() -> Step {
    Step::Headers {
        status: StatusCode::OK,
        headers: content_type(),
        end: false,
    }
}

fn trailers(status: u16) -> Step {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    Step::Trailers(trailers)
}
