//! How many file descriptors the process may have open: all that the system lets it.
//!
//! The usual soft limit of 1024 is for programs that use `select`, which nothing here does.

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What `serve` opens besides connections: journal, Parquet, the runtime's own; with room.
const BESIDES_CONNECTIONS: u64 = 64;

/// Raises the soft limit to the hard one. Fails if that is not enough to serve at all, and warns if it is too little
/// for `connections_max`.
pub(super) fn raise(connections_max: usize) -> anyhow::Result<()> {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, limit).context("failed to raise the limit of file descriptors")?;
    let Some(hard) = hard else {
        return Ok(());
    };
    anyhow::ensure!(
        hard >= BESIDES_CONNECTIONS,
        "{hard} file descriptors are too few, {BESIDES_CONNECTIONS} are needed (ulimit -n, LimitNOFILE=)"
    );
    let wanted = BESIDES_CONNECTIONS.saturating_add(connections_max as u64);
    if hard < wanted {
        warn!(
            allowed = hard,
            wanted, "fewer file descriptors than connections_max needs: others may have to wait"
        );
    }
    Ok(())
}
