//! A gRPC client that sends exactly what its [`Call`]s say and reports exactly what came back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::answer::append;
use super::{CONNECTION_WINDOW, HEADER_LIST_MAX, STREAM_WINDOW, framed, messages, send_data};

/// One step of sending.
#[derive(Clone, Debug)]
pub enum Send {
    /// DATA as it is.
    Data(Bytes),
    /// END_STREAM.
    End,
    /// Trailers, which no gRPC client sends.
    Trailers(HeaderMap),
    /// Waits.
    Sleep(Duration),
    /// RST_STREAM with CANCEL: what a gRPC client does on cancellation and at its deadline.
    Cancel,
}

/// One call to make.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    steps: Vec<Send>,
}

impl Call {
    /// One message to `package.Service/Method`.
    pub fn unary(rpc_method: &str, message: impl AsRef<[u8]>) -> Self {
        Self::streaming(rpc_method, [message])
    }

    /// Messages to `package.Service/Method`.
    pub fn streaming(
        rpc_method: &str,
        messages: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Self {
        let data = messages
            .into_iter()
            .map(|message| Send::Data(framed(message.as_ref())));
        let mut steps: Vec<Send> = data.collect();
        steps.push(Send::End);
        Self::script(rpc_method, steps)
    }

    /// Exactly these steps after the request headers of a gRPC call.
    pub fn script(rpc_method: &str, steps: impl Into<Vec<Send>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        let path = format!("/{rpc_method}");
        Self {
            method: Method::POST,
            path,
            headers,
            steps: steps.into(),
        }
    }

    /// Any HTTP request.
    pub fn http(method: Method, path: &str, body: Bytes) -> Self {
        let steps = vec![Send::Data(body), Send::End];
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            steps,
        }
    }

    /// Exactly this request: `path` is any that a URI may have.
    pub fn raw(method: Method, path: &str, headers: HeaderMap, steps: Vec<Send>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers,
            steps,
        }
    }

    /// Its request metadata, without pseudo-headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Adds request metadata, whatever its bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        append(&mut self.headers, name, value.as_ref());
        self
    }

    /// Replaces a header.
    #[must_use]
    pub fn content_type(mut self, value: &'static str) -> Self {
        self.headers
            .insert("content-type", HeaderValue::from_static(value));
        self
    }
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Did the connection take the call? If not, the server has never heard of it.
    pub is_sent: bool,
    /// `:status`; `None` if no headers came.
    pub http_status: Option<StatusCode>,
    /// Response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Trailers; those of a Trailers-Only answer are in `headers`.
    pub trailers: Option<HeaderMap>,
    /// Why the stream did not end normally.
    pub reset: Option<Reason>,
    /// From the first byte sent to the end.
    pub elapsed: Duration,
}

impl Outcome {
    /// `grpc-status`, from trailers or a Trailers-Only answer.
    pub fn status(&self) -> Option<u16> {
        let trailers = self.trailers.as_ref().unwrap_or(&self.headers);
        trailers.get("grpc-status")?.to_str().ok()?.parse().ok()
    }

    /// The messages of the body.
    pub fn messages(&self) -> Vec<Bytes> {
        messages(self.body.clone())
    }

    /// Did it end normally with status 0?
    pub fn ok(&self) -> bool {
        self.reset.is_none() && self.status() == Some(0)
    }
}

/// One HTTP/2 connection.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Bytes>,
    authority: String,
    driver: AbortHandle,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the listener accepts");
        Self::over(stream).await
    }

    /// Connects so many times.
    pub async fn connect_all(address: SocketAddr, count: usize) -> Vec<Self> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Self::connect(address).await);
        }
        clients
    }

    /// Begins HTTP/2 on a connection.
    pub async fn over(stream: TcpStream) -> Self {
        let address = stream.peer_addr().expect("connected");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST_MAX);
        let (sender, connection) = builder.handshake(stream).await.expect("HTTP/2 handshake");
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Self {
            sender,
            authority: address.to_string(),
            driver,
        }
    }

    /// Makes one call to its end.
    pub async fn call(&self, call: Call) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome::default();
        if let Err(error) = self.exchange(call, &mut outcome).await {
            outcome.reset = Some(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
        }
        outcome.elapsed = start.elapsed();
        outcome
    }

    async fn exchange(&self, call: Call, outcome: &mut Outcome) -> Result<(), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let uri = format!("http://{}{}", self.authority, call.path);
        let mut request = Request::new(());
        *request.method_mut() = call.method;
        *request.uri_mut() = uri.parse().expect("an authority and a path");
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = call.headers;
        let ends_at_once = matches!(call.steps.first(), Some(Send::End));
        let (response, stream) = sender.send_request(request, ends_at_once)?;
        outcome.is_sent = true;
        drop(sender);
        let steps = if ends_at_once { vec![] } else { call.steps };
        let (sent, received) = tokio::join!(send(stream, steps), receive(response, outcome));
        received?;
        // An early answer may stop the sending; that is no failure of the call.
        drop(sent);
        Ok(())
    }
}

async fn send(mut stream: SendStream<Bytes>, steps: Vec<Send>) -> Result<(), h2::Error> {
    let mut steps = steps.into_iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Send::Data(data) => {
                let end = steps.next_if(|next| matches!(next, Send::End)).is_some();
                send_data(&mut stream, data, end).await?;
            }
            Send::End => stream.send_data(Bytes::new(), true)?,
            Send::Trailers(trailers) => stream.send_trailers(trailers)?,
            Send::Sleep(duration) => tokio::time::sleep(duration).await,
            Send::Cancel => stream.send_reset(Reason::CANCEL),
        }
    }
    Ok(())
}

async fn receive(response: ResponseFuture, outcome: &mut Outcome) -> Result<(), h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    outcome.http_status = Some(head.status);
    outcome.headers = head.headers;
    let mut received = BytesMut::new();
    let mut result = Ok(());
    while let Some(chunk) = body.data().await {
        match chunk {
            Ok(chunk) => {
                body.flow_control().release_capacity(chunk.len())?;
                received.extend_from_slice(&chunk);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    outcome.body = received.freeze();
    result?;
    outcome.trailers = body.trailers().await?;
    Ok(())
}
