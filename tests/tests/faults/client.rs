//! Posts batches over one connection that is opened anew when it breaks, as Envoy does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use twintap_record::{CONTENT_TYPE, PATH};

use crate::batch::Batch;
use crate::oracle::Oracle;

/// Beyond this an answer is taken for lost.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// What the collector said about a batch.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Seconds after which the same may be sent again.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    /// The machine-readable reason of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        self.body[name].as_u64().unwrap_or_default()
    }
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    /// Over a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.address)
    }

    /// Posts a batch and tells the oracle; an error is a connection that broke before the answer.
    pub(crate) async fn post(&mut self, batch: Batch, oracle: &Oracle) -> anyhow::Result<Answer> {
        oracle.posted(batch);
        let answer = timeout(ANSWERED_WITHIN, self.try_post(batch)).await;
        let answer = match answer.context("no answer").and_then(|answer| answer) {
            Ok(answer) => answer,
            Err(error) => {
                self.sender = None;
                return Err(error);
            }
        };
        oracle.answered(batch, &answer);
        Ok(answer)
    }

    /// Posts a batch and hangs up without waiting for the answer.
    pub(crate) async fn post_and_leave(self, batch: Batch, oracle: &Oracle) -> anyhow::Result<()> {
        oracle.posted(batch);
        let body = batch.encode();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: harness\r\ncontent-type: {CONTENT_TYPE}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        // Both ends of the connection are told: the batch is read before the end is.
        stream.shutdown().await?;
        Ok(())
    }

    async fn try_post(&mut self, batch: Batch) -> anyhow::Result<Answer> {
        let sender = match &mut self.sender {
            Some(sender) if !sender.is_closed() => sender,
            closed => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                closed.insert(sender)
            }
        };
        sender.ready().await?;
        let request = Request::post(PATH)
            .header("host", "harness")
            .header("content-type", CONTENT_TYPE)
            .body(Full::new(batch.encode()))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            retry_after,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}
