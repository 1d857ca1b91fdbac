//! Ending on request: the first SIGINT or SIGTERM asks, the second does not wait.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::spawn;

/// Exit code of a command that a signal cut short.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Signals that ask to end cannot be caught.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for signals: {0}")]
pub struct SignalsError(#[from] io::Error);

/// The signals that ask to end.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Catches them from now on. Only within a runtime.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Calls `ask` at the first; the second ends the process with [`EXIT_INTERRUPTED`].
    pub async fn heed(mut self, ask: impl FnOnce()) -> Infallible {
        self.next().await;
        ask();
        self.next().await;
        std::process::exit(EXIT_INTERRUPTED.into())
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Sets `stop` at the first signal, for whoever has no runtime.
pub fn stop_on_signals(stop: Arc<AtomicBool>) -> Result<(), SignalsError> {
    ask_on_signals(move || stop.store(true, Ordering::Relaxed))
}

/// Something arrives at the first signal, for whoever waits without a runtime.
pub fn stop_signal() -> Result<Receiver<()>, SignalsError> {
    let (asked, stop) = sync_channel(1);
    // Nobody waits any more: then the end has come already.
    ask_on_signals(move || asked.send(()).unwrap_or_default())?;
    Ok(stop)
}

fn ask_on_signals(ask: impl FnOnce() + Send + 'static) -> Result<(), SignalsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let signals = {
        let _entered = runtime.enter();
        StopSignals::catch()?
    };
    // Ends with the process.
    let wait = async move { signals.heed(ask).await };
    spawn("signals", move || runtime.block_on(wait))?;
    Ok(())
}
