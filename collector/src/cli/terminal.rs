//! What standard output can show: columns and colours.

use std::io::IsTerminal;

/// Columns of the terminal; `plain` where there is none.
pub(super) fn columns(plain: usize) -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(plain, |(_, columns)| usize::from(columns))
}

/// Are colours wanted, and is there somebody to see them?
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && console::colors_enabled()
}
