//! Opens a capture: a file, standard input or another pipe, as it is or compressed with gzip or zstd.
//!
//! Compression is recognised by its magic number, not by the name. Files compressed one after the
//! other and appended are read as one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest window of zstd that is accepted: 128 MiB, what `--long=27` makes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// How long a pipe is waited for before looking whether to end, and telling that it is quiet.
pub const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Why a capture could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error("failed to open {name}: {error}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// The file cannot be read on, or its compression is damaged.
    #[error("failed to read {name} after {offset} bytes of the capture: {error}")]
    Read {
        /// The file.
        name: String,
        /// Bytes of the capture, decompressed, before that.
        offset: u64,
        /// What the system or the decompressor said.
        error: io::Error,
    },
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// So many bytes; 0 at the end.
    Bytes(usize),
    /// Nothing for [`LOOK_PAUSE`], of a live capture; more may come.
    Quiet,
}

/// What a pipe does when it is asked to end.
pub enum AtStop {
    /// It ends at once.
    End,
    /// Its writer is asked to end, once; what it still has counts.
    Ask(Box<dyn Fn() + Send>),
}

impl std::fmt::Debug for AtStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::End => "End",
            Self::Ask(_) => "Ask",
        })
    }
}

/// One capture that is being read.
pub struct Input {
    name: String,
    reader: Box<dyn Read + Send>,
    offset: u64,
    is_live: bool,
    is_compressed: bool,
}

/// The captures there are.
#[derive(Debug)]
pub enum Source {
    /// A file, or `-` for standard input.
    Path(PathBuf),
    /// A pipe, of pcap that is not compressed.
    Pipe {
        /// What it is called in messages.
        name: String,
        /// Its reading end.
        pipe: OwnedFd,
        /// How it ends early.
        at_stop: AtStop,
    },
}

