//! `--watch`: the report of a data directory that is being written, again and again.
//!
//! Every interval the data directory is looked at; where parts were published, calls were lost, or a call
//! has waited long enough for its partner, everything is compared again, and the report printed if it
//! has changed. A partner may come later than its call: each recorder ships, and the collector publishes,
//! at times of its own. So a call younger than `--watch-grace` is `awaiting_partner`, not unpaired.
//!
//! Not supported: adding only what is new. A round costs what `compare` costs; the next begins an
//! interval after it ended.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::output::OutputArgs;
use super::{Args, report_of};
use crate::cli::{EXIT_IO, UsageError, terminal, told};
use crate::clock::{Clock, SystemClock};
use crate::pipeline::comparison::{Comparison, Snapshot};
use crate::pipeline::signals::stop_signal;
use crate::report::Report;
use crate::report::form::Form;

/// Shortest interval: looking costs something.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

/// Arguments of watching.
#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Compare again whenever calls were added, looking every so many seconds, and print the report (text,
    /// or JSON, one line each). Ctrl-C ends with the exit code of the last report. Writes no datasets
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5",
        value_parser = parse_interval,
    )]
    watch: Option<Duration>,

    /// How long a call waits for its partner before it counts as unpaired
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "90",
        requires = "watch",
        value_parser = parse_seconds,
    )]
    watch_grace: Duration,
}

impl WatchArgs {
    /// How often to look; `None` to compare once.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watch
    }

    /// Finds what cannot be followed before any work is done.
    pub(super) fn check(&self, output: &OutputArgs) -> anyhow::Result<()> {
        if self.watch.is_some() && !matches!(output.form(), Form::Text | Form::Json) {
            return Err(UsageError::error(
                "--watch prints text or JSON: give other forms as --write-report FORM=FILE",
            ));
        }
        Ok(())
    }

    /// Calls that started at this or later may still find a partner.
    fn awaiting_from_ns(&self, clock: &dyn Clock) -> u64 {
        let grace = u64::try_from(self.watch_grace.as_nanos()).unwrap_or(u64::MAX);
        clock.unix_ns().saturating_sub(grace)
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds".to_owned())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_seconds(text)?;
    if interval < INTERVAL_MIN {
        let least = INTERVAL_MIN.as_secs_f64();
        return Err(format!(
            "looking costs something: give at least {least} seconds"
        ));
    }
    Ok(interval)
}

/// Watches until a signal asks to end.
pub(super) fn run(
    args: &Args,
    comparison: Comparison,
    interval: Duration,
) -> anyhow::Result<ExitCode> {
    let stop = stop_signal()?;
    let mut watch = Watch {
        args,
        comparison,
        clock: SystemClock::shared(),
        last: None,
    };
    // What is wrong from the start is the user's to know at once.
    watch.look()?;
    let mut failure = None;
    while !is_asked_to_end(&stop, interval) {
        // A file may be on its way in or out: it may be there the next time.
        failure = watch.look().err();
        if let Some(error) = &failure {
            terminal::tell(format_args!("{}; will try again", told(error)));
        }
    }
    watch.end()?;
    Ok(match (failure, watch.last) {
        (None, Some((_, report))) => ExitCode::from(report.answer.exit_code),
        _ => ExitCode::from(EXIT_IO),
    })
}

fn is_asked_to_end(stop: &Receiver<()>, interval: Duration) -> bool {
    // Without anybody to ask, nothing would ever end this.
    !matches!(stop.recv_timeout(interval), Err(RecvTimeoutError::Timeout))
}

struct Watch<'a> {
    args: &'a Args,
    comparison: Comparison,
    clock: std::sync::Arc<dyn Clock>,
    /// What was last compared, and what came of it.
    last: Option<(Snapshot, Report)>,
}

impl Watch<'_> {
    /// Looks once, and compares and prints if there is something new.
    fn look(&mut self) -> anyhow::Result<()> {
        let snapshot = self.comparison.open()?;
        if let Some((before, report)) = &self.last
            && snapshot.is_same(before)
            && awaiting(report) == 0
        {
            return Ok(());
        }
        let from_ns = self.args.watch.awaiting_from_ns(&*self.clock);
        let report = report_of(&self.comparison, &snapshot, Some(from_ns))?;
        let json = serde_json::to_string(&report)?;
        let is_new = match &self.last {
            Some((_, before)) => serde_json::to_string(before)? != json,
            None => true,
        };
        if is_new {
            self.print(&report, json)?;
        }
        self.last = Some((snapshot, report));
        Ok(())
    }

    fn print(&self, report: &Report, json: String) -> anyhow::Result<()> {
        let output = &self.args.output;
        output.write_files(report)?;
        let mut stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        if output.form() == Form::Json {
            stdout.write_all((json + "\n").as_bytes())?;
        } else {
            if is_terminal {
                stdout.write_all(CLEAR.as_bytes())?;
            }
            output.print(report)?;
            if is_terminal {
                let waiting = awaiting(report);
                writeln!(
                    stdout,
                    "watching; {waiting} calls await their partner; Ctrl-C ends"
                )?;
            }
        }
        Ok(stdout.flush()?)
    }

    /// Leaves the last report on the screen; elsewhere it is the last that was written.
    fn end(&self) -> anyhow::Result<()> {
        match &self.last {
            Some((_, report)) if std::io::stdout().is_terminal() => {
                std::io::stdout().write_all(CLEAR.as_bytes())?;
                self.args.output.print(report)
            }
            _ => Ok(()),
        }
    }
}

/// Calls whose partner may still come.
fn awaiting(report: &Report) -> u64 {
    let unpaired = &report.completeness.unpaired;
    unpaired.get("awaiting_partner").copied().unwrap_or(0)
}
