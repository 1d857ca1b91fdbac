//! What is known of one server: what calls of its methods look like, and classes without a name.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use twintap_decode::exchange::{Exchange, MethodClass, Rule};
use twintap_decode::hpack::EntryId;

use super::candidates::Candidates;
use super::descriptors::Descriptors;
use super::encoder::Encoder;
use super::shape::{CallShape, Likeness, Profile};

/// Calls of a method that were fully seen, before a class can be taken for it.
const METHOD_CALLS_MIN: u32 = 16;
/// Calls of a class before it can get a name.
const CLASS_CALLS_MIN: u32 = 8;
/// Methods of a server.
const METHODS_MAX: usize = 1024;
/// Kinds of clients that call a method.
const ENCODERS_MAX: usize = 8;
/// Connections to a server of which the beginning was not captured.
const CONNECTIONS_MAX: usize = 4096;
/// Classes, or names seen, of such a connection.
const CONNECTION_METHODS_MAX: usize = 256;

/// One server, by its address and port.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// By path: calls whose method was seen.
    methods: HashMap<Bytes, Vec<Seen>>,
    /// How often anything was learnt.
    lessons: u64,
    /// Connections that were not seen from their beginning.
    late: HashMap<u64, Late>,
}

/// Calls of one method by one kind of client.
#[derive(Debug)]
struct Seen {
    encoder: Encoder,
    profile: Profile,
}

#[derive(Debug, Default)]
struct Late {
    classes: Vec<Class>,
    /// Methods that were seen on it by name.
    seen: Vec<Bytes>,
}

/// Calls of one method that was not seen.
#[derive(Debug)]
struct Class {
    entries: Vec<EntryId>,
    encoder: Encoder,
    profile: Profile,
    candidates: Option<Candidates>,
    /// The name that it had, and at which lesson.
    named: Option<(u64, Name)>,
}

/// A name and where it is from, if there is one.
type Name = Option<(Bytes, Rule)>;

impl Class {
    /// Were the entries of both counted alike? Across a loss one method may have two classes.
    fn is_comparable(&self, other: &Self) -> bool {
        let epoch = |class: &Self| class.entries.first().map(|entry| entry.epoch);
        epoch(self) == epoch(other)
    }
}

