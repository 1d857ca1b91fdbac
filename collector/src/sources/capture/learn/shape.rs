//! What calls of one method look like from outside: which fields their messages have, how large
//! these are, how many there are. No value counts.
//!
//! A [`Profile`] sums up many calls. Two profiles are [`Likeness::Same`] if nothing tells them
//! apart, [`Likeness::Different`] if something does that hardly varies, else
//! [`Likeness::Unclear`], which names nothing and rules nothing out.

use twintap_decode::exchange::{Certainty, Exchange, HalfStream};

use super::wire::{Fields, WireType};

/// Status UNIMPLEMENTED.
const UNIMPLEMENTED: u32 = 12;
/// Messages of each half of a call that are looked at.
const MESSAGES_MAX: usize = 8;
/// Fields of a profile that are told apart; what has more is taken to be no protobuf.
const FIELDS_MAX: usize = 256;
/// Bytes of a message up to which its fields are read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Classes of message sizes: the first is of empty ones, and two of each power of two.
const SIZES_COUNT: usize = 66;

/// Readable messages that a half needs for its fields and sizes to tell anything.
pub(super) const MESSAGES_MIN: u32 = 8;
/// Calls without a message that are no accident.
const SILENT_MIN: u32 = 3;
/// Something that this share of one profile has, and [`RARE`] of the other, tells them apart.
const USUAL: f64 = 0.95;
/// See [`USUAL`].
const RARE: f64 = 0.05;
/// Shares that are no further apart than this, and what chance allows, are equal.
const SHARE_TOLERANCE: f64 = 0.15;
/// Standard deviations that chance is allowed.
const DEVIATIONS: f64 = 2.5;
/// Sizes that are told to be equal have at least this in common.
const SIZES_ALIKE_MIN: f64 = 0.5;
/// Sizes that have no more in common than this tell profiles apart.
const SIZES_UNLIKE_MAX: f64 = 0.02;

/// How like two profiles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Nothing tells them apart, and there is enough to tell.
    Same,
    /// Something tells them apart for sure.
    Different,
    /// Neither.
    Unclear,
}

/// What one call adds to a profile. Made without any lock held.
#[derive(Clone, Debug, Default)]
pub(super) struct CallShape {
    request: HalfShape,
    response: HalfShape,
    /// Did the server say that it has no such method?
    is_unimplemented: bool,
}

#[derive(Clone, Debug, Default)]
struct HalfShape {
    /// Messages that there were; `None` if that is not known.
    messages_count: Option<u64>,
    /// Of readable messages: their sizes and fields.
    messages: Vec<(usize, Vec<Field>)>,
}

/// A field number and how it is encoded.
type Field = (u32, WireType);

/// What calls of one method, or class, look like.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    calls: u32,
    /// Of them, those that the server said it has no method for.
    unimplemented: u32,
    request: HalfProfile,
    response: HalfProfile,
}

#[derive(Clone, Debug, Default)]
struct HalfProfile {
    /// Calls of which the number of messages is known.
    counted: u32,
    /// Of them, those with no message.
    without: u32,
    /// Of them, those with several.
    with_several: u32,
    /// Readable messages.
    messages: u32,
    /// Messages that have the field, in order of fields.
    fields: Vec<(Field, u32)>,
    /// Messages by class of their size.
    sizes: Vec<u32>,
    /// Did messages turn out to be no protobuf, or of too many fields?
    is_opaque: bool,
}

impl CallShape {
    /// What `exchange` shows.
    pub(super) fn of(exchange: &Exchange) -> Self {
        Self {
            request: HalfShape::of(&exchange.request),
            response: HalfShape::of(&exchange.response),
            is_unimplemented: exchange.status == Certainty::Seen(UNIMPLEMENTED),
        }
    }
}

impl HalfShape {
    fn of(half: &HalfStream) -> Self {
        let (body, kept) = (&half.body, half.body.kept());
        let is_whole = half.end_at_unix_ns.is_some() && !half.may_lack_bytes && !body.has_gap();
        let readable = body.messages().iter().take(MESSAGES_MAX);
        let readable = readable.filter(|message| message.flag == 0 && message.is_whole());
        let bytes = readable.filter_map(|message| kept.get(message.range()));
        Self {
            messages_count: body.messages_count().filter(|_| is_whole),
            messages: bytes
                .filter(|bytes| bytes.len() <= MESSAGE_BYTES_MAX)
                .map(|bytes| (bytes.len(), fields_of(bytes)))
                .collect(),
        }
    }
}

