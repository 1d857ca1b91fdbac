//! The forms a report can take. Each is a function of the report alone: the same report gives the
//! same bytes.

mod html;
mod junit;
mod markdown;
mod sarif;

#[cfg(test)]
mod tests;

use super::{Report, text};

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people at a terminal.
    Text,
    /// For programs: one JSON object, described in docs/report.md.
    Json,
    /// For CI systems: a test suite a service, a test case a method and a gate.
    Junit,
    /// A short summary for a pull request.
    Markdown,
    /// One page for a browser, with everything in it.
    Html,
    /// SARIF 2.1.0, for code scanning tools.
    Sarif,
}

/// Why a report could not take a form: a bug, whatever the report is.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// JSON and SARIF.
    #[error("failed to write the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JUnit.
    #[error("failed to write the report as XML: {0}")]
    Xml(#[from] quick_junit::SerializeError),
    /// Markdown and HTML.
    #[error("failed to fill the report's template: {0}")]
    Template(#[from] askama::Error),
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Html,
        Self::Sarif,
    ];

    /// The report in this form. `style` is for people's forms.
    pub fn render(self, report: &Report, style: text::Style) -> Result<String, FormError> {
        Ok(match self {
            Self::Text => text::render(report, style),
            Self::Json => serde_json::to_string_pretty(report)? + "\n",
            Self::Junit => junit::render(report)?,
            Self::Markdown => markdown::render(report, style.groups_max)?,
            Self::Html => html::render(report)?,
            Self::Sarif => serde_json::to_string_pretty(&sarif::log(report))? + "\n",
        })
    }
}
