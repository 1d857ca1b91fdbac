//! What an ingest came to.

use twintap_decode::capture::{Damage, ReaderCounters};
use twintap_decode::ip::FragmentCounters;
use twintap_decode::link::LinkCounters;

use super::order::OutOfOrder;
use super::progress::CallCounts;
use super::servers::ServersSeen;
use crate::sources::capture::learn::NameCounts;
use crate::sources::capture::{InputError, Watched};
use crate::store::parquet::WriteError;

/// What became of everything.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Of records.
    pub reader: ReaderCounters,
    /// The first damaged records and all that ended their files, with the names of the files.
    pub damages: Vec<(String, Damage)>,
    /// Inputs that turned out to be no captures, or of an unknown kind.
    pub unreadable_inputs: u64,
    /// Inputs that could not be opened or read to their end.
    pub input_errors: Vec<InputError>,
    /// Errors and damaged records of inputs of which no packet could be read, because they are no captures
    /// or cannot be opened. Nothing of them is in the dataset, so that nothing of them is missing there.
    pub refusals: u64,
    /// Of packets.
    pub link: LinkCounters,
    /// Segments of other ports than the wanted.
    pub unwanted_segments: u64,
    /// Of fragments.
    pub fragments: FragmentCounters,
    /// Of segments, connections and streams.
    pub watched: Watched,
    /// Of calls.
    pub calls: CallCounts,
    /// A method whose calls were not wanted, if there were any.
    pub excluded_method: Option<String>,
    /// Of calls whose method was not captured.
    pub names: NameCounts,
    /// Calls that could not be learnt from, to name others.
    pub unlearnt: u64,
    /// Blocks of TLS secrets that came with the packets.
    pub secrets: u64,
    /// Blocks of secrets of other protocols, which are of no use.
    pub foreign_secrets: u64,
    /// Which servers answered.
    pub servers: ServersSeen,
    /// Inputs that are out of order.
    pub out_of_order: OutOfOrder,
    /// Was it stopped before its end?
    pub is_stopped: bool,
}

impl Ingested {
    /// Errors and damaged records of all inputs.
    pub(super) fn problems(&self) -> u64 {
        self.input_errors.len() as u64 + self.reader.damages
    }

    /// Those that cost packets.
    pub fn losses(&self) -> u64 {
        self.problems().saturating_sub(self.refusals)
    }
}

/// Why nothing more could be written.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The dataset cannot be written.
    #[error(transparent)]
    Parquet(#[from] WriteError),
    /// Lines cannot be written.
    #[error("failed to write calls")]
    Lines(#[from] std::io::Error),
    /// No thread could be started.
    #[error("failed to start a thread: {0}")]
    Thread(std::io::Error),
    /// A worker or the writer failed, which is a bug.
    #[error("the {0} ended unexpectedly")]
    Ended(&'static str),
}
