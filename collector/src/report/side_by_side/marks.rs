//! What the comparison says of a row: by the differences that cover it, by what was held against what.

use serde::Serialize;

use super::groups::{Group, Holder};
use super::merge::Draft;
use super::paths::{self, At, is_within, parent};
use crate::compare::{Difference, Kind, LinedUp, Place, Severity};

/// What the comparison says of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Both are the same, or there is but one side.
    #[default]
    Equal,
    /// They are not written alike, and the comparison takes them for equal: a header that every hop
    /// sets, JSON in another order.
    TakenForEqual,
    /// They differ because something else does, which has a row of its own: the status, the field that
    /// is set of a oneof.
    Follows,
    /// They differ, and whether that counts was not looked at: the pair cannot be judged, or not to
    /// its end.
    NotJudged,
    /// They differ, and a rule says that it does not count.
    Ignored,
    /// They differ, and it counts.
    Differs,
}

/// Differences and their keys, and which of them have a row.
pub(super) struct Marks<'a> {
    found: Vec<Found<'a>>,
    seen: &'a LinedUp,
    is_pair: bool,
}

struct Found<'a> {
    key: String,
    difference: &'a Difference,
    has_row: bool,
}

impl Found<'_> {
    fn mark(&self) -> Mark {
        match self.difference.severity {
            Severity::Error => Mark::Differs,
            _ => Mark::Ignored,
        }
    }

    fn is_of(&self, group: &Group) -> bool {
        let is_extra = self.difference.kind == Kind::MessageExtra;
        // One of all messages is in none of them.
        self.difference.place == group.place
            && self.difference.message_index == group.message_index
            && is_extra == (group.holder == Holder::Candidate)
    }

    /// Does it say of a side what `row` does not?
    fn has_more_than(&self, row: &Draft) -> bool {
        row.primary.is_none() && self.difference.primary.is_some()
            || row.candidate.is_none() && self.difference.candidate.is_some()
    }

    /// Is the row at `key` a part of it, or it a part of the row?
    fn covers(&self, key: &str) -> bool {
        // Of the order of a list no element is a part, and a oneof is no field.
        let is_alone = matches!(self.difference.kind, Kind::ListOrder | Kind::OneofArm);
        if is_alone || self.difference.place.is_metadata() {
            return self.key == key;
        }
        is_within(key, &self.key) || is_within(&self.key, key)
    }
}

impl<'a> Marks<'a> {
    pub(super) fn new(differences: &'a [Difference], seen: &'a LinedUp, is_pair: bool) -> Self {
        let found = differences.iter().map(|difference| Found {
            key: paths::key_of(difference, seen),
            difference,
            has_row: false,
        });
        Self {
            found: found.collect(),
            seen,
            is_pair,
        }
    }

    /// The mark of a row of `group`.
    pub(super) fn of(&mut self, group: &Group, row: &Draft) -> Mark {
        if !self.is_pair || row.primary == row.candidate {
            return Mark::Equal;
        }
        let key = &row.at.key;
        let mut mark = None;
        let here = self.found.iter_mut().filter(|found| found.is_of(group));
        for found in here.filter(|found| found.covers(key)) {
            found.has_row = true;
            mark = mark.max(Some(found.mark()));
        }
        mark.unwrap_or_else(|| self.without_difference(group, key))
    }

    fn without_difference(&self, group: &Group, key: &str) -> Mark {
        let spot = group.spot();
        let is_arm = |arm: &str| is_within(key, arm);
        if group.holder == Holder::Both && self.seen.arms(spot).any(is_arm)
            || self.is_status_that_differs(group.place, key)
        {
            return Mark::Follows;
        }
        if group.holder == Holder::Both && self.seen.is_judged(spot) {
            return Mark::TakenForEqual;
        }
        let is_answer = match group.place {
            Place::RequestMetadata | Place::RequestMessage => false,
            Place::ResponseMessage => group.holder != Holder::Both,
            _ => true,
        };
        match is_answer && self.seen.has_other_status() {
            true => Mark::Follows,
            false => Mark::NotJudged,
        }
    }

    /// Is this a header that says how the call ended, and did it end otherwise?
    fn is_status_that_differs(&self, place: Place, name: &str) -> bool {
        let said = match name {
            "grpc-status" | ":status" => Place::Status,
            "grpc-message" => Place::StatusMessage,
            "grpc-status-details-bin" => Place::StatusDetails,
            _ => return false,
        };
        let differs = |found: &Found<'_>| found.difference.place == said;
        place.is_metadata() && self.found.iter().any(differs)
    }

    /// Sees to it that each difference of `group` has a row, with the values that differ: a zero that
    /// is not on the wire is no line.
    pub(super) fn complete(&mut self, group: &Group, rows: &mut Vec<Draft>) {
        for found in self.found.iter_mut().filter(|found| found.is_of(group)) {
            let mut same = rows.iter_mut().filter(|row| row.at.key == found.key);
            let row = same.next().filter(|_| same.next().is_none());
            match row {
                Some(row) if !found.has_row || found.has_more_than(row) => {
                    row.primary.clone_from(&found.difference.primary);
                    row.candidate.clone_from(&found.difference.candidate);
                    row.mark = row.mark.max(found.mark());
                    found.has_row = true;
                }
                None if !found.has_row => {
                    let draft = Draft {
                        at: At {
                            path: found.difference.path.clone(),
                            key: found.key.clone(),
                        },
                        ..Draft::of_difference(found.difference, found.mark())
                    };
                    rows.insert(place_of(found, group, self.seen, rows), draft);
                    found.has_row = true;
                }
                _ => {}
            }
        }
    }

    /// Of bytes that one side shows as text and the other as a message, the rows of the message follow from
    /// that of the text, which has the mark of what differs in them.
    pub(super) fn follow_texts(rows: &mut [Draft]) {
        let texts = rows
            .iter()
            .filter(|row| row.mark >= Mark::Ignored && row.is_of_one_side());
        let texts: Vec<(String, bool)> = texts
            .map(|row| (row.at.key.clone(), row.primary.is_some()))
            .collect();
        for row in rows.iter_mut() {
            let is_read_otherwise = |(text, is_primary): &(String, bool)| {
                *text != row.at.key
                    && is_within(&row.at.key, text)
                    && *is_primary == row.primary.is_none()
            };
            if row.mark == Mark::TakenForEqual
                && row.is_of_one_side()
                && texts.iter().any(is_read_otherwise)
            {
                row.mark = Mark::Follows;
            }
        }
    }

    /// The differences that no row shows: of messages that were not captured, or are not told apart.
    pub(super) fn left(&self) -> impl Iterator<Item = (&'a Difference, Mark)> {
        let left = self.found.iter().filter(|found| !found.has_row);
        left.map(|found| (found.difference, found.mark()))
    }
}

/// Before what is a part of `found` or follows from it, else behind its neighbours.
fn place_of(found: &Found<'_>, group: &Group, seen: &LinedUp, rows: &[Draft]) -> usize {
    let above = parent(&found.key);
    let is_behind = |row: &Draft| {
        let is_arm = |arm: &str| is_within(arm, above) && is_within(&row.at.key, arm);
        let mut arms = seen.arms(group.spot());
        let is_oneof = found.difference.kind == Kind::OneofArm;
        is_within(&row.at.key, &found.key) || is_oneof && arms.any(is_arm)
    };
    let is_beside = |row: &Draft| is_within(&row.at.key, above);
    let before = rows.iter().position(is_behind);
    let behind = || rows.iter().rposition(is_beside).map(|last| last + 1);
    before.or_else(behind).unwrap_or(rows.len())
}
