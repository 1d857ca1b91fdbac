//! Reads key log files. What they have is never shown, only counted.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use twintap_decode::tls::{CONNECTIONS_MAX, KeyLog};
use zeroize::Zeroizing;

use crate::cli::{UsageError, terminal};

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
    let text = contents(path, KEY_LOG_BYTES_MAX);
    let text = text.with_context(|| format!("failed to read the key log {name}"))?;
    let Some(text) = text else {
        let message = format!("the key log {name} has more than {KEY_LOG_BYTES_MAX} bytes");
        return Err(UsageError(message).into());
    };
    let added = key_log.add(&text);
    if let Some(line) = added.malformed_line {
        if added.secrets + added.unknown == 0 {
            let message = format!("{name} is no key log: line {line} is malformed");
            return Err(UsageError(message).into());
        }
        let count = added.malformed;
        terminal::tell(format_args!(
            "{name}: {count} malformed lines, the first is line {line}"
        ));
    }
    if added.over_limit > 0 {
        let count = added.over_limit;
        terminal::tell(format_args!(
            "{name}: {count} secrets of more than {CONNECTIONS_MAX} connections"
        ));
    }
    Ok(())
}

/// All of a file, which may be a pipe or a device; `None` if that is more than `bytes_max`.
fn contents(path: &Path, bytes_max: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len().min(bytes_max).saturating_add(1);
    // With room for all of a regular file, no copy of a secret is left where it grew.
    let room = usize::try_from(len).unwrap_or_default();
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    let limit = bytes_max.saturating_add(1);
    let read = file.take(limit).read_to_end(&mut text)?;
    Ok((u64::try_from(read).is_ok_and(|read| read <= bytes_max)).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_end_is_over_the_limit() {
        assert!(contents(Path::new("/dev/zero"), 1000).unwrap().is_none());
    }

    #[test]
    fn a_file_may_have_as_many_bytes_as_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        std::fs::write(&path, [b'#'; 10]).unwrap();
        let text = contents(&path, 10).unwrap().unwrap();
        assert_eq!(text.as_slice(), [b'#'; 10]);
        assert!(contents(&path, 9).unwrap().is_none());
    }
}
