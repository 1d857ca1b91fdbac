//! Waiting on conditions, never on the clock alone.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `probe` answers `Some`, and panics with `what` if that takes longer than `within`.
pub async fn until<T>(what: &str, within: Duration, probe: impl AsyncFnMut() -> Option<T>) -> T {
    until_or(what, within, String::new, probe).await
}

/// As [`until`]; a panic also says what `state` says then.
pub async fn until_or<T>(
    what: &str,
    within: Duration,
    state: impl Fn() -> String,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(
            start.elapsed() < within,
            "not within {within:?}: {what}\n{}",
            state()
        );
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// Waits until `probe` is true, and panics with `what` if that takes longer than `within`.
pub async fn until_true(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> bool) {
    until(what, within, async || probe().await.then_some(())).await;
}
