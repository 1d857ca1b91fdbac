//! How many file descriptors the process may have open: all that the system lets it.
//!
//! The usual soft limit of 1024 is for programs that use `select`, which nothing here does.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What `serve` opens besides connections: journal, Parquet, the runtime's own; with room.
const BESIDES_CONNECTIONS: u64 = 64;

/// Raises the soft limit to the hard one. Fails if that is not enough to serve at all, and warns if it is too little
/// for `connections_max`.
pub(super) fn raise(connections_max: usize) -> anyhow::Result<()> {
    let Some(hard) = getrlimit(Resource::Nofile).maximum else {
        return Ok(());
    };
    let limit = Rlimit {
        current: Some(hard),
        maximum: Some(hard),
    };
    setrlimit(Resource::Nofile, limit)?;
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
