//! What became of every call, and notes on how it was compared.

use comfy_table::Cell;

use super::page::{Colour, Page, right};
use crate::report::{Report, balance};

impl Page {
    pub(super) fn completeness(&mut self, report: &Report) {
        self.title("Completeness");
        let mut table = self.table(&["", "calls", ""]);
        for row in balance::rows(&report.completeness) {
            table.add_row(vec![
                Cell::new(row.what),
                right(row.number()),
                Cell::new(row.note),
            ]);
        }
        self.push_table(&table);
        for note in balance::notes(report) {
            self.prose(&note);
        }
        if report.scope.writes_datasets {
            let run = self.paint(&format!("run {}", report.run_id), Colour::Dim);
            self.line(format_args!("\n{run}"));
        }
    }
}
