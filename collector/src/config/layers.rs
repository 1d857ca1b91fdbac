//! Layers of text values, each with its origin; the last one that sets a key wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file;
use super::keys::KEYS;
use super::{ConfigError, ENV_FILE, ENV_PREFIX};

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An environment variable.
    Env(String),
    /// A command line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The value that wins for each key so far.
#[derive(Clone, Debug)]
pub struct Layers {
    values: BTreeMap<&'static str, (String, Origin)>,
    unknown: Vec<String>,
}

impl Default for Layers {
    fn default() -> Self {
        let default = |key: &super::Key| (key.name, (key.default.to_owned(), Origin::Default));
        Self {
            values: KEYS.iter().map(default).collect(),
            unknown: Vec::new(),
        }
    }
}

impl Layers {
    /// Adds the keys of a TOML file.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        for (key, value, origin) in file::read(path)? {
            self.set(&key, value, origin)?;
        }
        Ok(())
    }

    /// Adds the variables of the environment that begin with `TWINTAP_`. One that is no key is not
    /// an error: Kubernetes sets `TWINTAP_PORT` and others in every pod beside a Service `twintap`.
    /// [`Self::unknown`] tells of them.
    pub fn add_env(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            let Some(key) = name.strip_prefix(ENV_PREFIX) else {
                continue;
            };
            if name == ENV_FILE {
                continue;
            }
            let key = key.to_ascii_lowercase();
            if let Err(error) = self.set(&key, value, Origin::Env(name)) {
                self.unknown.push(error.to_string());
            }
        }
    }

    /// Does the variable `name` set a key?
    pub fn is_key(name: &str) -> bool {
        let key = name.strip_prefix(ENV_PREFIX).map(str::to_ascii_lowercase);
        key.is_some_and(|key| KEYS.iter().any(|known| known.name == key))
    }

    /// The variables that begin with `TWINTAP_` and are no keys, each with a hint.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Sets one key.
    pub fn set(&mut self, key: &str, value: String, origin: Origin) -> Result<(), ConfigError> {
        match KEYS.iter().find(|known| known.name == key) {
            Some(known) => {
                self.values.insert(known.name, (value, origin));
                Ok(())
            }
            None => {
                let problem = format!("unknown key `{key}`{}", hint(key));
                Err(ConfigError {
                    origin: origin.to_string(),
                    problem,
                })
            }
        }
    }

    /// All keys with the values that win, in the order of [`KEYS`].
    pub fn effective(&self) -> impl Iterator<Item = (&super::Key, &str, &Origin)> {
        KEYS.iter().filter_map(|key| {
            let (value, origin) = self.values.get(key.name)?;
            Some((key, value.as_str(), origin))
        })
    }

    pub(super) fn parse<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let value = self.values.get(key).map_or("", |(value, _)| value.as_str());
        parse(value).map_err(|problem| self.error(key, format!("{key} = \"{value}\": {problem}")))
    }

    pub(super) fn error(&self, key: &str, problem: String) -> ConfigError {
        let origin = self
            .values
            .get(key)
            .map_or(Origin::Default, |(_, origin)| origin.clone());
        ConfigError {
            origin: origin.to_string(),
            problem,
        }
    }
}

/// The nearest known name, if one is near.
fn hint(unknown: &str) -> String {
    KEYS.iter()
        .map(|key| (strsim::levenshtein(unknown, key.name), key.name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 3 + 1)
        .map_or_else(
            || ", `twintap check-config` lists the known ones".to_owned(),
            |(_, name)| format!(", did you mean `{name}`?"),
        )
}
