//! Both sides line by line: place, path, two values, and what the comparison says of them.

use serde::Serialize;

use super::groups::{self, Group, Holder};
use super::lines;
use super::marks::{Mark, Marks};
use super::merge::{Draft, Lines, merge};
use super::paths::{self, At};
use crate::call::Call;
use crate::compare::contents::{self, Contents};
use crate::compare::excerpt;
use crate::compare::{Difference, LinedUp, Schema};

/// Rows of a pair at most, but for those of differences that no other row shows. Equal ones are left out
/// first.
const ROWS_MAX: usize = 20_000;

/// A line of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// See [`Place::name`](crate::compare::Place::name).
    pub place: &'static str,
    /// Message of the primary's stream, from 0; of the candidate's, if only it has the message.
    pub message_index: Option<u32>,
    /// Which sides have the message.
    #[serde(skip)]
    pub holder: Holder,
    /// Where in it; the name of metadata. Elements of lists are counted likewise.
    pub path: String,
    /// Old value, cut around the first difference if it is long.
    pub primary: Option<String>,
    /// New value.
    pub candidate: Option<String>,
    /// What the comparison says of it.
    pub mark: Mark,
}

/// The rows of one or two sides.
pub(super) fn of(
    primary: Option<&Call>,
    candidate: Option<&Call>,
    (differences, seen): (&[Difference], &LinedUp),
    schema: Option<&Schema>,
) -> Vec<Row> {
    let is_pair = primary.is_some() && candidate.is_some();
    let has_one_block = |call: Option<&Call>| call.is_some_and(|call| call.trailers_only);
    let is_one_block = is_pair && (has_one_block(primary) || has_one_block(candidate));
    let parts = |call: Option<&Call>| call.map(|call| lines::of(call, schema, is_one_block));
    let groups = groups::of(parts(primary), parts(candidate), seen);
    let mut marks = Marks::new(differences, seen, is_pair);
    let mut rows = Vec::new();
    for group in groups {
        rows.extend(of_group(group, seen, &mut marks));
    }
    let mut rows = bounded(rows);
    for (found, mark) in marks.left() {
        let is_before = |row: &Row| groups::rank(row.place) <= groups::rank(found.place.name());
        let behind = rows.iter().rposition(is_before);
        let draft = Draft::of_difference(found, mark);
        let part = (found.place.name(), found.message_index, Holder::Both);
        rows.insert(behind.map_or(0, |last| last + 1), draft.into_row(part));
    }
    rows
}

fn of_group(mut group: Group, seen: &LinedUp, marks: &mut Marks<'_>) -> Vec<Row> {
    let part = (group.place, group.message_index);
    let nothing = LinedUp::default();
    let seen = match group.holder {
        Holder::Both => seen,
        Holder::Primary | Holder::Candidate => &nothing,
    };
    let lines = |contents: &mut Contents, is_candidate| -> Lines {
        let lines = std::mem::take(&mut contents.lines).into_iter();
        let at = |line| (paths::of_line(&line, part, is_candidate, seen), line.value);
        lines.map(at).collect()
    };
    let old = lines(&mut group.primary, false);
    let new = lines(&mut group.candidate, true);
    let is_cut = group.primary.is_cut || group.candidate.is_cut;
    let mut drafts = merge(old, new);
    for draft in &mut drafts {
        draft.mark = marks.of(&group, draft);
    }
    Marks::follow_texts(&mut drafts);
    // What is not shown any more may be there all the same.
    let is_unknown = |mark| matches!(mark, Mark::TakenForEqual | Mark::NotJudged);
    drafts.retain(|draft| !(is_cut && is_unknown(draft.mark) && draft.is_of_one_side()));
    marks.complete(&group, &mut drafts);
    let part = (group.place.name(), group.message_index, group.holder);
    let mut rows: Vec<Row> = drafts
        .into_iter()
        .map(|draft| draft.into_row(part))
        .collect();
    if is_cut {
        let more = |contents: &Contents| {
            let text = || format!("more than {} values", contents::LINES_MAX);
            contents.is_cut.then(text)
        };
        let draft = Draft {
            at: At::of("…"),
            primary: more(&group.primary),
            candidate: more(&group.candidate),
            mark: Mark::Equal,
        };
        rows.push(draft.into_row(part));
    }
    rows
}

impl Draft {
    fn into_row(self, (place, message_index, holder): (&'static str, Option<u32>, Holder)) -> Row {
        let (primary, candidate) = excerpt::sides(self.primary, self.candidate);
        Row {
            place,
            message_index,
            holder,
            path: self.at.path,
            primary,
            candidate,
            mark: self.mark,
        }
    }
}

/// At most [`ROWS_MAX`], of which equal ones are left out first, from the end.
fn bounded(mut rows: Vec<Row>) -> Vec<Row> {
    let mut surplus = rows.len().saturating_sub(ROWS_MAX);
    if surplus > 0 {
        rows.reverse();
        rows.retain(|row| {
            let is_kept = surplus == 0 || row.mark != Mark::Equal;
            surplus -= usize::from(!is_kept);
            is_kept
        });
        rows.reverse();
        rows.truncate(ROWS_MAX);
    }
    rows
}
