//! What the program tells while it captures, and how it ended.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, ChildStderr, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use twintap_capture::{Ending, Line, PROGRAM, Stats};

use super::Stopper;
use super::program::LINE_BYTES_MAX;

/// So far.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The newest statistics.
    pub stats: Stats,
    /// Times that more packets were dropped than when last told.
    pub loss_bursts: u64,
    /// Why it ended, once it has.
    pub ending: Option<Ending>,
    /// Why it broke off.
    pub error: Option<String>,
}

impl Told {
    fn hear(&mut self, line: Line) {
        match line {
            Line::Started(_) => {}
            Line::Stats(stats) => self.count(stats),
            Line::Ended(ending, stats) => {
                self.count(stats);
                self.ending = Some(ending);
            }
            Line::Error(_, message) => self.error = Some(message),
        }
    }

    fn count(&mut self, stats: Stats) {
        self.loss_bursts += u64::from(stats.lost() > self.stats.lost());
        self.stats = stats;
    }
}

/// [`Told`], for others to look at.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Told>);

impl Watch {
    /// What was told so far.
    pub fn told(&self) -> Told {
        self.with(|told| told.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A capture broke off: what was captured before counts, and nobody knows what was dropped since the
/// newest statistics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PROGRAM} broke off: {0}")]
pub struct Broken(String);

/// Listens to one program.
#[derive(Debug)]
pub struct Narrator {
    child: Child,
    stopper: Stopper,
    lines: BufReader<ChildStderr>,
    watch: Arc<Watch>,
}

impl Narrator {
    pub(super) fn new(
        child: Child,
        stopper: Stopper,
        lines: BufReader<ChildStderr>,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            child,
            stopper,
            lines,
            watch,
        }
    }

    /// Listens until the program has ended; says so if it did not end as it was asked to.
    pub fn listen(mut self) -> Result<(), Broken> {
        while let Some(line) = next_line(&mut self.lines) {
            // What is no line of the contract, such as a library's warning, is nothing to count.
            if let Ok(line) = line.parse() {
                self.watch.with(|told| told.hear(line));
            }
        }
        // Standard error is closed: it has ended, or is about to.
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => {
                self.stopper.kill();
                return Err(Broken(error.to_string()));
            }
        };
        let told = self.watch.told();
        match (told.ending, told.error) {
            (_, Some(error)) => Err(Broken(error)),
            (Some(_), None) => Ok(()),
            (None, None) => Err(Broken(status_text(status))),
        }
    }
}

/// The next line; one that is longer than [`LINE_BYTES_MAX`] comes in pieces. `None` at the end, and at an error,
/// behind which nothing comes.
fn next_line(lines: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    match lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()),
    }
}

fn status_text(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("exit code {code}, without saying why"),
        (None, None) => "it ended, nobody knows how".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_loss_is_counted_once() {
        let mut told = Told::default();
        for (kernel_dropped, bursts) in [(0, 0), (5, 1), (5, 1), (9, 2)] {
            told.hear(Line::Stats(Stats {
                kernel_dropped,
                ..Stats::default()
            }));
            assert_eq!(told.loss_bursts, bursts);
        }
        let last = Stats {
            kernel_dropped: 9,
            own_dropped: 1,
            ..Stats::default()
        };
        told.hear(Line::Ended(Ending::Signal, last));
        assert_eq!((told.loss_bursts, told.stats), (3, last));
    }
}
