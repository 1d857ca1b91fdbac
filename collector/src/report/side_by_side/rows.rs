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
use crate::compare::{Difference, Kind, LinedUp, Schema};

/// Rows of a pair, above which rows of messages are left out: equal ones first.
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
    /// Is it only not known whether the other side has it?
    #[serde(skip)]
    pub is_beyond_capture: bool,
    /// `primary` or `candidate`: as which of them message and elements are counted.
    pub counted_as: &'static str,
    /// Where in it; the name of metadata. Elements of lists are counted likewise.
    pub path: String,
    /// Old value, cut around the first difference if it is long.
    pub primary: Option<String>,
    /// New value.
    pub candidate: Option<String>,
    /// What the comparison says of it.
    pub mark: Mark,
}

/// What rows stand under.
struct Heading {
    place: &'static str,
    message_index: Option<u32>,
    holder: Holder,
    is_beyond_capture: bool,
}

/// The rows of one or two sides, and how many were left out.
pub(super) fn of(
    primary: Option<&Call>,
    candidate: Option<&Call>,
    (differences, seen): (&[Difference], &LinedUp),
    schema: Option<&Schema>,
) -> (Vec<Row>, u64) {
    let is_pair = primary.is_some() && candidate.is_some();
    let is_candidate_only = primary.is_none();
    let has_one_block = |call: Option<&Call>| call.is_some_and(|call| call.trailers_only);
    let is_one_block = is_pair && (has_one_block(primary) || has_one_block(candidate));
    let parts = |call: Option<&Call>| call.map(|call| lines::of(call, schema, is_one_block));
    let groups = groups::of(parts(primary), parts(candidate), seen);
    let mut marks = Marks::new(differences, seen, is_pair);
    let mut rows = Vec::new();
    for group in groups {
        rows.extend(of_group(group, seen, &mut marks, is_candidate_only));
    }
    let (mut rows, omitted) = bounded(rows);
    for (found, mark) in marks.left() {
        let is_before = |row: &Row| groups::rank(row.place) <= groups::rank(found.place.name());
        let behind = rows.iter().rposition(is_before);
        let draft = Draft::of_difference(found, mark);
        let heading = Heading {
            place: found.place.name(),
            message_index: found.message_index,
            holder: match found.kind {
                Kind::MessageMissing if found.message_index.is_some() => Holder::Primary,
                Kind::MessageExtra if found.message_index.is_some() => Holder::Candidate,
                _ => Holder::Both,
            },
            is_beyond_capture: false,
        };
        let row = draft.into_row(&heading, is_candidate_only);
        rows.insert(behind.map_or(0, |last| last + 1), row);
    }
    (rows, omitted)
}

fn of_group(
    mut group: Group,
    seen: &LinedUp,
    marks: &mut Marks<'_>,
    is_candidate_only: bool,
) -> Vec<Row> {
    let spot = group.spot();
    let nothing = LinedUp::default();
    let seen = match group.holder {
        Holder::Both => seen,
        Holder::Primary | Holder::Candidate => &nothing,
    };
    let lines = |contents: &mut Contents, is_candidate| -> Lines {
        let lines = std::mem::take(&mut contents.lines).into_iter();
        let at = |line| (paths::of_line(&line, spot, is_candidate, seen), line.value);
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
    let heading = Heading {
        place: group.place.name(),
        message_index: group.message_index,
        holder: group.holder,
        is_beyond_capture: group.is_beyond_capture,
    };
    let mut rows: Vec<Row> = drafts
        .into_iter()
        .map(|draft| draft.into_row(&heading, is_candidate_only))
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
        rows.push(draft.into_row(&heading, is_candidate_only));
    }
    rows
}

impl Draft {
    fn into_row(self, heading: &Heading, is_candidate_only: bool) -> Row {
        let is_candidates =
            is_candidate_only || heading.holder == Holder::Candidate || self.at.is_candidates();
        let (primary, candidate) = excerpt::sides(self.primary, self.candidate);
        Row {
            place: heading.place,
            message_index: heading.message_index,
            holder: heading.holder,
            is_beyond_capture: heading.is_beyond_capture,
            counted_as: if is_candidates {
                "candidate"
            } else {
                "primary"
            },
            path: self.at.path,
            primary,
            candidate,
            mark: self.mark,
        }
    }
}

/// At most [`ROWS_MAX`] as far as that goes: from the end, rows of messages are left out that are equal, then those
/// taken for equal and so on, then those of messages that one side alone has, but for the first of each. How many.
fn bounded(rows: Vec<Row>) -> (Vec<Row>, u64) {
    const MARKS: [Mark; 4] = [
        Mark::Equal,
        Mark::TakenForEqual,
        Mark::Follows,
        Mark::NotJudged,
    ];
    let count = rows.len();
    let mut surplus = count.saturating_sub(ROWS_MAX);
    if surplus == 0 {
        return (rows, 0);
    }
    let mut last = None;
    let rank = |row: &Row| {
        let here = (row.place, row.message_index?, row.holder);
        let is_first = last.replace(here) != Some(here);
        let of_mark = MARKS.iter().position(|mark| *mark == row.mark);
        let is_of_one_side = row.holder != Holder::Both && !is_first;
        of_mark.or_else(|| is_of_one_side.then_some(MARKS.len()))
    };
    let ranks: Vec<Option<usize>> = rows.iter().map(rank).collect();
    let mut rows: Vec<(Option<usize>, Row)> = ranks.into_iter().zip(rows).rev().collect();
    for rank in 0..=MARKS.len() {
        rows.retain(|(of_row, _)| {
            let is_kept = surplus == 0 || *of_row != Some(rank);
            surplus -= usize::from(!is_kept);
            is_kept
        });
    }
    let rows: Vec<Row> = rows.into_iter().rev().map(|(_, row)| row).collect();
    let omitted = count.saturating_sub(rows.len());
    (rows, u64::try_from(omitted).unwrap_or(u64::MAX))
}
