//! A live capture: the program's pipe as the one input of [`ingest`], and a thread that listens to it.

use super::ingest::{IngestError, Ingested, Output, Settings, ingest};
use super::spawn;
use crate::sources::capture::{AtStop, Source};
use crate::sources::live::{Broken, Program};

/// What became of everything.
#[derive(Debug)]
pub struct Captured {
    /// Of packets that came, and calls.
    pub ingested: Ingested,
    /// Why the capture ended before it was asked to.
    pub broken: Option<Broken>,
}

/// Captures until the program ends, which `settings.stop` asks it to; blocks until all is written.
/// `settings.inputs` is replaced.
pub fn capture(
    program: Program,
    mut settings: Settings,
    output: Output,
) -> Result<Captured, IngestError> {
    let (stopper, killer) = (program.stopper.clone(), program.stopper);
    settings.inputs = vec![Source::Pipe {
        name: "the capture".to_owned(),
        pipe: program.packets,
        at_stop: AtStop::Ask(Box::new(move || stopper.ask())),
    }];
    let narrator = program.narrator;
    let narrated = spawn("narrator", move || narrator.listen()).map_err(IngestError::Thread)?;
    let ingested = ingest(settings, output);
    if ingested.is_err() {
        // Nobody reads any more: it is not waited for, in case somebody stopped it.
        killer.kill();
    }
    let broken = narrated
        .join()
        .map_err(|_| IngestError::Ended("narrator"))?;
    Ok(Captured {
        ingested: ingested?,
        broken: broken.err(),
    })
}
