//! A collector that misbehaves on demand, the only part that is simulated.
//!
//! Healthy, it acknowledges and counts like a [`Sink`](crate::Sink). A change of fault breaks all
//! connections, so that it takes effect at once, and the port stays the same.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sink::{Ledger, Received, serve};
use crate::{loopback, machine};

/// How a collector misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    None,
    /// Nobody listens: connections are refused.
    Refusing,
    /// Accepts and never reads.
    BlackHole,
    /// Reads everything and never answers.
    Silent,
    /// Acknowledges after this long.
    Slow(Duration),
    /// Answers every batch with this status and forgets it.
    Answering(StatusCode),
    /// Reads a little, then resets the connection.
    Resetting,
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Acknowledges, a byte every this long.
    Dribbling(Duration),
    /// Answers with a body that never ends.
    Endless,
}

/// A collector that misbehaves on demand.
#[derive(Debug)]
pub struct FaultyCollector {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    ledger: Ledger,
}

impl FaultyCollector {
    /// Starts with `fault`.
    pub async fn start(fault: Fault) -> Self {
        let listener = std::net::TcpListener::bind(loopback::own()).expect("nobody else has it");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let ledger = Ledger {
            keep: true,
            received: Arc::new(Mutex::new(Received::default())),
        };
        let (sender, receiver) = watch::channel(fault);
        let kept = ledger.clone();
        // Until nobody can change the fault any more.
        drop(machine::aside(async move || {
            let listener = TcpListener::from_std(listener).expect("it does not block");
            run(listener, receiver, kept).await;
        }));
        Self {
            address,
            fault: sender,
            ledger,
        }
    }

    /// Where it listens, when it does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Misbehaves like this from now on.
    pub fn fail(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Behaves from now on.
    pub fn heal(&self) {
        self.fail(Fault::None);
    }

    /// What it has acknowledged.
    pub fn received(&self) -> Received {
        self.ledger
            .received
            .lock()
            .expect("no holder panics")
            .clone()
    }
}

async fn run(listener: TcpListener, mut fault: watch::Receiver<Fault>, ledger: Ledger) {
    let address = listener.local_addr().expect("bound");
    let mut listener = Some(listener);
    loop {
        let now = *fault.borrow_and_update();
        if now == Fault::Refusing {
            listener = None;
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        }
        let bound = match listener.take() {
            Some(bound) => bound,
            None => TcpListener::bind(address)
                .await
                .expect("nobody else has it"),
        };
        tokio::select! {
            () = accept(&bound, now, &ledger) => return,
            changed = fault.changed() => if changed.is_err() { return },
        }
        listener = Some(bound);
    }
}

/// Dropping the future drops its connections.
async fn accept(listener: &TcpListener, fault: Fault, ledger: &Ledger) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(misbehave(stream, fault, ledger.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn misbehave(mut stream: TcpStream, fault: Fault, ledger: Ledger) {
    match fault {
        Fault::None | Fault::Refusing => serve_after(stream, Duration::ZERO, ledger).await,
        Fault::Slow(delay) => serve_after(stream, delay, ledger).await,
        Fault::Answering(status) => serve(stream, move |_| async move { status }).await,
        Fault::Silent => serve(stream, |_| std::future::pending()).await,
        Fault::BlackHole => std::future::pending().await,
        Fault::Resetting => {
            let mut some = [0; 512];
            drop(stream.read(&mut some).await);
            // Linger zero makes the close a reset.
            drop(stream.set_zero_linger());
        }
        Fault::Garbage => {
            let mut some = [0; 512];
            drop(stream.read(&mut some).await);
            drop(stream.write_all(&[0xff; 64]).await);
        }
        Fault::Dribbling(pause) => {
            let answer =
                b"HTTP/1.1 200 OK\r\nx-twintap-acknowledged: 1\r\ncontent-length: 0\r\n\r\n";
            answering(stream, async |writer| {
                for byte in answer.iter().cycle() {
                    writer.write_all(&[*byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            })
            .await;
        }
        Fault::Endless => {
            answering(stream, async |writer| {
                writer
                    .write_all(b"HTTP/1.1 200 OK\r\nx-twintap-acknowledged: 1\r\n\r\n")
                    .await?;
                loop {
                    writer.write_all(&[b'a'; 64 * 1024]).await?;
                }
            })
            .await;
        }
    }
}

/// Once something is asked, answers as `answer` does, and reads whatever comes meanwhile.
async fn answering(
    stream: TcpStream,
    answer: impl AsyncFnOnce(&mut OwnedWriteHalf) -> io::Result<()>,
) {
    let (mut reader, mut writer) = stream.into_split();
    let mut first = [0; 1];
    if !matches!(reader.read(&mut first).await, Ok(1)) {
        return;
    }
    let mut nowhere = tokio::io::sink();
    tokio::select! {
        // The peer may go away at any moment.
        _ = tokio::io::copy(&mut reader, &mut nowhere) => {}
        _ = answer(&mut writer) => {}
    }
}

async fn serve_after(stream: TcpStream, delay: Duration, ledger: Ledger) {
    serve(stream, move |body| {
        let ledger = ledger.clone();
        async move {
            tokio::time::sleep(delay).await;
            ledger.take(body)
        }
    })
    .await;
}
