//! The parts of both sides that belong together: metadata, message by message, the status.

use super::lines::{Parts, Stream};
use crate::compare::contents::Contents;
use crate::compare::{LinedUp, Place, Spot};

/// Order in which places are shown: as they crossed the wire, the status last.
const SHOWN: [Place; 8] = [
    Place::RequestMetadata,
    Place::RequestMessage,
    Place::ResponseMetadata,
    Place::ResponseMessage,
    Place::Trailers,
    Place::Status,
    Place::StatusMessage,
    Place::StatusDetails,
];

/// Which sides have a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holder {
    /// Both, or there is but one side.
    #[default]
    Both,
    /// Only the old service's.
    Primary,
    /// Only the new one's.
    Candidate,
}

/// What is shown under one heading.
pub(super) struct Group {
    pub(super) place: Place,
    /// The primary's, or the candidate's if only it has the message.
    pub(super) message_index: Option<u32>,
    pub(super) holder: Holder,
    /// Is it only not known whether the other side has the message: was its stream not captured as far?
    pub(super) is_beyond_capture: bool,
    pub(super) primary: Contents,
    pub(super) candidate: Contents,
}

impl Group {
    /// Where the comparison had it.
    pub(super) fn spot(&self) -> Spot {
        Spot {
            place: self.place,
            message_index: self.message_index,
        }
    }
}

/// The groups of one or two sides, in the order in which they are shown.
pub(super) fn of(primary: Option<Parts>, candidate: Option<Parts>, seen: &LinedUp) -> Vec<Group> {
    let is_pair = primary.is_some() && candidate.is_some();
    let (mut old, mut new) = (primary.unwrap_or_default(), candidate.unwrap_or_default());
    let mut groups = Vec::new();
    for place in SHOWN {
        let (primary, candidate) = (old.single.remove(&place), new.single.remove(&place));
        if primary.is_some() || candidate.is_some() {
            groups.push(Group {
                place,
                message_index: None,
                holder: Holder::Both,
                is_beyond_capture: false,
                primary: primary.unwrap_or_default(),
                candidate: candidate.unwrap_or_default(),
            });
        }
        let messages = |of: &mut Parts| of.streams.remove(&place).unwrap_or_default();
        let (primary, candidate) = (messages(&mut old), messages(&mut new));
        let from = groups.len();
        stream(place, primary, candidate, seen, &mut groups);
        if !is_pair {
            let alone = groups.get_mut(from..).unwrap_or_default();
            alone.iter_mut().for_each(|group| {
                group.holder = Holder::Both;
                group.is_beyond_capture = false;
            });
        }
    }
    groups
}

/// Message by message, as they were lined up; what was not belongs together by index.
fn stream(
    place: Place,
    primary: Stream,
    candidate: Stream,
    seen: &LinedUp,
    groups: &mut Vec<Group>,
) {
    let partners = seen.stream(place);
    let counts = (primary.count, candidate.count);
    let (primary, candidate) = (primary.messages, candidate.messages);
    let old_count = primary.len();
    let partner = |j: usize| match partners {
        // What was not captured whole was not lined up.
        Some(partners) => partners.get(j).copied().unwrap_or(None),
        None => (j < old_count).then_some(j),
    };
    // Streams that were lined up were captured as far as their calls were seen.
    let is_beyond_capture = |index: usize, count: Option<usize>| match count {
        None => true,
        Some(count) => partners.is_none() && index < count,
    };
    let group =
        |index: usize, holder, primary: Option<Contents>, candidate: Option<Contents>| Group {
            place,
            message_index: u32::try_from(index).ok(),
            holder,
            is_beyond_capture: match holder {
                Holder::Both => false,
                Holder::Primary => is_beyond_capture(index, counts.1),
                Holder::Candidate => is_beyond_capture(index, counts.0),
            },
            primary: primary.unwrap_or_default(),
            candidate: candidate.unwrap_or_default(),
        };
    let mut old = primary.into_iter().enumerate().peekable();
    for (j, message) in candidate.into_iter().enumerate() {
        let Some(beside) = partner(j) else {
            groups.push(group(j, Holder::Candidate, None, Some(message)));
            continue;
        };
        while let Some((i, lost)) = old.next_if(|(i, _)| *i < beside) {
            groups.push(group(i, Holder::Primary, Some(lost), None));
        }
        let both = old.next_if(|(i, _)| *i == beside).map(|(_, both)| both);
        groups.push(group(beside, Holder::Both, both, Some(message)));
    }
    groups.extend(old.map(|(i, lost)| group(i, Holder::Primary, Some(lost), None)));
}

/// Where in that order a place stands, by its name.
pub(super) fn rank(place: &str) -> usize {
    let is_it = |shown: &Place| shown.name() == place;
    SHOWN.iter().position(is_it).unwrap_or(SHOWN.len())
}