/// A limit was reached: what was to be learnt is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Server {
    /// Learns from a call whose method was seen to be `path`.
    pub(super) fn learn_seen(
        &mut self,
        path: &Bytes,
        encoder: Encoder,
        shape: &CallShape,
    ) -> Result<(), Full> {
        self.lessons += 1;
        if !self.methods.contains_key(path) {
            if self.methods.len() >= METHODS_MAX {
                return Err(Full);
            }
            // What it is a part of is not kept.
            self.methods
                .insert(Bytes::copy_from_slice(path), Vec::new());
        }
        let kinds = self.methods.get_mut(path).ok_or(Full)?;
        if let Some(seen) = kinds.iter_mut().find(|it| it.encoder == encoder) {
            seen.profile.add(shape);
            return Ok(());
        }
        if kinds.len() >= ENCODERS_MAX {
            return Err(Full);
        }
        let mut profile = Profile::default();
        profile.add(shape);
        kinds.push(Seen { encoder, profile });
        Ok(())
    }

    /// Learns that `path` was seen on a connection that has classes too, or may have.
    pub(super) fn learn_name(&mut self, connection: u64, path: &Bytes) -> Result<(), Full> {
        self.lessons += 1;
        let late = self.late(connection)?;
        if late.seen.contains(path) {
            return Ok(());
        }
        if late.seen.len() >= CONNECTION_METHODS_MAX {
            return Err(Full);
        }
        late.seen.push(Bytes::copy_from_slice(path));
        Ok(())
    }

    /// Learns from a call of `class`.
    pub(super) fn learn_class(
        &mut self,
        id: &MethodClass,
        encoder: Encoder,
        shape: &CallShape,
        exchange: &Exchange,
        descriptors: Option<&Descriptors>,
    ) -> Result<(), Full> {
        self.lessons += 1;
        let classes = &mut self.late(id.connection)?.classes;
        let place = classes.iter().position(|it| it.entries == id.entries);
        let place = match place {
            Some(place) => place,
            None if classes.len() >= CONNECTION_METHODS_MAX => return Err(Full),
            None => {
                classes.push(Class {
                    entries: id.entries.clone(),
                    encoder,
                    profile: Profile::default(),
                    candidates: descriptors.map(Candidates::new),
                    named: None,
                });
                classes.len() - 1
            }
        };
        if let Some(class) = classes.get_mut(place) {
            class.profile.add(shape);
            if let (Some(candidates), Some(descriptors)) = (&mut class.candidates, descriptors) {
                candidates.narrow(descriptors, exchange);
            }
        }
        Ok(())
    }

    fn late(&mut self, connection: u64) -> Result<&mut Late, Full> {
        if self.late.len() >= CONNECTIONS_MAX && !self.late.contains_key(&connection) {
            return Err(Full);
        }
        Ok(self.late.entry(connection).or_default())
    }

    /// The name of a class, if all that is known leaves one, or did so no more than `age_max` lessons
    /// ago.
    pub(super) fn name(
        &mut self,
        id: &MethodClass,
        descriptors: Option<&Descriptors>,
        age_max: u64,
    ) -> Name {
        let oldest = self.lessons.saturating_sub(age_max);
        let class = self.class(id)?;
        if let Some((lesson, name)) = &class.named
            && *lesson >= oldest
        {
            return name.clone();
        }
        let name = self.decide(id, descriptors);
        let lesson = self.lessons;
        self.class(id)?.named = Some((lesson, name.clone()));
        name
    }

    fn class(&mut self, id: &MethodClass) -> Option<&mut Class> {
        let mut classes = self.late.get_mut(&id.connection)?.classes.iter_mut();
        classes.find(|class| class.entries == id.entries)
    }

    fn decide(&self, id: &MethodClass, descriptors: Option<&Descriptors>) -> Name {
        let late = self.late.get(&id.connection)?;
        let class = late.classes.iter().find(|it| it.entries == id.entries)?;
        if class.profile.calls() < CLASS_CALLS_MIN {
            return None;
        }
        let only = class.candidates.as_ref().and_then(Candidates::only);
        let accepted = only.and_then(|index| descriptors?.path(index));
        let sister = self.sister(class, descriptors);
        let others = || {
            let others = late.classes.iter();
            others.filter(|it| it.entries != class.entries && it.is_comparable(class))
        };
        let (path, rule) = match (sister, accepted) {
            (Some(sister), Some(accepted)) if sister != accepted => return None,
            (Some(sister), _) => {
                // One method has one class: another that may be it as well leaves both without.
                if others().any(|other| self.may_be(other, sister)) {
                    return None;
                }
                (sister, Rule::SisterConnection)
            }
            (None, Some(accepted)) => {
                let is_its = |other: &Class| {
                    let candidates = other.candidates.as_ref();
                    candidates.and_then(Candidates::only) == only
                };
                if others().any(is_its) {
                    return None;
                }
                (accepted, Rule::Descriptors)
            }
            (None, None) => return None,
        };
        // An encoder refers to the entry that it has; it does not insert the path once more.
        (!late.seen.contains(path)).then(|| (path.clone(), rule))
    }

    /// The only method that looks like `class`, if all others look different.
    fn sister(&self, class: &Class, descriptors: Option<&Descriptors>) -> Option<&Bytes> {
        let is_ruled_out = |path: &Bytes| {
            let index = descriptors.and_then(|descriptors| descriptors.index_of(path));
            let candidates = class.candidates.as_ref().zip(index);
            candidates.is_some_and(|(candidates, index)| candidates.is_ruled_out(index))
        };
        let (mut found, mut is_any_unclear) = (None, false);
        for (path, kinds) in &self.methods {
            let Some(profile) = profile_for(kinds, class) else {
                continue;
            };
            if is_ruled_out(path) {
                continue;
            }
            match class.profile.likeness(&profile) {
                Likeness::Different => {}
                Likeness::Same if found.is_none() && profile.calls() >= METHOD_CALLS_MIN => {
                    found = Some(path);
                }
                Likeness::Same => return None,
                // Too few calls of the method to tell: its messages may.
                Likeness::Unclear => is_any_unclear |= class.profile.may_be(&profile),
            }
        }
        found.filter(|_| !is_any_unclear)
    }

    fn may_be(&self, class: &Class, path: &Bytes) -> bool {
        let kinds = self.methods.get(path);
        let profile = kinds.and_then(|kinds| profile_for(kinds, class));
        profile.is_some_and(|profile| class.profile.may_be(&profile))
    }
}

/// What calls of a method look like, of those kinds of clients that `class` may be of.
fn profile_for<'a>(kinds: &'a [Seen], class: &Class) -> Option<Cow<'a, Profile>> {
    let mut kinds = kinds.iter().filter(|it| it.encoder.may_be(&class.encoder));
    let mut profile = Cow::Borrowed(&kinds.next()?.profile);
    for kind in kinds {
        profile.to_mut().merge(&kind.profile);
    }
    Some(profile)
}
