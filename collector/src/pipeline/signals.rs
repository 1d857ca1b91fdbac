//! Ending on request: the first signal asks, the second does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::RunError;
use super::spawn;

/// Sets `stop` at SIGINT or SIGTERM; a second one ends the process with code 130.
pub fn stop_on_signals(stop: Arc<AtomicBool>) -> Result<(), RunError> {
    const EXIT_INTERRUPTED: i32 = 130;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(RunError::Thread)?,
            signal(SignalKind::terminate()).map_err(RunError::Thread)?,
        )
    };
    let wait = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_INTERRUPTED);
            }
        }
    };
    // Ends with the process.
    spawn("signals", move || runtime.block_on(wait))
        .map(drop)
        .map_err(RunError::Thread)
}
