//! Rates, latencies and statuses by method.

use comfy_table::{Cell, Table};

use super::page::{BREAK, Page, number, right};
use crate::escape::{escape, shorten};
use crate::report::describe::{latency_needs, marks, method_of, service, sure_mark};
use crate::report::figures::{micros, share_interval, shift_interval, signed_percent};
use crate::report::{Method, Shift};
use crate::share::{percent, rate};

/// Characters shown of a method's name, over several lines if need be.
const NAME_CHARS_MAX: usize = 120;

impl Page {
    pub(super) fn methods(&mut self, methods: &[Method]) {
        for of_service in methods.chunk_by(|a, b| service(a) == service(b)) {
            let name = of_service.first().map(service).unwrap_or_default();
            self.title(&escape(name));
            self.rates(of_service);
        }
        self.latencies(methods);
        self.status_shifts(methods);
    }

    fn rates(&mut self, methods: &[Method]) {
        let mut table = self.table(&[
            "method",
            "pairs",
            "differ",
            "rate",
            "95 % interval",
            "unjudged",
            "unpaired",
        ]);
        for method in methods {
            table.add_row(vec![
                name_cell(method),
                number(method.pairs),
                number(method.mismatched),
                right(method.mismatch_rate.map(percent).unwrap_or_default()),
                right(
                    method
                        .mismatch_rate_interval
                        .map(share_interval)
                        .unwrap_or_default(),
                ),
                number(method.incomparable),
                number(method.without_partner()),
            ]);
        }
        self.push_named(table);
    }

    fn latencies(&mut self, methods: &[Method]) {
        if methods
            .iter()
            .all(|method| method.primary_latency.count == 0)
        {
            return;
        }
        self.title("Latency: from the start of the call to the end of the answer");
        let mut table = self.table(&[
            "method",
            "",
            "calls",
            "old",
            "new",
            "shift",
            "95 % interval",
        ]);
        let mut needs_more = false;
        for method in methods {
            let (old, new) = (&method.primary_latency, &method.candidate_latency);
            let shift = &method.latency_shift;
            let quantiles = [
                ("p50", &shift.p50, old.p50_us, new.p50_us),
                ("p95", &shift.p95, old.p95_us, new.p95_us),
                ("p99", &shift.p99, old.p99_us, new.p99_us),
            ];
            for (index, (name, shift, old, new)) in quantiles.into_iter().enumerate() {
                needs_more |= shift.shift.is_none();
                // Of too few calls, the median is shown without a claim, and no more.
                if (index == 0 && shift.count > 0) || shift.shift.is_some() {
                    let method = if index == 0 {
                        clear_name_cell(method, methods)
                    } else {
                        Cell::new("")
                    };
                    add_quantile(&mut table, method, name, (old, new), shift);
                }
            }
        }
        self.push_named(table);
        let shifts = methods.iter().map(|method| &method.latency_shift);
        if let Some(marks) = marks(shifts.flat_map(|it| [&it.p50, &it.p95, &it.p99])) {
            self.prose(marks);
        }
        if let Some(method) = methods.first().filter(|_| needs_more) {
            let needs = latency_needs(method);
            self.prose(&format!(
                "Nothing is claimed of a quantile from fewer calls: {needs}."
            ));
        }
    }

    fn status_shifts(&mut self, methods: &[Method]) {
        if methods.iter().all(|method| method.status_shifts.is_empty()) {
            return;
        }
        self.title("Status changes");
        let mut table = self.table(&["method", "old → new", "pairs", "rate"]);
        for method in methods {
            for (shift, pairs) in &method.status_shifts {
                table.add_row(vec![
                    clear_name_cell(method, methods),
                    right(escape(shift)),
                    number(*pairs),
                    right(percent(rate(*pairs, method.judged()))),
                ]);
            }
        }
        self.push_named(table);
    }
}

fn name_cell(method: &Method) -> Cell {
    named(method_of(&method.rpc_method))
}

/// Its name in a table of `methods` of all services: with its service, if another one has such a method.
fn clear_name_cell(method: &Method, methods: &[Method]) -> Cell {
    let name = method_of(&method.rpc_method);
    let namesakes = methods
        .iter()
        .filter(|it| method_of(&it.rpc_method) == name);
    match namesakes.count() {
        0 | 1 => named(name),
        _ => named(&method.rpc_method),
    }
}

fn named(name: &str) -> Cell {
    Cell::new(breakable(&shorten(&escape(name), NAME_CHARS_MAX)))
}

/// `name` with [`BREAK`]s where a reader would break it: before words within it, and behind what parts them.
fn breakable(name: &str) -> String {
    let mut breakable = String::with_capacity(name.len());
    let mut before = 'A';
    for c in name.chars() {
        let begins_word = c.is_uppercase() && (before.is_lowercase() || before.is_numeric());
        if begins_word || matches!(before, '.' | '/' | '_' | '-' | ' ') {
            breakable.push(BREAK);
        }
        breakable.push(c);
        before = c;
    }
    breakable
}

fn add_quantile(
    table: &mut Table,
    method: Cell,
    name: &str,
    (old, new): (Option<u64>, Option<u64>),
    shift: &Shift,
) {
    table.add_row(vec![
        method,
        Cell::new(name),
        number(shift.count),
        right(old.map(micros).unwrap_or_default()),
        right(new.map(micros).unwrap_or_default()),
        right(shift.shift.map(marked(shift)).unwrap_or_default()),
        right(shift.shift_interval.map(shift_interval).unwrap_or_default()),
    ]);
}

/// A shift in per cent, with a mark if there is no doubt that it is one.
fn marked(shift: &Shift) -> impl Fn(f64) -> String {
    let mark = sure_mark(shift);
    move |share| format!("{mark}{}", signed_percent(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_between_words() {
        let words = |name| breakable(name).replace(BREAK, "|");
        assert_eq!(words("CheckAvailability"), "Check|Availability");
        assert_eq!(words("GetHTTPStatus2Of"), "Get|HTTPStatus2|Of");
        assert_eq!(words("shop.v1.Shop/Get_item"), "shop.|v1.|Shop/|Get_|item");
        assert_eq!(words("(not captured)"), "(not |captured)");
    }
}
