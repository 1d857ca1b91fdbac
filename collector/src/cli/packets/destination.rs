//! Where calls from packets go.

use std::sync::Arc;

use anyhow::Context as _;

use super::account::Account;
use super::options::{Format, PacketOptions};
use crate::clock::Clock;
use crate::pipeline::ingest::{Output, ParquetOutput, Rotation};
use crate::store::data_dir::DataDir;
use crate::store::parquet::{WriteSettings, sweep_unfinished};

/// Where calls go, and its lock, to be kept until all is written.
#[derive(Debug)]
pub(in crate::cli) struct Destination {
    pub(in crate::cli) output: Output,
    pub(in crate::cli) account: Option<Account>,
    _lock: Option<DataDir>,
}

impl Destination {
    /// Opens what `options` name; so many threads encode what goes there. `on_published` is told how many calls are in
    /// the dataset.
    pub(in crate::cli) fn open(
        options: &PacketOptions,
        producer_id: [u8; 16],
        clock: &Arc<dyn Clock>,
        rotation: Rotation,
        threads_count: usize,
        on_published: impl FnOnce(Account) -> Box<dyn FnMut(u64) + Send>,
    ) -> anyhow::Result<Self> {
        let output = match options.format {
            Format::None => Output::Nowhere,
            Format::Ndjson => Output::Lines(Box::new(std::io::stdout())),
            Format::Parquet => {
                let data_dir = DataDir::open(&options.data_dir)?;
                sweep_unfinished(data_dir.path())
                    .context("failed to remove half-written files of a crash")?;
                let account = Account::new(data_dir.path(), producer_id, clock);
                let output = Output::Parquet(ParquetOutput {
                    data_dir: data_dir.path().to_owned(),
                    producer_id,
                    settings: WriteSettings {
                        threads_count,
                        ..WriteSettings::default()
                    },
                    rotation,
                    on_published: on_published(account.clone()),
                });
                return Ok(Self {
                    output,
                    account: Some(account),
                    _lock: Some(data_dir),
                });
            }
        };
        Ok(Self {
            output,
            account: None,
            _lock: None,
        })
    }
}
