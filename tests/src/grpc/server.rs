//! A gRPC server that does exactly what its [`Answer`]s say.

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::Response;
use http::request::Parts;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::{Answer, CONNECTION_WINDOW, HEADER_LIST_MAX, STREAM_WINDOW, Step, send_data};

/// How long a client that was told what is wrong may take to hang up.
const LINGER: Duration = Duration::from_secs(5);

/// Request headers, as the server got them.
pub type RequestHead = Parts;

type Plan = dyn Fn(&RequestHead) -> Answer + Send + Sync;
type Observer = dyn Fn(&RequestHead, &[u8]) + Send + Sync;

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Server {
    /// Answers every call with its own body.
    pub async fn echo() -> Self {
        Self::answering(|_| Answer::echo()).await
    }

    /// Answers every call as `plan` says.
    pub async fn answering(plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static) -> Self {
        Self::observed(plan, |_, _| ()).await
    }

    /// As [`Server::answering`], and shows `observer` every request it has read to some end.
    pub async fn observed(
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
        observer: impl Fn(&RequestHead, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        Self::on(listener, plan, observer)
    }

    /// As [`Server::observed`], on this listener.
    pub fn on(
        listener: TcpListener,
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
        observer: impl Fn(&RequestHead, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let accepting =
            tokio::spawn(accept(listener, Arc::new(plan), Arc::new(observer))).abort_handle();
        Self { address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, plan: Arc<Plan>, observer: Arc<Observer>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        connections.spawn(serve(stream, plan.clone(), observer.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, plan: Arc<Plan>, observer: Arc<Observer>) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(1024)
        .max_header_list_size(HEADER_LIST_MAX);
    let stream = stream.into_std().expect("a socket");
    let rest = stream.try_clone().expect("a descriptor");
    let stream = TcpStream::from_std(stream).expect("a socket");
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        // A connection that is closed with bytes unread is reset, and the reset may overtake what was said.
        rest.shutdown(Shutdown::Write).ok();
        let mut rest = TcpStream::from_std(rest).expect("a socket");
        let mut nowhere = tokio::io::sink();
        let to_its_end = tokio::io::copy(&mut rest, &mut nowhere);
        drop(tokio::time::timeout(LINGER, to_its_end).await);
        return;
    };
    drop(rest);
    let mut calls = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        let answer = plan(&head);
        let observer = observer.clone();
        calls.spawn(async move {
            let mut script = Script {
                body,
                respond,
                stream: None,
                read: BytesMut::new(),
            };
            // The peer may go away at any step; that is what some tests are about.
            drop(script.run(answer).await);
            observer(&head, &script.read);
        });
        while calls.try_join_next().is_some() {}
    }
}

/// One call in progress.
struct Script {
    body: RecvStream,
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    read: BytesMut,
}

impl Script {
    async fn run(&mut self, answer: Answer) -> Result<(), h2::Error> {
        for step in answer.steps {
            self.step(step).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), h2::Error> {
        match step {
            Step::Headers {
                status,
                headers,
                end,
            } => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                self.stream = Some(self.respond.send_response(response, end)?);
            }
            Step::Interim(status) => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                self.respond.send_informational(response)?;
            }
            Step::Data(data) => self.send(data).await?,
            Step::ReadAll => while self.read_chunk().await?.is_some() {},
            Step::ReadBytes(count) => {
                while self.read.len() < count && self.read_chunk().await?.is_some() {}
            }
            Step::EchoRead => {
                let read = self.read.clone().freeze();
                self.send(read).await?;
            }
            Step::EchoLive => {
                while let Some(chunk) = self.read_chunk().await? {
                    self.send(chunk).await?;
                }
            }
            Step::Trailers(trailers) => {
                if let Some(stream) = &mut self.stream {
                    stream.send_trailers(trailers)?;
                }
            }
            Step::Sleep(duration) => tokio::time::sleep(duration).await,
            Step::Reset(reason) => match &mut self.stream {
                Some(stream) => stream.send_reset(reason),
                None => self.respond.send_reset(reason),
            },
            Step::Hang => {
                let respond = &mut self.respond;
                let stream = &mut self.stream;
                std::future::poll_fn(|context| match stream {
                    Some(stream) => stream.poll_reset(context),
                    None => respond.poll_reset(context),
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, data: Bytes) -> Result<(), h2::Error> {
        match &mut self.stream {
            Some(stream) if !data.is_empty() => send_data(stream, data, false).await,
            _ => Ok(()),
        }
    }

    async fn read_chunk(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let Some(chunk) = self.body.data().await.transpose()? else {
            return Ok(None);
        };
        self.body.flow_control().release_capacity(chunk.len())?;
        self.read.extend_from_slice(&chunk);
        Ok(Some(chunk))
    }
}
