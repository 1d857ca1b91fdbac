//! What standard output can show: columns and colours.

use std::io::IsTerminal;

/// Columns of the terminal; where there is none what `COLUMNS` says, else `plain`.
pub(super) fn columns(plain: usize) -> usize {
    let size = console::Term::stdout().size_checked();
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = size.map(|(_, columns)| usize::from(columns)).or_else(said);
    columns.unwrap_or(plain)
}

/// Are colours wanted, and is there somebody to see them?
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && console::colors_enabled()
}
