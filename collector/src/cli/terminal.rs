//! Standard output and standard error: what they can show, and that who reads them may leave.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::pipeline::ingest::IngestError;

/// Columns of the terminal; where there is none what `COLUMNS` says, else `plain`.
pub(super) fn columns(plain: usize) -> usize {
    let size = console::Term::stdout().size_checked();
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = size.map(|(_, columns)| usize::from(columns)).or_else(said);
    columns.unwrap_or(plain)
}

/// Are colours wanted, and is there somebody to see them?
pub(super) fn colours() -> bool {
    io::stdout().is_terminal() && console::colors_enabled()
}

/// Did writing end because nobody reads standard output? Of other pipes and connections an error says more.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let lines = error.downcast_ref::<IngestError>();
    let error = match lines {
        Some(IngestError::Lines(error)) => Some(error),
        _ => error
            .chain()
            .next()
            .and_then(<dyn Error>::downcast_ref::<io::Error>),
    };
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An answer was `written`; who reads it may leave before its end, such as `head`: it is in the exit code too.
pub(super) fn answered(written: anyhow::Result<()>) -> anyhow::Result<()> {
    written.or_else(|error| match is_closed_pipe(&error) {
        true => Ok(()),
        false => Err(error),
    })
}

/// Prints an answer, see [`answered`].
pub(super) fn print(answer: &str) -> anyhow::Result<()> {
    answered(write(answer).map_err(Into::into))
}

/// Says on standard error what is no answer. Where that is closed there is nobody to tell.
pub(super) fn tell(what: impl Display) {
    tell_lines(&format!("twintap: {what}\n"));
}

/// The same of whole lines.
pub(super) fn tell_lines(lines: &str) {
    io::stderr().write_all(lines.as_bytes()).ok();
}

/// Writes all of `text`.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
