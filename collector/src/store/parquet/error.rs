//! What can go wrong with a dataset: which file, doing what, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// Why a part could not be written. The dataset is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refused.
    #[error("{action} {path}", path = path.display())]
    Io {
        /// What was tried, such as "create".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The Parquet encoder refused the calls. Trying again helps as little as waiting.
    #[error("encode {path}", path = path.display())]
    Encode {
        /// The file that was being written.
        path: PathBuf,
        /// Its reason.
        source: ParquetError,
    },
}

impl WriteError {
    /// What the encoder of `path` says: also that the file system refused it.
    pub(super) fn of_encoder(path: &Path, error: ParquetError) -> Self {
        let path = path.to_owned();
        match error {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(source) => Self::Io {
                    action: "write",
                    path,
                    source: *source,
                },
                Err(cause) => Self::Encode {
                    path,
                    source: ParquetError::External(cause),
                },
            },
            source => Self::Encode { path, source },
        }
    }
}

/// Why a dataset could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("{action} {path}", path = path.display())]
    Io {
        /// What was tried, such as "open".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is damaged, or not Parquet at all.
    #[error("decode {path}: not a readable Parquet file", path = path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: ParquetError,
    },
    /// It could not be decoded, and yet is what was written: the system failed meanwhile, say with descriptors or
    /// the disk, or this code is wrong.
    #[error(
        "decode {path}: failed, although its bytes are those that were written, by its checksum; try again, and if it \
         stays so, twintap fsck",
        path = path.display()
    )]
    Whole {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: ParquetError,
    },
    /// Parts of it say what others contradict.
    #[error("read {path}: {what}", path = path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Which, and what.
        what: String,
    },
    /// A bit has changed since the file was written.
    #[error(
        "read {path}: its bytes are not those that were written, by its checksum",
        path = path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer twintap.
    #[error(
        "read {path}: it has schema version {found}, this twintap reads up to {supported}; use a newer twintap",
        path = path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version this code reads.
        supported: u32,
    },
    /// Parquet, but not a part of this dataset.
    #[error("read {path}: {reason}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is missing or different.
        reason: String,
    },
}

impl ReadError {
    /// Is the file to blame, and not the file system, or this version?
    pub fn is_of_the_file(&self) -> bool {
        match self {
            Self::Io { .. } | Self::NewerSchema { .. } | Self::Whole { .. } => false,
            Self::Decode {
                source: ParquetError::External(cause),
                ..
            } => cause
                .downcast_ref::<io::Error>()
                .is_none_or(|error| error.kind() == io::ErrorKind::UnexpectedEof),
            _ => true,
        }
    }
}
