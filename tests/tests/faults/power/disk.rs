//! A disk that keeps what was synced, and of the rest what chance decides.
//!
//! The model is weaker than common file systems: `fsync` of a file makes its content durable, not its
//! name; that of a folder makes the names in it durable, not what they name. Of what was not synced, each
//! write may be there, missing, torn within a sector, in some of its sectors, or as zeros, in whatever
//! order; names appear and go in the order of the calls in each folder, but in no order between folders.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::trace::{Action, Step};
use crate::random::Random;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Everything below one folder.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// The first is `root`.
    nodes: Vec<Node>,
    open: HashMap<u32, Open>,
}

/// An open file or folder.
#[derive(Clone, Copy, Debug)]
struct Open {
    node: usize,
    position: u64,
    appends: bool,
}

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<(usize, Change)>,
    /// As programs see it.
    length: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    durable: BTreeMap<String, usize>,
    pending: Vec<(usize, Naming)>,
    /// As programs see it.
    names: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
enum Naming {
    Put(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Disk {
    /// An empty one, whose folder `root` is durable.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            nodes: vec![Node::Folder(Folder::default())],
            open: HashMap::new(),
        }
    }

    /// Does what a call does; calls outside of the root do nothing.
    pub(super) fn apply(&mut self, step: &Step) {
        let at = step.ended;
        match &step.action {
            Action::CreateFolder(path) => {
                self.create(at, path, Node::Folder(Folder::default()));
            }
            Action::Open {
                file,
                path,
                creates,
                truncates,
                appends,
            } => {
                let node = match self.find(path) {
                    None if *creates => self.create(at, path, Node::File(File::default())),
                    found => found,
                };
                self.open.remove(file);
                let Some(node) = node else {
                    return;
                };
                let (position, appends) = (0, *appends);
                let open = Open {
                    node,
                    position,
                    appends,
                };
                self.open.insert(*file, open);
                if *truncates {
                    self.change(at, node, Change::Truncate(0));
                }
            }
            Action::Close(file) => {
                self.open.remove(file);
            }
            Action::Duplicate { file, copy } => {
                // Positions are shared with the original from then on, which nobody here needs.
                match self.open.get(file).copied() {
                    Some(open) => self.open.insert(*copy, open),
                    None => self.open.remove(copy),
                };
            }
            Action::Seek { file, position } => {
                if let Some(open) = self.open.get_mut(file) {
                    open.position = *position;
                }
            }
            Action::Write {
                file,
                position,
                bytes,
            } => self.write(at, *file, *position, bytes),
            Action::Truncate { file, length } => {
                if let Some(open) = self.open.get(file) {
                    self.change(at, open.node, Change::Truncate(*length));
                }
            }
            Action::Sync(file) => {
                if let Some(open) = self.open.get(file) {
                    self.nodes[open.node].sync(step.began);
                }
            }
            Action::Rename(from, to) => {
                assert_eq!(from.parent(), to.parent(), "folders have their own order");
                self.name(at, from, |name| Naming::Rename(name, last(to)));
            }
            Action::Remove(path) => self.name(at, path, Naming::Remove),
        }
    }

    fn write(&mut self, at: usize, file: u32, there: Option<u64>, bytes: &[u8]) {
        let Some(open) = self.open.get_mut(&file) else {
            return;
        };
        let Node::File(content) = &self.nodes[open.node] else {
            panic!("folders cannot be written");
        };
        let here = if open.appends {
            content.length
        } else {
            open.position
        };
        let position = there.unwrap_or(here);
        if there.is_none() {
            open.position = position + bytes.len() as u64;
        }
        let (node, bytes) = (open.node, bytes.to_vec());
        self.change(at, node, Change::Write { position, bytes });
    }

    /// The power goes: writes what is left of it below `target`, which exists and is empty.
    pub(super) fn cut(&self, random: &mut Random, target: &Path) {
        self.put(0, random, target);
    }

    /// May a cut keep a part of a segment and lose what stands before it? Then more than one write to it was not
    /// synced.
    pub(super) fn may_leave_gaps(&self) -> bool {
        let mut folders = self.nodes.iter().filter_map(|node| match node {
            Node::Folder(folder) => Some(folder),
            Node::File(_) => None,
        });
        folders.any(|folder| {
            let mut segments = folder.names.iter().filter(|(name, _)| name.ends_with(".segment"));
            segments.any(|(_, node)| matches!(&self.nodes[*node], Node::File(file) if file.pending.len() > 1))
        })
    }