impl Source {
    /// What it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) if path == Path::new("-") => "standard input".to_owned(),
            Self::Path(path) => path.display().to_string(),
            Self::Pipe { name, .. } => name.clone(),
        }
    }

    /// Is it all there, so that nothing is lost while it is not read?
    pub fn is_file(&self) -> bool {
        match self {
            Self::Path(path) => std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()),
            Self::Pipe { .. } => false,
        }
    }

    /// May it be that more comes as time goes by?
    pub fn may_be_live(&self) -> bool {
        match self {
            Self::Path(path) => path == Path::new("-"),
            Self::Pipe { .. } => true,
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Opens `source`. A pipe looks at `stop` to end early. Bytes read, as they are stored, are added to
    /// `progress`.
    pub fn open(
        source: Source,
        progress: Arc<AtomicU64>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, InputError> {
        let name = source.name();
        match source {
            Source::Path(path) if path == Path::new("-") => {
                // Without the buffer of `Stdin`, which polling would not know of.
                match io::stdin().as_fd().try_clone_to_owned() {
                    Ok(pipe) => Self::live(name, pipe, AtStop::End, progress, stop),
                    Err(error) => Err(InputError::Open { name, error }),
                }
            }
            Source::Path(path) => match File::open(path) {
                Ok(file) => Self::from_reader(name, file, progress),
                Err(error) => Err(InputError::Open { name, error }),
            },
            Source::Pipe { pipe, at_stop, .. } => Self::live(name, pipe, at_stop, progress, stop),
        }
    }

    fn live(
        name: String,
        pipe: OwnedFd,
        at_stop: AtStop,
        progress: Arc<AtomicU64>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, InputError> {
        let tells_quiet = Arc::<AtomicBool>::default();
        let live = Live {
            pipe: File::from(pipe),
            stop,
            at_stop: Some(at_stop),
            tells_quiet: Arc::clone(&tells_quiet),
        };
        let input = Self::from_reader(name, live, progress)?;
        // Not before: what recognises compression waits for bytes. Nor does any that decompresses know of
        // quiet.
        tells_quiet.store(!input.is_compressed, Ordering::Relaxed);
        Ok(Self {
            is_live: true,
            ..input
        })
    }

    /// Reads what `reader` gives.
    pub fn from_reader(
        name: String,
        reader: impl Read + Send + 'static,
        progress: Arc<AtomicU64>,
    ) -> Result<Self, InputError> {
        let mut counted = Counted { reader, progress };
        let reader = start(&mut counted).and_then(|start| decompressed(start, counted));
        match reader {
            Ok((reader, is_compressed)) => Ok(Self {
                name,
                reader,
                offset: 0,
                is_live: false,
                is_compressed,
            }),
            Err(error) => Err(InputError::Read {
                name,
                offset: 0,
                error,
            }),
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// May more come later, so that what is there is not to wait for it?
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Reads into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Arrival, InputError> {
        loop {
            match self.reader.read(buffer) {
                Ok(len) => {
                    self.offset += len as u64;
                    return Ok(Arrival::Bytes(len));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.is_live => {
                    return Ok(Arrival::Quiet);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(InputError::Read {
                        name: self.name.clone(),
                        offset: self.offset,
                        error,
                    });
                }
            }
        }
    }
}

/// Sizes of the files among `paths`; `None` if one is not a file, so that there is no total.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    paths.iter().try_fold(0_u64, |sum, path| {
        let metadata = std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        Some(sum.saturating_add(metadata.len()))
    })
}

/// The first bytes, as many as the longest magic number has, or fewer if there are no more.
fn start(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(ZSTD.len());
    reader.take(ZSTD.len() as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What `start` and `rest` say, and whether they were compressed.
fn decompressed(
    start: Vec<u8>,
    rest: impl Read + Send + 'static,
) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let (is_gzip, is_zstd) = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
    let whole = io::Cursor::new(start).chain(rest);
    if is_gzip {
        return Ok((Box::new(MultiGzDecoder::new(whole)), true));
    }
    if is_zstd {
        let mut decoder = zstd::Decoder::new(whole)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        return Ok((Box::new(decoder), true));
    }
    Ok((Box::new(whole), false))
}

/// A pipe that does not keep anybody waiting who wants to end, or to know the time.
struct Live {
    pipe: File,
    stop: Arc<AtomicBool>,
    /// Until it was followed.
    at_stop: Option<AtStop>,
    /// Is a pause told, as [`io::ErrorKind::WouldBlock`]?
    tells_quiet: Arc<AtomicBool>,
}

impl Read for Live {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pause = Timespec::try_from(LOOK_PAUSE).unwrap_or_default();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                match &self.at_stop {
                    Some(AtStop::End) => return Ok(0),
                    Some(AtStop::Ask(ask)) => {
                        ask();
                        self.at_stop = None;
                    }
                    None => {}
                }
            }
            let mut wait = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut wait, Some(&pause)) {
                Ok(0) if self.tells_quiet.load(Ordering::Relaxed) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(0) | Err(Errno::INTR) => {}
                // Bytes, the end, or an error: the read tells which.
                Ok(_) => return self.pipe.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.progress.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(stored: Vec<u8>) -> Result<Vec<u8>, InputError> {
        let progress = Arc::<AtomicU64>::default();
        let stored_len = stored.len() as u64;
        let reader = io::Cursor::new(stored);
        let mut input = Input::from_reader("it".to_owned(), reader, Arc::clone(&progress))?;
        let (mut all, mut buffer) = (Vec::new(), [0; 3]);
        loop {
            match input.read(&mut buffer)? {
                Arrival::Bytes(0) => break,
                Arrival::Bytes(len) => all.extend_from_slice(&buffer[..len]),
                Arrival::Quiet => panic!("a file is never quiet"),
            }
        }
        assert_eq!(progress.load(Ordering::Relaxed), stored_len);
        Ok(all)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_compressed_inputs_read_alike() {
        for bytes in [&b""[..], b"a", b"more than a magic number"] {
            assert_eq!(read(bytes.to_vec()).unwrap(), bytes);
            assert_eq!(read(gzip(bytes)).unwrap(), bytes);
            assert_eq!(read(zstd::encode_all(bytes, 1).unwrap()).unwrap(), bytes);
        }
    }

    #[test]
    fn compressed_files_that_were_appended_are_one() {
        let appended = [gzip(b"one, "), gzip(b"two")].concat();
        assert_eq!(read(appended).unwrap(), b"one, two");
        let appended = [
            zstd::encode_all(&b"one, "[..], 1).unwrap(),
            zstd::encode_all(&b"two"[..], 1).unwrap(),
        ];
        assert_eq!(read(appended.concat()).unwrap(), b"one, two");
    }

    #[test]
    fn a_cut_compressed_file_says_where() {
        let mut stored = gzip(&[7; 100_000]);
        stored.truncate(stored.len() - 9);
        let error = read(stored).unwrap_err().to_string();
        assert!(error.starts_with("failed to read it after "), "{error}");
    }

    #[test]
    fn a_window_of_zstd_beyond_the_limit_is_refused() {
        // Frames of an empty block; a window is 2^10 bytes and as many powers of two more as its byte says.
        let frame = |log: u32| {
            let log = u8::try_from(log - 10).unwrap() << 3;
            [&ZSTD[..], &[0, log, 1, 0, 0]].concat()
        };
        assert_eq!(read(frame(ZSTD_WINDOW_LOG_MAX)).unwrap(), b"");
        for log in [ZSTD_WINDOW_LOG_MAX + 1, 31] {
            let error = read(frame(log)).unwrap_err().to_string();
            assert!(
                error.starts_with("failed to read it after 0 bytes"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let source = Source::Path(PathBuf::from("/nowhere/x.pcap"));
        let error = Input::open(source, Arc::default(), Arc::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("failed to open /nowhere/x.pcap: "),
            "{error}"
        );
    }
}
