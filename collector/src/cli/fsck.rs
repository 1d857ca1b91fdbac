//! `twintap fsck`: is all of a data directory readable?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{EXIT_INCOMPLETE, EXIT_IO, terminal};
use crate::clock::SystemClock;
use crate::report::figures::count;
use crate::store::fsck::{Checked, Finding, Severity, check};

/// Checks that every recorded call can be read, and mends what can be mended without loss.
///
/// Reads every frame of the journal and every Parquet file of `calls`, compares them with their checksums,
/// decodes every value, and adds up the accounting. A file that an earlier twintap wrote has no checksum:
/// it is decoded and counted, and a bit that flipped within a value goes unseen. `pairs` and `differences`
/// are not checked: `twintap compare` writes them anew. Changes nothing without --repair.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Data directory
    #[arg(value_name = "DATA_DIR", default_value = "./twintap-data")]
    data_dir: PathBuf,

    /// Moves files that cannot be read to quarantine, counts them in the accounting, writes a damaged
    /// accounting.json anew from the journal, removes what was never whole, closes the directory to others.
    /// Nobody else may be using it
    #[arg(long)]
    repair: bool,

    /// How findings are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all can be read, and nothing is left to mend; 3 this is no data directory, is in
use (with --repair), a file could not be checked, or something is left that --repair mends; 4
recorded calls are lost, cannot be read, or were moved aside, now or by an earlier repair.

Examples:
  twintap fsck
  twintap fsck /var/lib/twintap --repair
  twintap fsck --output json | jq '.findings[] | select(.severity == \"damaged\")'";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let now = args.repair.then(|| SystemClock::shared().unix_ns());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("checking {bar:40} {pos} of {len} files, {eta}")
    {
        bar.set_style(style);
    }
    let checked = check(&args.data_dir, now, |all| {
        bar.set_length(all);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let checked = checked?;
    terminal::print(&match args.output {
        Form::Text => text(&checked),
        Form::Json => serde_json::to_string_pretty(&checked)? + "\n",
    })?;
    Ok(match checked.worst() {
        Some(Severity::Lost | Severity::Damaged) => ExitCode::from(EXIT_INCOMPLETE),
        Some(Severity::Unchecked) => ExitCode::from(EXIT_IO),
        _ if checked.is_repair_due() => ExitCode::from(EXIT_IO),
        _ => ExitCode::SUCCESS,
    })
}

fn text(checked: &Checked) -> String {
    let mut text: String = checked.findings.iter().map(line).collect();
    text += &format!(
        "{} in {} and {} in {} of the journal can be read\n",
        count(checked.calls, "call"),
        count(checked.parts, "file"),
        count(checked.frames, "frame"),
        count(checked.segments, "segment"),
    );
    if checked.parts_without_checksum > 0 {
        text += &format!(
            "{} of these files have no checksum: a flipped bit in them may go unseen\n",
            checked.parts_without_checksum
        );
    }
    if checked.is_repair_due() {
        text +=
            "twintap fsck --repair mends what can be mended, and moves aside what cannot be read\n";
    }
    if checked.worst() >= Some(Severity::Damaged) {
        text += "recorded calls are lost or cannot be read: no comparison here is complete\n";
    }
    text
}

fn line(finding: &Finding) -> String {
    let severity = match (finding.severity, finding.is_repaired) {
        (Severity::Note, _) => "note",
        (Severity::Repairable, false) => "to mend",
        (Severity::Unchecked, false) => "unknown",
        (Severity::Damaged, false) => "damaged",
        (Severity::Lost, false) => "lost",
        // What was moved aside is out of the way, and out of reach.
        (Severity::Damaged, true) => "aside",
        (_, true) => "mended",
    };
    format!(
        "{severity:<8} {}: {}\n",
        finding.path.display(),
        finding.what
    )
}
