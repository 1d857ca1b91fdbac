//! Files, folders and standard input.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::doctor::evidence::Evidence;
use crate::doctor::input::{self, Chosen, Inputs};

/// Bytes of one input.
const INPUT_BYTES_MAX: u64 = 256 << 20;
/// Files read below one folder.
const FILES_MAX: usize = 10_000;
/// Marks a folder that kustomize makes manifests of.
const KUSTOMIZATION: &str = "kustomization.yaml";
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

/// All files below `root` with a known ending, in order of name; says how many others there are.
fn folder(root: &Path, evidence: &mut Evidence, inputs: &mut Inputs) {
    let name = root.display().to_string();
    let mut found = BTreeSet::new();
    let mut others = 0_u64;
    let mut folders = vec![root.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) => {
                inputs.refuse(
                    &next.display().to_string(),
                    None,
                    format!("failed to list: {error}"),
                );
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // Links to folders may lead round in a circle.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            let is_known = path
                .extension()
                .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            if is_folder && !is_hidden {
                folders.push(path);
            } else if is_known {
                found.insert(path);
            } else if !is_folder {
                others += 1;
            }
        }
        if found.len() > FILES_MAX {
            return inputs.refuse(&name, None, format!("has more than {FILES_MAX} files"));
        }
    }
    let mut taken_for = format!("a folder with {} files of YAML or JSON", found.len());
    if others > 0 {
        taken_for.push_str(&format!("; {others} others were not read"));
    }
    if found.iter().any(|path| path.ends_with(KUSTOMIZATION)) {
        taken_for.push_str(&format!(
            "; alternatives in it are looked at as one: `kubectl kustomize {name} | twintap doctor -` \
             looks at what would be applied"
        ));
    }
    inputs.take(&name, taken_for);
    for path in found {
        file(&path, Chosen::InFolder, evidence, inputs);
    }
}
