//! Which file a capture is, whatever its name: so that it is not ingested twice by mistake.
//!
//! Its size, and a hash of its first and last [`EDGE_BYTES`]: of a large file no more is read, and files of
//! packets begin and end with times, so that two of one size and equal edges are one. A pipe has none.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes of either end that are hashed.
const EDGE_BYTES: u64 = 64 << 10;
/// Smaller files have none: captures without packets are all alike, and hold nothing that could be there twice.
const FILE_BYTES_MIN: u64 = 1 << 10;
/// Bytes of the hash that are kept.
const HASH_BYTES: usize = 16;

/// The fingerprint of a regular file of some size, such as `1234-9f86d081884c7d65…`; `None` of anything else.
pub fn fingerprint(path: &Path) -> io::Result<Option<String>> {
    // Opening a pipe would take what is in it, or wait.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() < FILE_BYTES_MIN {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut edge = Vec::new();
    for from in [0, metadata.len().saturating_sub(EDGE_BYTES)] {
        file.seek(SeekFrom::Start(from))?;
        edge.clear();
        file.by_ref().take(EDGE_BYTES).read_to_end(&mut edge)?;
        hash.update(&edge);
    }
    let mut text = format!("{}-", metadata.len());
    for byte in hash.finalize().iter().take(HASH_BYTES) {
        text += &format!("{byte:02x}");
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("capture");
        std::fs::write(&path, bytes).unwrap();
        fingerprint(&path).unwrap()
    }

    #[test]
    fn a_change_at_either_end_and_of_the_size_tells() {
        let edge = usize::try_from(EDGE_BYTES).unwrap();
        let bytes = vec![7; 3 * edge];
        let whole = of(&bytes);
        assert!(whole.is_some());
        assert_eq!(whole, of(&bytes));
        for place in [0, edge - 1, 2 * edge, 3 * edge - 1] {
            let mut other = bytes.clone();
            other[place] = 8;
            assert_ne!(whole, of(&other), "{place}");
        }
        assert_ne!(whole, of(&bytes[1..]));
        assert_eq!(of(&bytes[..100]), None);
    }

    #[test]
    fn what_is_no_file_has_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(fingerprint(directory.path()).unwrap(), None);
        assert!(fingerprint(&directory.path().join("none")).is_err());
    }
}
