//! The server: answers each call as the plan says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, StreamingService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tower_service::Service;

use crate::bytes_codec::BytesCodec;
use crate::plan::{Call, Log, Plan, add_metadata, digests, messages, pairs};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Responses = ReceiverStream<Result<Bytes, Status>>;

/// Responses that wait for the client.
const RESPONSES_MAX: usize = 2;

struct Served {
    methods: HashMap<String, String>,
    calls: HashMap<String, Call>,
    log: Arc<Log>,
}

#[derive(Clone)]
struct Answering(Arc<Served>);

impl Service<http::Request<Body>> for Answering {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Later<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answering = self.clone();
        Box::pin(async move {
            if !answering.0.methods.contains_key(request.uri().path()) {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let mut grpc = Grpc::new(BytesCodec)
                .accept_compressed(Gzip)
                .send_compressed(Gzip);
            Ok(grpc.streaming(answering, request).await)
        })
    }
}

impl StreamingService<Bytes> for Answering {
    type Response = Bytes;
    type ResponseStream = Responses;
    type Future = Later<Result<Response<Responses>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let served = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = answer(served, request).await;
            answer.unwrap_or_else(|error| Err(Status::internal(error.to_string())))
        })
    }
}

/// What ends the call.
fn last(call: &Call) -> Result<Status, Error> {
    let answer = &call.answer;
    let mut metadata = MetadataMap::new();
    add_metadata(&mut metadata, &answer.trailers)?;
    let details = STANDARD.decode(answer.details.as_deref().unwrap_or_default())?;
    let code = Code::from(answer.status);
    Ok(Status::with_details_and_metadata(
        code,
        &answer.message,
        details.into(),
        metadata,
    ))
}

async fn answer(
    served: Arc<Served>,
    request: Request<Streaming<Bytes>>,
) -> Result<Result<Response<Responses>, Status>, Error> {
    let (metadata, _, mut requests) = request.into_parts();
    let id = metadata.get("x-request-id").ok_or("no request id")?;
    let call = served
        .calls
        .get(id.to_str()?)
        .ok_or("no such call")?
        .clone();
    let mut left = messages(&call.answer.response)?;
    let log = Arc::clone(&served.log);
    let done = last(&call)?;
    let line = move |call: &Call, read: &[Bytes]| {
        log.write(&json!({"id": call.id, "req": digests(read), "metadata": pairs(&metadata)}));
    };
    if left.is_empty() && call.answer.headers.is_empty() {
        // Nothing goes before the trailers.
        let mut read = Vec::new();
        while let Some(message) = requests.message().await? {
            read.push(message);
        }
        line(&call, &read);
        if call.action == "deadline" {
            std::future::pending::<()>().await;
        }
        return Ok(Err(done));
    }
    let (sender, receiver) = mpsc::channel(RESPONSES_MAX);
    let mut response = Response::new(ReceiverStream::new(receiver));
    add_metadata(response.metadata_mut(), &call.answer.headers)?;
    tokio::spawn(async move {
        let mut read = Vec::new();
        let is_cancelled = call.action == "cancel";
        // Answers as it goes: the first request gets the first response, and so on. A client that
        // is to cancel gets all of them when it has sent all requests.
        while let Ok(Some(message)) = requests.message().await {
            read.push(message);
            if is_cancelled && read.len() == call.request.len() {
                break;
            }
            if !is_cancelled && !left.is_empty() {
                drop(sender.send(Ok(left.remove(0))).await);
            }
        }
        line(&call, &read);
        for message in left {
            drop(sender.send(Ok(message)).await);
        }
        if is_cancelled {
            sender.closed().await;
        } else {
            drop(sender.send(Err(done)).await);
        }
    });
    Ok(Ok(response))
}

/// Serves until it is ended.
pub(crate) async fn run(address: &str, plan: Arc<Plan>, log: Arc<Log>) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let calls = plan.calls.iter();
    let served = Served {
        methods: plan.methods.clone(),
        calls: calls.map(|call| (call.id.clone(), call.clone())).collect(),
        log,
    };
    println!("listening");
    Server::builder()
        .max_connection_age(Duration::from_millis(plan.max_age_ms))
        .serve_with_incoming(
            Answering(Arc::new(served)),
            TcpListenerStream::new(listener),
        )
        .await?;
    Ok(())
}
