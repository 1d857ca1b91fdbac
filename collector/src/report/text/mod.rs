//! The report for a terminal: answer first, then what differs, then how complete the data is.
//!
//! Everything that comes from the wire is escaped. Colours only where `Style` says so; the text
//! says the same without them.

mod completeness;
mod coverage;
mod differences;
mod methods;
mod page;
mod schema_drift;
mod side_by_side;
mod verdict;

use super::Report;
use super::side_by_side::Shown;
use page::Page;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// May colours be used?
    pub colours: bool,
    /// Groups of differences shown.
    pub groups_max: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 100,
            colours: false,
            groups_max: 20,
        }
    }
}

/// Narrowest and widest layout.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// Prints `report`.
pub fn render(report: &Report, style: Style) -> String {
    let mut page = Page::new(style);
    page.head(report);
    page.answer(report);
    page.gates(&report.gates);
    page.methods(&report.methods);
    page.differences(report);
    page.schema_drift(report);
    page.coverage(report);
    page.completeness(report);
    page.out
}

/// Prints what an id led to; equal lines only if `all` are asked for.
pub fn render_shown(shown: &Shown, style: Style, all: bool) -> String {
    let mut page = Page::new(style);
    page.shown(shown, all);
    page.out
}
