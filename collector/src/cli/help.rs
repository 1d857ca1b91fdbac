//! Help texts as wide as the terminal.
//!
//! What stands behind the options is written in lines of the source; wrapped again at a terminal's width, it
//! would be ragged.

use clap::Command;

/// `command` and those below it, whose help is wrapped once.
pub(super) fn unwrapped(mut command: Command) -> Command {
    if let Some(text) = command.get_after_help() {
        let text = paragraphs(&text.to_string());
        command = command.after_help(text);
    }
    let names: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, unwrapped);
    }
    command
}

/// Joins the lines of each paragraph; indented lines, such as examples, stay as they are.
fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut goes_on = false;
    for line in text.lines() {
        let is_prose = !line.is_empty() && !line.starts_with(' ');
        if !out.is_empty() {
            out.push(if goes_on && is_prose { ' ' } else { '\n' });
        }
        out.push_str(line);
        goes_on = is_prose;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_joined_and_examples_are_not() {
        let text = "One\nsentence.\n\nExamples:\n  a b\n  c\n\nMore\nof it.";
        let expected = "One sentence.\n\nExamples:\n  a b\n  c\n\nMore of it.";
        assert_eq!(paragraphs(text), expected);
    }
}
