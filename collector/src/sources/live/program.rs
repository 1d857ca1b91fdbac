//! Finds and starts `twintap-capture`; its beginning is waited for, so that what cannot be captured is
//! known before anything is written.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use twintap_capture::{ErrorKind, Interface, Line, PROGRAM, Started, VERSION};

use super::{Narrator, Watch};

/// Bytes of a line at most: more is no line of the program.
pub(super) const LINE_BYTES_MAX: u64 = 4096;

/// What to capture.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// The program, as [`find_program`] found it.
    pub program: PathBuf,
    /// Name of the interface.
    pub interface: String,
    /// In the language of pcap-filter(7); empty for everything.
    pub filter: String,
    /// Bytes of the kernel's buffer; the program's default if absent.
    pub buffer_bytes: Option<u32>,
    /// Also what is not addressed to this machine?
    pub is_promiscuous: bool,
    /// Ends after so many packets.
    pub packets_max: Option<u64>,
    /// Ends after so long.
    pub duration: Option<Duration>,
}

/// Why a capture did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("failed to start {program}: {error}")]
    Spawn {
        /// What was tried.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The program said why.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        kind: ErrorKind,
        /// In the program's words: interface or filter, and libpcap's reason.
        message: String,
    },
    /// The program is another one.
    #[error("{program} is not the {PROGRAM} that belongs to this twintap: it says {said:?}")]
    Stranger {
        /// The program.
        program: PathBuf,
        /// Its first line.
        said: String,
    },
}

/// A capture that has started.
#[derive(Debug)]
pub struct Program {
    /// The pcap, as it grows.
    pub packets: OwnedFd,
    /// Asks it to end.
    pub stopper: Stopper,
    /// Listens to what it tells.
    pub narrator: Narrator,
    /// How it started.
    pub started: Started,
}

impl Program {
    /// Starts capturing, and waits until it has begun.
    pub fn start(settings: &LiveSettings, watch: Arc<Watch>) -> Result<Self, StartError> {
        let mut child = command(settings)
            .spawn()
            .map_err(|error| StartError::Spawn {
                program: settings.program.clone(),
                error,
            })?;
        match begin(&mut child, &settings.program) {
            Ok(begun) => Ok(Self {
                packets: begun.packets,
                stopper: begun.stopper.clone(),
                narrator: Narrator::new(child, begun.stopper, begun.lines, watch),
                started: begun.started,
            }),
            Err(error) => {
                // Whatever it is, it is not to go on alone. It may have ended by itself.
                child.kill().ok();
                child.wait().ok();
                Err(error)
            }
        }
    }
}

/// Sends signals to one program, and never to another that got its number.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Asks it to write what it has, and to end.
    pub fn ask(&self) {
        self.send(Signal::TERM);
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        // One that has ended needs no signal.
        pidfd_send_signal(self.0.as_fd(), signal).ok();
    }
}

/// `twintap-capture`: `wanted` if given, else beside this program, else on the PATH.
pub fn find_program(wanted: Option<&Path>) -> PathBuf {
    if let Some(wanted) = wanted {
        return wanted.to_owned();
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|program| program.with_file_name(PROGRAM));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    let mut places = beside.into_iter().chain(on_path);
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| PathBuf::from(PROGRAM))
}

/// All interfaces, as `program` sees them.
pub fn interfaces(program: &Path) -> Result<Vec<Interface>, StartError> {
    let mut command = Command::new(program);
    let output = command.arg("--list-interfaces").output();
    let output = output.map_err(|error| StartError::Spawn {
        program: program.to_owned(),
        error,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let interfaces = text.lines().filter_map(Interface::parse).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    match errors.lines().next().map(str::parse) {
        Some(Ok(Line::Error(kind, message))) => Err(StartError::Refused { kind, message }),
        _ if output.status.success() => Ok(interfaces),
        _ => Err(StartError::Stranger {
            program: program.to_owned(),
            said: errors.lines().take(1).collect(),
        }),
    }
}

fn command(settings: &LiveSettings) -> Command {
    let mut command = Command::new(&settings.program);
    command.args(["--interface", &settings.interface]);
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.arg(name).arg(value);
        }
    };
    option(
        "--buffer-bytes",
        settings.buffer_bytes.map(|bytes| bytes.to_string()),
    );
    option(
        "--packets-max",
        settings.packets_max.map(|count| count.to_string()),
    );
    option(
        "--duration-ms",
        settings.duration.map(|it| it.as_millis().to_string()),
    );
    if settings.is_promiscuous {
        command.arg("--promiscuous");
    }
    command.arg("--").arg(&settings.filter);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a program has when it has begun.
struct Begun {
    packets: OwnedFd,
    stopper: Stopper,
    lines: BufReader<ChildStderr>,
    started: Started,
}

fn begin(child: &mut Child, program: &Path) -> Result<Begun, StartError> {
    let failed = |error| StartError::Spawn {
        program: program.to_owned(),
        error,
    };
    let no_pipe = || failed(io::Error::other("it has no pipes"));
    let packets = child.stdout.take().ok_or_else(no_pipe)?;
    let mut lines = BufReader::new(child.stderr.take().ok_or_else(no_pipe)?);
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let stopper = Stopper(Arc::new(pidfd.map_err(|error| failed(error.into()))?));
    let mut said = String::new();
    let first = lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut said);
    first.map_err(failed)?;
    let said = said.trim_end().to_owned();
    match said.parse() {
        Ok(Line::Started(started)) if started.version == VERSION => Ok(Begun {
            packets: packets.into(),
            stopper,
            lines,
            started,
        }),
        Ok(Line::Error(kind, message)) => Err(StartError::Refused { kind, message }),
        _ => Err(StartError::Stranger {
            program: program.to_owned(),
            said,
        }),
    }
}