/// The fields of a message, each once; empty if it is no protobuf but has bytes.
fn fields_of(bytes: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for field in Fields::of(bytes) {
        let Ok(field) = field else {
            return Vec::new();
        };
        let field = (field.number, field.wire_type);
        if let Err(place) = fields.binary_search(&field) {
            if fields.len() >= FIELDS_MAX {
                return Vec::new();
            }
            fields.insert(place, field);
        }
    }
    fields
}

impl Profile {
    /// Adds one call.
    pub(super) fn add(&mut self, call: &CallShape) {
        self.calls = self.calls.saturating_add(1);
        self.unimplemented += u32::from(call.is_unimplemented);
        self.request.add(&call.request);
        self.response.add(&call.response);
    }

    /// Adds the calls of another profile.
    pub(super) fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.unimplemented = self.unimplemented.saturating_add(other.unimplemented);
        self.request.merge(&other.request);
        self.response.merge(&other.response);
    }

    /// Calls that were added.
    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    /// May both be of one method, as far as they go? Asked where calls are too few for
    /// [`Self::likeness`].
    pub(super) fn may_be(&self, other: &Self) -> bool {
        self.likeness(other) != Likeness::Different
            && self.request.may_be(&other.request)
            && self.response.may_be(&other.response)
    }

    /// How like another profile is. Halves without messages are like nothing: there is too little
    /// to tell.
    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        // A method that a server does not have never answers. Not all its statuses need be known.
        let is_absent = |it: &Self| it.unimplemented > 0;
        let answers = |it: &Self| it.response.messages > 0 && it.unimplemented == 0;
        let never_answers = |it: &Self| is_absent(it) && it.response.messages == 0;
        if never_answers(self) && answers(other) || never_answers(other) && answers(self) {
            return Likeness::Different;
        }
        let request = self.request.likeness(&other.request);
        let response = self.response.likeness(&other.response);
        match (request, response) {
            (Likeness::Different, _) | (_, Likeness::Different) => Likeness::Different,
            (Likeness::Same, Likeness::Same) => Likeness::Same,
            _ => Likeness::Unclear,
        }
    }
}

impl HalfProfile {
    fn add(&mut self, half: &HalfShape) {
        if let Some(count) = half.messages_count {
            self.counted = self.counted.saturating_add(1);
            self.without += u32::from(count == 0);
            self.with_several += u32::from(count > 1);
        }
        for (bytes_count, fields) in &half.messages {
            self.messages = self.messages.saturating_add(1);
            self.is_opaque |= *bytes_count > 0 && fields.is_empty();
            self.sizes.resize(SIZES_COUNT, 0);
            if let Some(count) = self.sizes.get_mut(size_class(*bytes_count)) {
                *count += 1;
            }
            fields.iter().for_each(|field| self.add_field(*field, 1));
        }
    }

    /// `times` messages have `field`.
    fn add_field(&mut self, field: Field, times: u32) {
        match self
            .fields
            .binary_search_by_key(&field, |(field, _)| *field)
        {
            Ok(place) => {
                if let Some((_, count)) = self.fields.get_mut(place) {
                    *count = count.saturating_add(times);
                }
            }
            Err(_) if self.fields.len() >= FIELDS_MAX => self.is_opaque = true,
            Err(place) => self.fields.insert(place, (field, times)),
        }
    }

    fn merge(&mut self, other: &Self) {
        for (count, others) in [
            (&mut self.counted, other.counted),
            (&mut self.without, other.without),
            (&mut self.with_several, other.with_several),
            (&mut self.messages, other.messages),
        ] {
            *count = count.saturating_add(others);
        }
        for (field, times) in &other.fields {
            self.add_field(*field, *times);
        }
        self.sizes.resize(SIZES_COUNT, 0);
        for (count, others) in self.sizes.iter_mut().zip(&other.sizes) {
            *count = count.saturating_add(*others);
        }
        self.is_opaque |= other.is_opaque;
    }

    fn likeness(&self, other: &Self) -> Likeness {
        if self.is_stream_unlike(other) || other.is_stream_unlike(self) {
            return Likeness::Different;
        }
        let counts = (self.counted, other.counted);
        let without = share((self.without, other.without), counts);
        let several = share((self.with_several, other.with_several), counts);
        let mut likeness = worse(without, several);
        if self.is_opaque || other.is_opaque {
            return worse(likeness, Likeness::Unclear);
        }
        let messages = (self.messages, other.messages);
        for field in self.fields.iter().chain(&other.fields) {
            let parts = (self.messages_with(field.0), other.messages_with(field.0));
            likeness = worse(likeness, field_share(parts, messages));
        }
        worse(likeness, self.sizes_likeness(other))
    }

