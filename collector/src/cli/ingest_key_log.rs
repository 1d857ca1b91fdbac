//! Reads key log files. What they have is never shown, only counted.

use std::io::Write;
use std::path::{Path, PathBuf};

use twintap_decode::tls::{CONNECTIONS_MAX, KeyLog};
use zeroize::Zeroizing;

use super::UsageError;

/// Bytes of one key log file: more than as many connections can have as are kept.
const KEY_LOG_BYTES_MAX: u64 = 512 << 20;

/// Reads these files as a whole, before any packet: a connection's secrets may be anywhere in them.
pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<KeyLog> {
    let mut key_log = KeyLog::default();
    for path in files {
        read_one(path, &mut key_log)?;
    }
    Ok(key_log)
}

fn read_one(path: &Path, key_log: &mut KeyLog) -> anyhow::Result<()> {
    let name = path.display();
    let failed = |error| UsageError(format!("failed to read the key log {name}: {error}"));
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > KEY_LOG_BYTES_MAX {
        let message = format!("the key log {name} has {len} bytes, over {KEY_LOG_BYTES_MAX}");
        return Err(UsageError(message).into());
    }
    let text = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let added = key_log.add(&text);
    if let Some(line) = added.malformed_line {
        if added.secrets + added.unknown == 0 {
            let message = format!("{name} is no key log: line {line} is malformed");
            return Err(UsageError(message).into());
        }
        let count = added.malformed;
        warn(&format!(
            "{name}: {count} malformed lines, the first is line {line}"
        ));
    }
    if added.over_limit > 0 {
        let count = added.over_limit;
        warn(&format!(
            "{name}: {count} secrets of more than {CONNECTIONS_MAX} connections"
        ));
    }
    Ok(())
}

fn warn(text: &str) {
    // With standard error closed there is nobody to warn.
    writeln!(std::io::stderr(), "twintap: {text}").ok();
}
