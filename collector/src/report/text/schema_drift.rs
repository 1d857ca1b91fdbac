//! How old and new descriptors differ.

use comfy_table::Cell;

use super::page::Page;
use crate::escape::{escape, shorten};
use crate::report::Report;
use crate::report::figures::{count, size};

/// Changes listed.
const SHOWN_MAX: usize = 20;

impl Page {
    pub(super) fn schema_drift(&mut self, report: &Report) {
        let Some(drift) = &report.schema_drift else {
            return;
        };
        self.title("Descriptors: how those of the new service differ from the old ones");
        self.prose(&drift.summary());
        let mut table = self.table(&["", "", "", ""]);
        for row in drift.changes.iter().take(SHOWN_MAX) {
            table.add_row(vec![
                Cell::new(row.effect),
                Cell::new(row.change.replace('_', " ")),
                Cell::new(escape(&shorten(&row.name, 120))),
                Cell::new(escape(&shorten(&row.what(), 120))),
            ]);
        }
        if !drift.changes.is_empty() {
            self.push_table(&table);
        }
        let left = size(drift.changes.len().saturating_sub(SHOWN_MAX)) + drift.changes_omitted;
        if left > 0 {
            let left = count(left, "change");
            self.line(format_args!("  … {left} more (--output json has them)"));
        }
    }
}
