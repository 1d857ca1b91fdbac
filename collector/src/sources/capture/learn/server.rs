//! What is known of one server: what calls of its methods look like, and classes without a name.

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
/// Methods of a server, each once for every kind of client.
const METHODS_MAX: usize = 1024;
/// Connections to a server of which the beginning was not captured.
const CONNECTIONS_MAX: usize = 4096;
/// Classes, or names seen, of such a connection.
const CONNECTION_METHODS_MAX: usize = 256;

/// One server, by its address and port.
#[derive(Debug, Default)]
pub(super) struct Server {
    methods: Vec<Method>,
    /// Connections that were not seen from their beginning.
    late: HashMap<u64, Late>,
}

/// Calls whose method was seen.
#[derive(Debug)]
struct Method {
    path: Bytes,
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
}

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
        let mut known = self.methods.iter_mut();
        if let Some(method) = known.find(|it| it.encoder == encoder && it.path == *path) {
            method.profile.add(shape);
            return Ok(());
        }
        if self.methods.len() >= METHODS_MAX {
            return Err(Full);
        }
        let mut profile = Profile::default();
        profile.add(shape);
        self.methods.push(Method {
            // What it is a part of is not kept.
            path: Bytes::copy_from_slice(path),
            encoder,
            profile,
        });
        Ok(())
    }

    /// Learns that `path` was seen on a connection that has classes too, or may have.
    pub(super) fn learn_name(&mut self, connection: u64, path: &Bytes) -> Result<(), Full> {
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

    /// The name of a class, if all that is known leaves one.
    pub(super) fn name(
        &self,
        id: &MethodClass,
        descriptors: Option<&Descriptors>,
    ) -> Option<(Bytes, Rule)> {
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
        let mut found: Option<&Bytes> = None;
        let mut may_be_other: Option<&Bytes> = None;
        for method in &self.methods {
            if !method.encoder.may_be(&class.encoder) || is_ruled_out(&method.path) {
                continue;
            }
            let is_known = method.profile.calls() >= METHOD_CALLS_MIN;
            match class.profile.likeness(&method.profile) {
                Likeness::Different => {}
                Likeness::Same if is_known && found.is_none_or(|it| *it == method.path) => {
                    found = Some(&method.path);
                }
                Likeness::Same => return None,
                // Too few calls of the method to tell: its messages may.
                Likeness::Unclear if !class.profile.may_be(&method.profile) => {}
                Likeness::Unclear => may_be_other = may_be_other.or(Some(&method.path)),
            }
        }
        // The same method, called by another kind of client, does not contradict.
        found.filter(|found| may_be_other.is_none_or(|other| other == *found))
    }

    fn may_be(&self, class: &Class, path: &Bytes) -> bool {
        let mut methods = self.methods.iter().filter(|method| method.path == *path);
        methods.any(|method| {
            method.encoder.may_be(&class.encoder) && class.profile.may_be(&method.profile)
        })
    }
}
