//! The arguments by which commands take their configuration.

use std::path::PathBuf;

use crate::config::{Config, ConfigError, ENV_FILE, Layers, Origin};

/// Where the configuration is from. Later ones win: defaults, file, environment, flags.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// TOML file with configuration keys.
    #[arg(long, value_name = "FILE", env = ENV_FILE)]
    pub config: Option<PathBuf>,
    /// Address and port of the HTTP endpoint [default: 127.0.0.1:9090].
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Where records, dataset and accounting are kept [default: ./twintap-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// A record is in Parquet after about this long [default: 30s].
    #[arg(long, value_name = "DURATION")]
    pub publish_interval: Option<String>,
    /// Any other key; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// All layers, and what they come to.
    pub fn load(&self) -> Result<(Layers, Config), ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = &self.config {
            layers.add_file(path)?;
        }
        layers.add_env(variables()?);
        let flags = [
            ("listen", "--listen", &self.listen),
            ("data_dir", "--data-dir", &self.data_dir),
            (
                "publish_interval",
                "--publish-interval",
                &self.publish_interval,
            ),
        ];
        for (key, flag, value) in flags {
            if let Some(value) = value {
                layers.set(key, value.clone(), Origin::Flag(flag.to_owned()))?;
            }
        }
        for pair in &self.set {
            let origin = Origin::Flag(format!("--set {pair}"));
            let Some((key, value)) = pair.split_once('=') else {
                let problem = "expected KEY=VALUE".to_owned();
                return Err(ConfigError {
                    origin: origin.to_string(),
                    problem,
                });
            };
            layers.set(key.trim(), value.trim().to_owned(), origin)?;
        }
        let config = Config::from_layers(&layers)?;
        Ok((layers, config))
    }
}

/// The variables of the environment that are text. One that is to be a key and is not text is refused: passing it
/// over would leave the key as it was, without a word.
fn variables() -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        // The names of keys are text.
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if Layers::is_key(&name) => {
                return Err(ConfigError {
                    origin: Origin::Env(name).to_string(),
                    problem: "its value is not UTF-8".to_owned(),
                });
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}
