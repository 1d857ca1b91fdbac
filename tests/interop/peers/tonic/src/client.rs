//! The client: makes the calls of the plan.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::bytes_codec::BytesCodec;
use crate::plan::{Call, Log, Plan, add_metadata, digests, messages, pairs};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the client got.
#[derive(Default)]
struct Got {
    headers: MetadataMap,
    messages: Vec<Bytes>,
    trailers: MetadataMap,
}

async fn receive(channel: Channel, call: &Call, is_gzip: bool, got: &mut Got) -> Result<(), Error> {
    let requests = stream::iter(messages(&call.request)?);
    let is_cancelled = call.action == "cancel";
    let requests = if is_cancelled && call.kind == "bidi" {
        requests.chain(stream::pending()).boxed()
    } else {
        requests.boxed()
    };
    let mut request = Request::new(requests);
    add_metadata(request.metadata_mut(), &call.metadata)?;
    if let Some(deadline_ms) = call.deadline_ms {
        request.set_timeout(Duration::from_millis(deadline_ms));
    }
    let mut grpc = Grpc::new(channel).accept_compressed(Gzip);
    if is_gzip {
        grpc = grpc.send_compressed(Gzip);
    }
    grpc.ready().await?;
    let path = call.method.parse()?;
    let response = grpc.streaming(request, path, BytesCodec).await?;
    let (headers, mut body, _) = response.into_parts();
    got.headers = headers;
    while let Some(message) = body.message().await? {
        got.messages.push(message);
        if is_cancelled && got.messages.len() == call.answer.response.len() {
            return Err(Status::cancelled("").into());
        }
    }
    got.trailers = body.trailers().await?.unwrap_or_default();
    Ok(())
}

async fn make(channel: Channel, call: Call, is_gzip: bool, log: &Log) -> Result<(), Error> {
    let mut got = Got::default();
    let status = match receive(channel, &call, is_gzip, &mut got).await {
        Ok(()) => Status::ok(""),
        Err(error) => *error.downcast::<Status>()?,
    };
    let mut trailers = pairs(&got.trailers);
    trailers.extend(pairs(status.metadata()));
    log.write(&json!({
        "id": call.id,
        "method": call.method,
        "status": i32::from(status.code()),
        "message": status.message(),
        "req": digests(&messages(&call.request)?),
        "resp": digests(&got.messages),
        "headers": pairs(&got.headers),
        "trailers": trailers,
    }));
    Ok(())
}

/// Makes all calls.
pub(crate) async fn run(address: &str, plan: Arc<Plan>, log: Arc<Log>) -> Result<(), Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .http2_keep_alive_interval(Duration::from_millis(400))
        .keep_alive_while_idle(false)
        .http2_header_table_size(plan.header_table_bytes);
    let channels: Vec<_> = (0..plan.connections)
        .map(|_| endpoint.connect_lazy())
        .collect();
    for phase in 0..plan.phases {
        if phase > 0 {
            tokio::time::sleep(Duration::from_millis(plan.pause_ms)).await;
        }
        let mut workers = JoinSet::new();
        for (connection, channel) in channels.iter().enumerate() {
            let of_worker = |call: &&Call| call.phase == phase && call.connection == connection;
            let calls: VecDeque<_> = plan.calls.iter().filter(of_worker).cloned().collect();
            let calls = Arc::new(Mutex::new(calls));
            for _ in 0..plan.workers_per_connection {
                let is_gzip = connection == plan.gzip_connection;
                let (calls, channel) = (Arc::clone(&calls), channel.clone());
                let log = Arc::clone(&log);
                workers.spawn(async move {
                    loop {
                        let next = calls.lock().ok().and_then(|mut calls| calls.pop_front());
                        let Some(call) = next else { return Ok(()) };
                        make(channel.clone(), call, is_gzip, &log).await?;
                    }
                });
            }
        }
        while let Some(finished) = workers.join_next().await {
            let finished: Result<(), Error> = finished?;
            finished?;
        }
    }
    Ok(())
}
