//! How far a run over the dataset is, where there is a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of so many calls.
pub(super) fn progress(calls: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(calls), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("comparing {bar:40} {human_pos} of {human_len} calls, {eta}")
    {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
