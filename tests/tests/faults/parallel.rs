//! Independent cases side by side, a few at a time.

use std::sync::Mutex;
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Cases at the same time.
const PARALLEL: usize = 4;

/// A runtime of the calling thread.
pub(crate) fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime needs no more than memory")
}

/// Runs `case` for each of `cases`; the first panic of any is the caller's.
pub(crate) fn all<C: Send, T: Send>(cases: Vec<C>, case: impl AsyncFn(C) -> T + Sync) -> Vec<T> {
    let queue = Mutex::new(cases.into_iter());
    let next = || queue.lock().expect("nobody panics while holding it").next();
    let work = || {
        let runtime = runtime();
        let cases = std::iter::from_fn(next);
        cases.map(|one| runtime.block_on(case(one))).collect()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<T>>| match worker.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    })
}
