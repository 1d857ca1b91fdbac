//! The files that a server sent, and those it has yet to send.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::DescriptorPool;

use super::error::{ReflectionError, bounded};
use super::limits;
use super::messages::{DescriptorSet, FileHead};

/// Files by name, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Files {
    order: Vec<String>,
    by_name: HashMap<String, File>,
    missing: BTreeSet<String>,
    bytes: usize,
}

#[derive(Debug)]
struct File {
    encoded: Bytes,
    imports: Vec<String>,
}

impl Files {
    /// Takes encoded `FileDescriptorProto`s.
    pub(super) fn take(&mut self, sent: Vec<Bytes>) -> Result<(), ReflectionError> {
        for encoded in sent {
            let head = FileHead::decode(encoded.clone())
                .map_err(|_| ReflectionError::Malformed("a file is no FileDescriptorProto"))?;
            if head.name.is_empty() {
                return Err(ReflectionError::Malformed("a file has no name"));
            }
            self.keep(head, encoded)?;
        }
        Ok(())
    }

    fn keep(&mut self, head: FileHead, encoded: Bytes) -> Result<(), ReflectionError> {
        let too_much = |what, limit| Err(ReflectionError::TooMuch { what, limit });
        if let Some(known) = self.by_name.get(&head.name) {
            if known.encoded == encoded {
                return Ok(());
            }
            let name = bounded(&head.name);
            return Err(ReflectionError::Contradiction { name });
        }
        self.bytes = self.bytes.saturating_add(encoded.len());
        if self.bytes > limits::FILES_BYTES_MAX {
            return too_much("bytes of files", limits::FILES_BYTES_MAX);
        }
        self.missing.remove(&head.name);
        for import in &head.dependency {
            if !self.by_name.contains_key(import) && *import != head.name {
                self.missing.insert(import.clone());
            }
        }
        if self.by_name.len() + self.missing.len() >= limits::FILES_MAX {
            return too_much("files", limits::FILES_MAX);
        }
        self.order.push(head.name.clone());
        let imports = head.dependency;
        self.by_name.insert(head.name, File { encoded, imports });
        Ok(())
    }

    /// Takes a file of protobuf's own, which some servers leave out; `false` if it is none.
    pub(super) fn take_well_known(&mut self, name: &str) -> bool {
        let Some(file) = DescriptorPool::global().get_file_by_name(name) else {
            return false;
        };
        let encoded = file.file_descriptor_proto().encode_to_vec();
        name.starts_with("google/protobuf/") && self.take(vec![encoded.into()]).is_ok()
    }

    /// A file that another one imports and that did not come yet.
    pub(super) fn next_missing(&self) -> Option<String> {
        self.missing.first().cloned()
    }

    /// Did the file come?
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// An encoded `FileDescriptorSet`: imports before what imports them, as protoc writes it. A
    /// circle of imports is left to whoever reads it.
    pub(super) fn into_descriptor_set(self) -> Vec<u8> {
        let mut set = DescriptorSet::default();
        let mut entered = BTreeSet::new();
        for name in &self.order {
            // Files on the way to the one that is written next, and which import to look at.
            let mut way = Vec::new();
            if entered.insert(name) {
                way.push((name, 0));
            }
            while let Some((name, next)) = way.pop() {
                let Some(file) = self.by_name.get(name) else {
                    continue;
                };
                match file.imports.get(next) {
                    Some(import) => {
                        way.push((name, next + 1));
                        if entered.insert(import) {
                            way.push((import, 0));
                        }
                    }
                    None => set.file.push(file.encoded.clone()),
                }
            }
        }
        set.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, imports: &[&str]) -> Bytes {
        let head = FileHead {
            name: name.to_owned(),
            dependency: imports.iter().map(ToString::to_string).collect(),
        };
        head.encode_to_vec().into()
    }

    fn names(set: &[u8]) -> Vec<String> {
        let set = DescriptorSet::decode(set).unwrap();
        let heads = set.file.into_iter().map(FileHead::decode);
        heads.map(|head| head.unwrap().name).collect()
    }

    #[test]
    fn imports_are_asked_for_once_and_written_first() {
        let mut files = Files::default();
        files.take(vec![file("a", &["b", "c"])]).unwrap();
        assert_eq!(files.next_missing().as_deref(), Some("b"));
        files
            .take(vec![file("b", &["c"]), file("b", &["c"])])
            .unwrap();
        assert_eq!(files.next_missing().as_deref(), Some("c"));
        files.take(vec![file("c", &[])]).unwrap();
        assert_eq!(files.next_missing(), None);
        assert_eq!(names(&files.into_descriptor_set()), ["c", "b", "a"]);
    }

    #[test]
    fn a_circle_of_imports_ends() {
        let mut files = Files::default();
        files
            .take(vec![file("a", &["b", "a"]), file("b", &["a"])])
            .unwrap();
        assert_eq!(names(&files.into_descriptor_set()), ["b", "a"]);
    }

    #[test]
    fn one_name_has_one_content() {
        let mut files = Files::default();
        files.take(vec![file("a", &[])]).unwrap();
        let error = files.take(vec![file("a", &["b"])]).unwrap_err();
        assert!(matches!(error, ReflectionError::Contradiction { .. }));
        assert!(files.take(vec![Bytes::from_static(b"\xff")]).is_err());
        assert!(files.take(vec![file("", &[])]).is_err());
    }

    #[test]
    fn files_of_protobuf_itself_need_not_be_sent() {
        let mut files = Files::default();
        assert!(files.take_well_known("google/protobuf/timestamp.proto"));
        assert!(files.has("google/protobuf/timestamp.proto"));
        assert!(!files.take_well_known("shop/v1/shop.proto"));
    }

    #[test]
    fn ever_more_imports_come_to_an_end() {
        let mut files = Files::default();
        let endless = |number: usize| file(&number.to_string(), &[&(number + 1).to_string()]);
        let ended =
            (0..=limits::FILES_MAX).find_map(|number| files.take(vec![endless(number)]).err());
        assert!(matches!(
            ended,
            Some(ReflectionError::TooMuch { what: "files", .. })
        ));
    }
}
