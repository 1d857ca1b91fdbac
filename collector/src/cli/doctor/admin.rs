//! The admin port of a running Envoy, over plain HTTP/1.1: nothing is changed there.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::doctor::evidence::Evidence;
use crate::doctor::input::{self, Chosen, Inputs};

/// Longest wait for one answer; a dump of a large mesh takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What is asked for.
const PATHS: [&str; 3] = ["/server_info", "/config_dump", "/stats"];

/// Asks all of them; one that does not answer is noted.
pub(super) fn read_all(
    addresses: &[String],
    evidence: &mut Evidence,
    inputs: &mut Inputs,
) -> anyhow::Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    for address in addresses {
        let address = address
            .strip_prefix("http://")
            .unwrap_or(address)
            .trim_end_matches('/');
        for path in PATHS {
            let name = format!("{address}{path}");
            match runtime.block_on(get(address, path)) {
                Ok(body) => input::read(&name, &body, Chosen::ByUser, evidence, inputs),
                Err(error) => {
                    inputs.refuse(&name, None, error);
                    // The others would wait as long.
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Body of a `GET`, or what went wrong.
async fn get(address: &str, path: &str) -> Result<Bytes, String> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect(address))
        .await
        .map_err(|_| format!("no connection within {} s", CONNECT_WITHIN.as_secs()))?
        .map_err(|error| {
            format!("failed to connect: {error} (an admin address is HOST:PORT, 15000 in Istio)")
        })?;
    let late = || format!("no whole answer within {} s", ANSWER_WITHIN.as_secs());
    timeout(ANSWER_WITHIN, exchange(stream, address, path))
        .await
        .map_err(|_| late())?
}

async fn exchange(stream: TcpStream, address: &str, path: &str) -> Result<Bytes, String> {
    let failed = |error: hyper::Error| format!("is no HTTP server: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let request = Request::get(path)
        .header("host", address)
        .header("connection", "close")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| format!("no such address: {error}"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!(
                "answered {status}: is it the admin port of an Envoy?"
            ));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| {
                format!(
                    "failed to read the answer (at most {} MiB): {error}",
                    ANSWER_BYTES_MAX >> 20
                )
            })
    };
    tokio::pin!(answer);
    tokio::pin!(connection);
    // The connection is driven beside the request; it may end before the body was handed out.
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(failed)?;
            answer.await
        }
    }
}
