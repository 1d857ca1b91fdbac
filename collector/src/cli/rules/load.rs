//! The rules that the options of a command name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Zoned;
use jiff::civil::Date;

use super::super::{UsageError, terminal};
use crate::compare::Rules;
use crate::compare::rules::file::{self, Problem};
use crate::compare::rules::{Preset, Rule};

/// Options that say which differences do not count.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct RulesArgs {
    /// Rules file: which differences do not count, see docs/rules.md; may be given several times,
    /// the first rule that applies decides
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) rules: Vec<PathBuf>,

    /// Rules that come with the program, after those of files
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) preset: Vec<Preset>,

    /// Ignore differences of this metadata name; a trailing `*` matches any rest; may be given
    /// several times
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) ignore_metadata: Vec<String>,
}

impl RulesArgs {
    /// Reads them, and says on standard error which have expired.
    pub(in crate::cli) fn load_and_warn(&self) -> anyhow::Result<Rules> {
        let rules = self.load(Zoned::now().date())?;
        for rule in rules.expired() {
            let (origin, name) = (rule.origin(), rule.name());
            terminal::tell(format_args!(
                "{origin}: rule {name:?} has expired and is not applied"
            ));
        }
        Ok(rules)
    }

    /// Reads them all; `today` decides which have expired.
    fn load(&self, today: Date) -> anyhow::Result<Rules> {
        let mut rules = Rules::default();
        rules.extend(
            self.ignore_metadata
                .iter()
                .map(|name| Rule::ignore_metadata(name)),
        );
        for path in &self.rules {
            let text = read(path)?;
            rules.extend(valid(file::parse(&text, &path.display().to_string()))?);
        }
        for preset in &self.preset {
            rules.extend(valid(preset.rules())?);
        }
        if let Some(name) = repeated(&rules) {
            let text = format!("two rules are called {name:?}: reports tell rules by their names");
            return Err(UsageError(text).into());
        }
        rules.retire(today);
        Ok(rules)
    }
}

/// The text of a rules file.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read rules {}", path.display()))
}

fn valid(parsed: Result<Vec<Rule>, Vec<Problem>>) -> anyhow::Result<Vec<Rule>> {
    parsed.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        UsageError(format!("rules are not valid:\n{}", lines.join("\n"))).into()
    })
}

fn repeated(rules: &Rules) -> Option<String> {
    let mut names = std::collections::HashSet::new();
    rules
        .iter()
        .find(|rule| !names.insert(rule.name()))
        .map(|rule| rule.name().to_string())
}