    /// All files below, as programs see them.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = folders.pop() {
            match &self.nodes[node] {
                Node::Folder(folder) => {
                    let names = folder.names.iter();
                    folders.extend(names.map(|(name, node)| (path.join(name), *node)));
                }
                Node::File(file) => {
                    let mut content = file.durable.clone();
                    for (_, change) in &file.pending {
                        change.apply(&mut content);
                    }
                    files.insert(path, content);
                }
            }
        }
        files
    }

    fn put(&self, node: usize, random: &mut Random, target: &Path) {
        match &self.nodes[node] {
            Node::File(file) => {
                fs::write(target, file.cut(random)).expect("there is room");
                fs::set_permissions(target, Permissions::from_mode(0o600)).expect("it is ours");
            }
            Node::Folder(folder) => {
                if !target.exists() {
                    let private = DirBuilder::new().mode(0o700).create(target);
                    private.expect("a new folder");
                }
                for (name, node) in folder.cut(random) {
                    self.put(node, random, &target.join(name));
                }
            }
        }
    }

    fn create(&mut self, at: usize, path: &Path, node: Node) -> Option<usize> {
        let id = self.nodes.len();
        let parent = self.find(path.parent()?)?;
        let Node::Folder(parent) = &mut self.nodes[parent] else {
            return None;
        };
        parent.push(at, Naming::Put(last(path), id));
        self.nodes.push(node);
        Some(id)
    }

    fn name(&mut self, at: usize, path: &Path, naming: impl FnOnce(String) -> Naming) {
        let parent = path.parent().and_then(|parent| self.find(parent));
        if let Some(Node::Folder(parent)) = parent.map(|parent| &mut self.nodes[parent]) {
            parent.push(at, naming(last(path)));
        }
    }

    fn change(&mut self, at: usize, node: usize, change: Change) {
        let Node::File(file) = &mut self.nodes[node] else {
            panic!("folders cannot be written");
        };
        file.length = match &change {
            Change::Write { position, bytes } => file.length.max(position + bytes.len() as u64),
            Change::Truncate(length) => *length,
        };
        file.pending.push((at, change));
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let mut found = 0;
        for name in path.strip_prefix(&self.root).ok()? {
            let Node::Folder(folder) = &self.nodes[found] else {
                return None;
            };
            found = *folder.names.get(name.to_str()?)?;
        }
        Some(found)
    }
}

fn last(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    name.expect("paths of this test are UTF-8").to_owned()
}

impl Node {
    /// Makes durable what was done before `began`.
    fn sync(&mut self, began: usize) {
        match self {
            Self::File(file) => {
                for (at, change) in std::mem::take(&mut file.pending) {
                    match at < began {
                        true => change.apply(&mut file.durable),
                        false => file.pending.push((at, change)),
                    }
                }
            }
            Self::Folder(folder) => {
                for (at, naming) in std::mem::take(&mut folder.pending) {
                    match at < began {
                        true => naming.apply(&mut folder.durable),
                        false => folder.pending.push((at, naming)),
                    }
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => put(content, *position, bytes),
            Self::Truncate(length) => content.resize(in_memory(*length), 0),
        }
    }
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put(name, node) => {
                names.insert(name, node);
            }
            Self::Rename(from, to) => {
                // Where the first name was lost, so is this.
                if let Some(node) = names.remove(&from) {
                    names.insert(to, node);
                }
            }
            Self::Remove(name) => {
                names.remove(&name);
            }
        }
    }
}

impl Folder {
    fn push(&mut self, at: usize, naming: Naming) {
        naming.clone().apply(&mut self.names);
        self.pending.push((at, naming));
    }

    fn cut(&self, random: &mut Random) -> BTreeMap<String, usize> {
        let mut names = self.durable.clone();
        let kept = random.below(self.pending.len() as u64 + 1);
        for (_, naming) in self.pending.iter().take(in_memory(kept)) {
            naming.clone().apply(&mut names);
        }
        names
    }
}

impl File {
    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        // Often all or nothing, as in a file that is written and at once renamed.
        let fate = random.below(4);
        for (_, change) in &self.pending {
            match (fate, change) {
                (0, _) => {}
                (1, _) => change.apply(&mut content),
                (_, Change::Truncate(_)) if random.below(2) == 0 => {}
                (_, Change::Truncate(_)) => change.apply(&mut content),
                (_, Change::Write { position, bytes }) => {
                    tear(&mut content, *position, bytes, random);
                }
            }
        }
        content
    }
}

/// Writes what chance leaves of `bytes`.
fn tear(content: &mut Vec<u8>, position: u64, bytes: &[u8], random: &mut Random) {
    match random.below(5) {
        0 => {}
        1 => put(content, position, bytes),
        2 => put(content, position, &vec![0; bytes.len()]),
        3 => {
            let left = random.below(bytes.len() as u64 + 1);
            put(content, position, &bytes[..in_memory(left)]);
        }
        _ => {
            let mut position = position;
            let mut rest = bytes;
            while !rest.is_empty() {
                let room = SECTOR - in_memory(position) % SECTOR;
                let (sector, after) = rest.split_at(room.min(rest.len()));
                if random.below(2) == 0 {
                    put(content, position, sector);
                }
                position += sector.len() as u64;
                rest = after;
            }
        }
    }
}

fn put(content: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let begin = in_memory(position);
    let end = begin + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[begin..end].copy_from_slice(bytes);
}

fn in_memory(length: u64) -> usize {
    usize::try_from(length).expect("files of this test are small")
}
