//! gRPC server reflection: asks a running server what its messages are.
//!
//! One connection, one bidirectional call of `grpc.reflection.v1.ServerReflection`, or of `v1alpha`
//! where the server does not know v1: the list of services, the file of each, then what those import.
//! The answer is an encoded `google.protobuf.FileDescriptorSet`, imports before what imports them,
//! each file with the bytes that the server sent, so that custom options survive.
//!
//! The server is not trusted: [`limits`] bound what is kept of it, [`limits::TOTAL`] how long it may
//! take, and what it sends has to be what was asked for. Left out are the services of reflection and
//! health checking themselves, which the recorder leaves out too.
//!
//! Not supported: TLS, authentication, extensions that no file of a service imports.

mod error;
mod exchange;
mod files;
pub mod limits;
mod messages;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use error::ReflectionError;
use exchange::Exchange;
use files::Files;

/// Versions of the protocol, the preferred one first. Their messages are the same.
const SERVICES: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// Services that are left out, beginning so.
const LEFT_OUT: [&str; 2] = ["grpc.reflection.", "grpc.health."];

/// Asks the server at `address` (`HOST:PORT`, HTTP/2 without TLS) for all that its services send and
/// receive, as an encoded `FileDescriptorSet`.
pub async fn descriptor_set(address: &str) -> Result<Vec<u8>, ReflectionError> {
    within(limits::TOTAL, address).await
}

async fn within(total: Duration, address: &str) -> Result<Vec<u8>, ReflectionError> {
    let asked = timeout(total, ask(address)).await;
    asked.unwrap_or(Err(ReflectionError::TimedOut(total)))
}

async fn ask(address: &str) -> Result<Vec<u8>, ReflectionError> {
    let connected = timeout(limits::CONNECT, TcpStream::connect(address)).await;
    let connected = connected.map_err(|_| ReflectionError::ConnectTimedOut(limits::CONNECT))?;
    let stream = connected.map_err(ReflectionError::Connect)?;
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(limits::WINDOW_BYTES)
        .initial_connection_window_size(limits::WINDOW_BYTES)
        .max_header_list_size(limits::HEADER_LIST_BYTES_MAX)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(ReflectionError::Http2)?;
    // The connection moves only while it is polled: beside the questions, so that nothing is spawned.
    let asking = pin!(any_version(client, address));
    let connection = pin!(connection);
    beside(asking, connection).await
}

/// What `asking` comes to, unless the connection ends with an error before.
async fn beside(
    mut asking: impl Future<Output = Result<Vec<u8>, ReflectionError>> + Unpin,
    connection: impl Future<Output = Result<(), h2::Error>> + Unpin,
) -> Result<Vec<u8>, ReflectionError> {
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        ended = connection => match ended {
            Err(error) => Err(ReflectionError::Http2(error)),
            // In good order: what has arrived is still there to be read.
            Ok(()) => asking.await,
        },
    }
}

async fn any_version(
    mut client: h2::client::SendRequest<Bytes>,
    authority: &str,
) -> Result<Vec<u8>, ReflectionError> {
    for service in SERVICES {
        let mut exchange = Exchange::open(&mut client, authority, service).await?;
        match everything(&mut exchange).await {
            Err(error) if error.is_unimplemented() => {}
            answer => return answer,
        }
    }
    Err(ReflectionError::NoReflection)
}

async fn everything(exchange: &mut Exchange) -> Result<Vec<u8>, ReflectionError> {
    let services = exchange.services().await?;
    let wanted = |name: &&String| !LEFT_OUT.iter().any(|start| name.starts_with(start));
    let wanted: Vec<&String> = services.iter().filter(wanted).collect();
    if wanted.is_empty() {
        return Err(ReflectionError::NoServices);
    }
    if wanted.len() > limits::SERVICES_MAX {
        return Err(ReflectionError::TooMuch {
            what: "services",
            limit: limits::SERVICES_MAX,
        });
    }
    let mut files = Files::default();
    for service in wanted {
        files.take(exchange.file_of_symbol(service).await?)?;
    }
    while let Some(name) = files.next_missing() {
        match exchange.file_by_name(&name).await {
            Ok(sent) => files.take(sent)?,
            Err(ReflectionError::Refused { .. }) if files.take_well_known(&name) => {}
            Err(error) => return Err(error),
        }
        if !files.has(&name) {
            return Err(ReflectionError::NotSent { name });
        }
    }
    Ok(files.into_descriptor_set())
}
