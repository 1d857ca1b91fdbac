//! Where the report goes: one form on standard output, others into files.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;

use crate::cli::whole_file::{folder, write_whole};
use crate::cli::{UsageError, terminal};
use crate::report::form::Form;
use crate::report::{Report, text};

/// Columns of a report that is not for a terminal.
const PLAIN_COLUMNS: usize = 80;

/// Arguments of the report's forms.
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Form of the report on standard output
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,

    /// Also write the report into a file, such as `html=report.html`; may be given several times.
    /// The file has its name when it is whole
    #[arg(long, value_name = "FORM=FILE")]
    write_report: Vec<ReportFile>,

    /// Groups of differences shown in the text report and the Markdown summary
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

/// A form and the file that gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReportFile {
    form: Form,
    file: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (form, file) = text
            .split_once('=')
            .filter(|(_, file)| !file.is_empty())
            .ok_or_else(|| format!("not FORM=FILE, where FORM is one of {}", forms()))?;
        Ok(Self {
            form: <Form as clap::ValueEnum>::from_str(form, false)
                .map_err(|_| format!("there is no form {form:?}, only {}", forms()))?,
            file: file.into(),
        })
    }
}

/// The names of all forms.
fn forms() -> String {
    let forms = <Form as clap::ValueEnum>::value_variants().iter();
    let values = forms.filter_map(clap::ValueEnum::to_possible_value);
    let names: Vec<_> = values.map(|value| value.get_name().to_owned()).collect();
    names.join(", ")
}

impl OutputArgs {
    /// Finds what cannot be followed before any work is done.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (index, report) in self.write_report.iter().enumerate() {
            let name = report.file.display();
            let mut before = self.write_report.iter().take(index);
            if before.any(|earlier| earlier.file == report.file) {
                return Err(UsageError(format!("--write-report names {name} twice")).into());
            }
            if report.file.is_dir() {
                anyhow::bail!("failed to write report {name}: it is a folder");
            }
            if !folder(&report.file).is_dir() {
                anyhow::bail!("failed to write report {name}: its folder does not exist");
            }
        }
        Ok(())
    }

    /// The form on standard output.
    pub(super) fn form(&self) -> Form {
        self.output
    }

    pub(super) fn write_files(&self, report: &Report) -> anyhow::Result<()> {
        let style = self.style(PLAIN_COLUMNS, false);
        for ReportFile { form, file } in &self.write_report {
            let text = form.render(report, style)?;
            write_whole(file, text.as_bytes())
                .with_context(|| format!("failed to write report {}", file.display()))?;
        }
        Ok(())
    }

    pub(super) fn print(&self, report: &Report) -> anyhow::Result<()> {
        let style = self.style(terminal::columns(PLAIN_COLUMNS), terminal::colours());
        Ok(terminal::write(&self.output.render(report, style)?)?)
    }

    fn style(&self, width: usize, colours: bool) -> text::Style {
        text::Style {
            width,
            colours,
            groups_max: self.top,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_a_file_are_needed() {
        let html: ReportFile = "html=a=b.html".parse().unwrap();
        assert_eq!((html.form, html.file), (Form::Html, "a=b.html".into()));
        for wrong in ["html", "html=", "=a", "pdf=a.pdf", ""] {
            assert!(wrong.parse::<ReportFile>().is_err(), "{wrong}");
        }
    }
}
