//! What was compared, the answer, and the gates.

use super::page::{Colour, Page};
use crate::escape::escape;
use crate::report::describe;
use crate::report::figures::{count, size};
use crate::report::gate::State;
use crate::report::{Gate, Report};

impl Page {
    pub(super) fn head(&mut self, report: &Report) {
        let scope = &report.scope;
        let title = self.paint("twintap compare", Colour::Bold);
        self.line(format_args!("{title}  {}", escape(&scope.data_dir)));
        let completeness = &report.completeness;
        self.line(format_args!(
            "{}, {}, {}",
            count(completeness.calls, "recorded call"),
            count(completeness.pairs, "pair"),
            count(size(report.methods.len()), "method"),
        ));
        if let (Some(first), Some(last)) = (&scope.first_call_at, &scope.last_call_at) {
            self.line(format_args!("from {first} to {last}"));
        }
    }

    pub(super) fn answer(&mut self, report: &Report) {
        let answer = &report.answer;
        let (word, is_good) = describe::headline(report);
        let colour = match is_good {
            Some(true) => Colour::Green,
            Some(false) => Colour::Red,
            None => Colour::Yellow,
        };
        let word = self.paint(word, colour);
        self.line(format_args!("\n  {word}"));
        self.prose(&describe::mismatches(report));
        let valid = if answer.is_valid {
            self.paint("VALID", Colour::Green)
        } else {
            self.paint("NOT VALID", Colour::Yellow)
        };
        self.line(format_args!("  Is the comparison valid?  {valid}"));
        self.prose(&describe::validity(report));
        if let Some(wrong) = describe::wrong_types(report) {
            self.prose(wrong);
        }
    }

    /// The gates that were asked for, and any that is not passed.
    pub(super) fn gates(&mut self, gates: &[Gate]) {
        let is_shown = |gate: &&Gate| gate.given_by == "--fail-if" || gate.state != State::Passed;
        if !gates.iter().any(|gate| gate.given_by == "--fail-if") {
            return;
        }
        self.title("Gates");
        for gate in gates.iter().filter(is_shown) {
            let (word, colour) = match gate.state {
                State::Passed => ("passed ", Colour::Green),
                State::Failed => ("FAILED ", Colour::Red),
                State::Unknown => ("UNKNOWN", Colour::Yellow),
            };
            let word = self.paint(word, colour);
            self.line(format_args!("  {word}  {}", escape(&gate.condition)));
            self.prose(&format!("       {}", escape(&describe::gate(gate))));
        }
    }
}
