//! The page that the report is printed on: lines, titles, tables, colours.

use std::fmt::Write as _;

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};

use super::{Style, WIDTHS};
use crate::report::figures::thousands;

/// Where a name may be broken: a space without width, which is not printed.
pub(super) const BREAK: char = '\u{200b}';

pub(super) struct Page {
    pub(super) out: String,
    pub(super) style: Style,
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// A cell with a number, to the right.
pub(super) fn number(value: u64) -> Cell {
    right(thousands(value))
}

/// A cell to the right.
pub(super) fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style: Style {
                width: style.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
                ..style
            },
        }
    }

    pub(super) fn title(&mut self, text: &str) {
        let text = self.paint(text, Colour::Bold);
        self.line(format_args!("\n{text}"));
    }

    pub(super) fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        let width = u16::try_from(self.style.width - 2).unwrap_or(u16::MAX);
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        if header.iter().any(|name| !name.is_empty()) {
            let cells = header.iter().enumerate().map(|(index, name)| {
                let side = if index == 0 {
                    CellAlignment::Left
                } else {
                    CellAlignment::Right
                };
                Cell::new(name).set_alignment(side)
            });
            table.set_header(cells.collect::<Vec<_>>());
        }
        table
    }

    pub(super) fn push_table(&mut self, table: &Table) {
        for line in table.lines() {
            let line = line.replace(BREAK, "");
            self.line(format_args!(" {}", line.trim_end()));
        }
    }

    /// A table whose first column is names: long ones are wrapped where they have a [`BREAK`], numbers never.
    pub(super) fn push_named(&mut self, mut table: Table) {
        let width = u16::try_from(self.style.width / 4).unwrap_or(u16::MAX);
        if let Some(names) = table.column_mut(0) {
            names.set_delimiter(BREAK);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(match index {
                0 => ColumnConstraint::UpperBoundary(Width::Fixed(width)),
                _ => ColumnConstraint::ContentWidth,
            });
        }
        self.push_table(&table);
    }

    /// A sentence, wrapped and indented.
    pub(super) fn prose(&mut self, text: &str) {
        self.wrapped(4, text);
    }

    /// A sentence, wrapped and indented by so many columns.
    pub(super) fn wrapped(&mut self, indent: usize, text: &str) {
        for line in wrap(text, self.style.width.saturating_sub(indent)) {
            self.line(format_args!("{:indent$}{line}", ""));
        }
    }

    /// As [`Self::wrapped`], of what begins with `head`, which is bold where it is in one line.
    pub(super) fn wrapped_after(&mut self, indent: usize, head: &str, text: &str) {
        let text = format!("{head}  {text}");
        for (index, line) in wrap(&text, self.style.width.saturating_sub(indent))
            .into_iter()
            .enumerate()
        {
            let rest = line.strip_prefix(head).filter(|_| index == 0);
            let line = match rest {
                Some(rest) => self.paint(head, Colour::Bold) + rest,
                None => line,
            };
            self.line(format_args!("{:indent$}{line}", ""));
        }
    }

    pub(super) fn line(&mut self, text: impl std::fmt::Display) {
        let _infallible = writeln!(self.out, "{text}");
    }

    pub(super) fn paint(&self, text: &str, colour: Colour) -> String {
        if !self.style.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Lines of at most `width` characters, but for words that are longer: nothing is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_wrapped_between_words_and_cut_nowhere() {
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(
            wrap("a much-too-long-word b", 5),
            ["a", "much-too-long-word", "b"]
        );
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn what_a_line_begins_with_is_bold() {
        let mut page = Page::new(Style {
            width: 60,
            colours: true,
            groups_max: 1,
        });
        page.wrapped_after(2, "head", &"word ".repeat(20));
        assert!(
            page.out.starts_with("  \x1b[1mhead\x1b[0m  word word"),
            "{}",
            page.out
        );
        assert!(
            page.out
                .lines()
                .skip(1)
                .all(|line| line.chars().count() <= 60)
        );
    }
}
