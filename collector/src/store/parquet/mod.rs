//! The `calls`, `pairs` and `differences` datasets. The only module that knows Arrow.
//!
//! [`write_part`] turns calls into published files, [`Dataset`] reads them back bucket by bucket,
//! [`PairsWriter`] and [`DifferencesWriter`] keep what a comparison found. Every file appears under
//! its name whole or not at all.

mod arrays;
mod bucket_rows;
mod check;
mod checksum;
mod columns;
mod concatenated;
mod constants;
mod contain;
mod describe;
mod encode;
mod encoders;
mod error;
mod files;
mod find;
mod from_rows;
mod layout;
mod order;
mod part;
mod producers;
mod properties;
mod publish;
mod reader;
mod results;
mod run;
mod schema;
mod shards;
mod sweep;
mod typed;
mod writer;

pub use check::{CheckedPart, check_part};
pub use describe::{ColumnDescription, describe_calls, describe_differences, describe_pairs};
pub use error::{ReadError, WriteError};
pub use files::{PartFiles, part_files};
pub use find::{FindLimits, Ids, Request};
pub use order::StartWindow;
pub use producers::Recorded;
pub use reader::{Calls, Dataset, Projection};
pub use results::{DifferenceRow, DifferencesWriter, PairRow, PairsWriter, SideRow};
pub use run::{Removed, Unknown, is_part_of, remove_run, run_calls, run_part, unknown_runs};
pub use shards::Shards;
pub use sweep::sweep_unfinished;
pub use writer::{Published, WriteSettings, unfit_calls, write_part};

/// Major version of the `calls` schema that this code writes; newer ones are refused.
pub const SCHEMA_VERSION: u32 = 1;
