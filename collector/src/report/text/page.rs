//! The page that the report is printed on: lines, titles, tables, colours.

use std::fmt::Write as _;

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};

use super::{Style, WIDTHS};
use crate::report::figures::thousands;

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
            self.line(format_args!(" {}", line.trim_end()));
        }
    }

    /// A table whose first column is names: long ones are wrapped, numbers never.
    pub(super) fn push_named(&mut self, mut table: Table) {
        let width = u16::try_from(self.style.width / 4).unwrap_or(u16::MAX);
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
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty()
                && line.chars().count() + word.chars().count() + indent + 1 > self.style.width
            {
                self.line(format_args!("{:indent$}{line}", ""));
                line.clear();
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        self.line(format_args!("{:indent$}{line}", ""));
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
