//! Files, folders and standard input.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::doctor::evidence::Evidence;
use crate::doctor::input::{self, Chosen, Inputs};

/// Bytes of one input.
const INPUT_BYTES_MAX: u64 = 256 << 20;
/// Files read below one folder.
const FILES_MAX: usize = 10_000;
/// Names of the file that marks a folder of which kustomize makes manifests.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Endings of files that are read below a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads them all; what cannot be read is noted.
pub(super) fn read_all(paths: &[PathBuf], evidence: &mut Evidence, inputs: &mut Inputs) {
    for path in paths {
        let name = path.display().to_string();
        if name == "-" {
            take(&name, io::stdin().lock(), Chosen::ByUser, evidence, inputs);
        } else if path.is_dir() {
            folder(path, evidence, inputs);
        } else {
            file(path, Chosen::ByUser, evidence, inputs);
        }
    }
}

fn file(path: &Path, chosen: Chosen, evidence: &mut Evidence, inputs: &mut Inputs) {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => take(&name, file, chosen, evidence, inputs),
        Err(error) => inputs.refuse(&name, None, format!("failed to open: {error}")),
    }
}

fn take(
    name: &str,
    source: impl Read,
    chosen: Chosen,
    evidence: &mut Evidence,
    inputs: &mut Inputs,
) {
    let mut bytes = Vec::new();
    match source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Ok(count) if u64::try_from(count).is_ok_and(|count| count > INPUT_BYTES_MAX) => {
            inputs.refuse(
                name,
                None,
                format!("is larger than {} MiB", INPUT_BYTES_MAX >> 20),
            );
        }
        Ok(_) => input::read(name, &bytes, chosen, evidence, inputs),
        Err(error) => inputs.refuse(name, None, format!("failed to read: {error}")),
    }
}

/// Reads all files below `root` with a known ending, in order of name; says what else there is.
fn folder(root: &Path, evidence: &mut Evidence, inputs: &mut Inputs) {
    let name = root.display().to_string();
    let mut found = Found::default();
    let mut folders = vec![root.to_owned()];
    while let Some(next) = folders.pop() {
        match fs::read_dir(&next) {
            Ok(entries) => folders.extend(entries.flatten().filter_map(|entry| found.take(&entry))),
            Err(error) => {
                let next = next.display().to_string();
                inputs.refuse(&next, None, format!("failed to list: {error}"));
            }
        }
        if found.files.len() > FILES_MAX {
            return inputs.refuse(&name, None, format!("has more than {FILES_MAX} files"));
        }
    }
    inputs.take(&name, found.text(root));
    for path in found.files {
        file(&path, Chosen::InFolder, evidence, inputs);
    }
}

/// What there is below a folder.
#[derive(Debug, Default)]
struct Found {
    /// To be read.
    files: BTreeSet<PathBuf>,
    /// With endings that are not read.
    others: u64,
    /// Named like something to read, and no regular files: opening a pipe or a device may wait for ever.
    no_files: u64,
    /// Folders that kustomize makes manifests of; as many as [`FILES_MAX`] at most.
    kustomizations: BTreeSet<PathBuf>,
}

impl Found {
    /// Sorts an entry in; returns it if it is a folder to look into.
    fn take(&mut self, entry: &DirEntry) -> Option<PathBuf> {
        let path = entry.path();
        let name = entry.file_name();
        // Links to folders may lead round in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return Some(path).filter(|_| !name.to_string_lossy().starts_with('.'));
        }
        let is_known = path
            .extension()
            .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        let is_kustomization = KUSTOMIZATIONS.iter().any(|known| name == *known);
        if is_kustomization && self.kustomizations.len() < FILES_MAX {
            self.kustomizations
                .extend(path.parent().map(Path::to_owned));
        }
        // A link that leads nowhere is named when it is opened.
        let is_file = fs::metadata(&path).map_or(true, |metadata| metadata.is_file());
        match (is_known, is_file) {
            (true, true) => {
                self.files.insert(path);
            }
            (true, false) => self.no_files += 1,
            (false, _) => self.others += 1,
        }
        None
    }

    fn text(&self, root: &Path) -> String {
        let count = |count: u64, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        let files = u64::try_from(self.files.len()).unwrap_or(u64::MAX);
        let mut text = format!("a folder with {} of YAML or JSON", count(files, "file"));
        if self.others > 0 {
            text.push_str(&format!("; {} not read", count(self.others, "other")));
        }
        if self.no_files > 0 {
            let pipes = match self.no_files {
                1 => "1 pipe, folder or device".to_owned(),
                more => format!("{more} pipes, folders or devices"),
            };
            text.push_str(&format!("; not looked at: {pipes} named like a file"));
        }
        let chosen = self.kustomizations.get(root);
        if let Some(folder) = chosen.or_else(|| self.kustomizations.first()) {
            text.push_str(&format!(
                "; alternatives in it are looked at as one: `kubectl kustomize {} | twintap doctor -` \
                 looks at what would be applied",
                folder.display()
            ));
            let more = self.kustomizations.len() - 1;
            if chosen.is_none() && more > 0 {
                let folders = count(u64::try_from(more).unwrap_or(u64::MAX), "other folder");
                text.push_str(&format!(" (or {folders} with a kustomization)"));
            }
        }
        text
    }
}