    /// There is no field that one has always, in enough messages, and the other never.
    fn may_be(&self, other: &Self) -> bool {
        let is_silent = self.is_silent_beside(other) || other.is_silent_beside(self);
        !is_silent && self.misses_nothing_of(other) && other.misses_nothing_of(self)
    }

    /// Has it no message in a few calls, where `other` nearly always has one?
    fn is_silent_beside(&self, other: &Self) -> bool {
        let is_silent = self.counted >= SILENT_MIN && self.without == self.counted;
        let has_none = f64::from(other.without) <= RARE * f64::from(other.counted);
        is_silent && other.counted >= 2 * MESSAGES_MIN && has_none
    }

    fn misses_nothing_of(&self, other: &Self) -> bool {
        let is_enough = other.messages >= MESSAGES_MIN && self.messages > 0;
        let mut always = other.fields.iter().filter(|it| it.1 == other.messages);
        !is_enough || always.all(|(field, _)| self.messages_with(*field) > 0)
    }

    /// Does it mostly have several messages, where `other` has one at most? A method is a stream or is
    /// none, whoever calls it.
    fn is_stream_unlike(&self, other: &Self) -> bool {
        let is_enough = self.counted.min(other.counted) >= MESSAGES_MIN;
        is_enough && other.with_several == 0 && self.with_several >= self.counted / 2
    }

    fn messages_with(&self, field: Field) -> u32 {
        let place = self
            .fields
            .binary_search_by_key(&field, |(field, _)| *field);
        let found = place.ok().and_then(|place| self.fields.get(place));
        found.map_or(0, |(_, count)| *count)
    }

    fn sizes_likeness(&self, other: &Self) -> Likeness {
        if self.messages.min(other.messages) < MESSAGES_MIN {
            return Likeness::Unclear;
        }
        let (wholes, others) = (f64::from(self.messages), f64::from(other.messages));
        // Cumulated, so that neighbouring classes count as near: Kolmogorov and Smirnov's distance.
        let (mut below, mut other_below, mut distance) = (0.0, 0.0, 0.0_f64);
        for (count, other_count) in self.sizes.iter().zip(&other.sizes) {
            below += f64::from(*count) / wholes;
            other_below += f64::from(*other_count) / others;
            distance = distance.max((below - other_below).abs());
        }
        let in_common = 1.0 - distance;
        if in_common <= SIZES_UNLIKE_MAX {
            Likeness::Different
        } else if in_common >= SIZES_ALIKE_MIN {
            Likeness::Same
        } else {
            Likeness::Unclear
        }
    }
}

/// [`Likeness::Different`] beats all, [`Likeness::Same`] nothing.
fn worse(a: Likeness, b: Likeness) -> Likeness {
    match (a, b) {
        (Likeness::Different, _) | (_, Likeness::Different) => Likeness::Different,
        (Likeness::Unclear, _) | (_, Likeness::Unclear) => Likeness::Unclear,
        (Likeness::Same, Likeness::Same) => Likeness::Same,
    }
}

/// Are two shares equal, as far as chance allows?
fn share((part, other_part): (u32, u32), (whole, other_whole): (u32, u32)) -> Likeness {
    if whole.min(other_whole) < MESSAGES_MIN {
        return Likeness::Unclear;
    }
    let (n, m) = (f64::from(whole), f64::from(other_whole));
    let (a, b) = (f64::from(part) / n, f64::from(other_part) / m);
    if a.min(b) <= RARE && a.max(b) >= USUAL {
        return Likeness::Different;
    }
    let pooled = f64::from(part + other_part) / (n + m);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    if (a - b).abs() <= SHARE_TOLERANCE + DEVIATIONS * deviation {
        Likeness::Same
    } else {
        Likeness::Unclear
    }
}

/// As [`share`]; but how often a client sets a field that both set at times is its habit.
fn field_share(parts: (u32, u32), wholes: (u32, u32)) -> Likeness {
    let is_habit = |part: u32, whole: u32| f64::from(part) > RARE * f64::from(whole);
    match share(parts, wholes) {
        Likeness::Unclear
            if wholes.0.min(wholes.1) >= MESSAGES_MIN
                && is_habit(parts.0, wholes.0)
                && is_habit(parts.1, wholes.1) =>
        {
            Likeness::Same
        }
        likeness => likeness,
    }
}

/// 0 for nothing, then two classes for each power of two.
fn size_class(bytes_count: usize) -> usize {
    let Some(power) = bytes_count.checked_ilog2() else {
        return 0;
    };
    let is_upper_half = power > 0 && bytes_count & (1 << (power - 1)) != 0;
    let class = 1 + 2 * usize::try_from(power).unwrap_or(0) + usize::from(is_upper_half);
    class.min(SIZES_COUNT - 1)
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
