//! Where files go that cannot be read: into the quarantine, counted before they are moved.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::store::accounting::{Accounting, Figures};
use crate::store::data_dir::DIR_MODE;
use crate::store::hex::hex;
use crate::store::parquet;
use crate::store::quarantine;

/// For whoever replaces all that a run of `ingest` wrote into `data_dir`: what was moved aside of it is no loss
/// any more.
pub fn replaced(data_dir: &Path, producer_id: Uuid) -> io::Result<()> {
    for mut accounting in Accounting::of_captures(data_dir)? {
        let is_of_run =
            |name: &String| parquet::is_part_of(name.as_ref(), producer_id.into_bytes());
        let before = accounting.moved_files.len() as u64;
        accounting.moved_files.retain(|name| !is_of_run(name));
        let replaced = before - accounting.moved_files.len() as u64;
        accounting.moved_aside = accounting.moved_aside.saturating_sub(replaced);
        accounting.damaged_stretches = accounting.damaged_stretches.saturating_sub(replaced);
        match replaced {
            0 => {}
            _ if accounting.moved_aside == 0 => accounting.remove_capture(data_dir)?,
            _ => accounting.save_capture(data_dir)?,
        }
    }
    Ok(())
}

/// Files that one accounting file counts: it is written anew for each, so that with all in one, a repair of
/// many files would write the names of all, as often as there are files.
const COUNTED_TOGETHER_MAX: u64 = 100;

/// Moves files of one data directory aside.
pub(super) struct Aside<'a> {
    data_dir: &'a Path,
    now_unix_ns: u64,
    id: Uuid,
    count: u64,
    parts: Vec<String>,
}

impl<'a> Aside<'a> {
    pub(super) fn new(data_dir: &'a Path, now_unix_ns: u64) -> Self {
        Self {
            data_dir,
            now_unix_ns,
            id: Uuid::now_v7(),
            count: 0,
            parts: Vec::new(),
        }
    }

    /// Moves a file whose content is lost by that. It is counted before: whatever happens in between, no
    /// comparison takes what is left for all there was.
    pub(super) fn take(&mut self, path: &Path) -> io::Result<PathBuf> {
        if self.count == COUNTED_TOGETHER_MAX {
            *self = Self::new(self.data_dir, self.now_unix_ns);
        }
        self.count += 1;
        let count = self.count;
        let name = path.file_name().unwrap_or_default();
        if path.extension().is_some_and(|ending| ending == "parquet") {
            self.parts.push(name.to_string_lossy().into_owned());
        }
        let counted = Accounting::of_capture(
            self.id.as_bytes(),
            Figures::default(),
            count,
            self.now_unix_ns,
        );
        let counted = Accounting {
            moved_aside: count,
            moved_files: self.parts.clone(),
            ..counted
        };
        counted.save_capture(self.data_dir)?;
        self.take_uncounted(path)
    }

    /// Moves a file, durably, to the place in the quarantine that it had in the data directory.
    pub(super) fn take_uncounted(&self, path: &Path) -> io::Result<PathBuf> {
        let place = path.strip_prefix(self.data_dir).unwrap_or(path);
        let mut to = self.data_dir.join(quarantine::DIRECTORY).join(place);
        if to.try_exists()? {
            let mut name = to.file_name().unwrap_or(OsStr::new("")).to_owned();
            name.push(format!(".{}", hex(self.id.as_bytes())));
            to.set_file_name(name);
        }
        let folders = [to.parent(), path.parent()];
        for folder in folders.into_iter().flatten() {
            DirBuilder::new()
                .recursive(true)
                .mode(DIR_MODE)
                .create(folder)?;
        }
        fs::rename(path, &to)?;
        for folder in folders.into_iter().flatten() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_accounting_file_names_more_than_its_share_of_what_was_moved() {
        let data = tempfile::tempdir().unwrap();
        let mut aside = Aside::new(data.path(), 1);
        let runs: Vec<Uuid> = (0..=COUNTED_TOGETHER_MAX).map(|_| Uuid::now_v7()).collect();
        for run in &runs {
            let part = parquet::run_part(run.into_bytes(), 0);
            let path = data.path().join(format!("part-{part}.parquet"));
            fs::write(&path, "").unwrap();
            aside.take(&path).unwrap();
        }
        let counted = || {
            let all = Accounting::of_captures(data.path()).unwrap();
            let mut counts: Vec<_> = all.iter().map(|it| it.moved_files.len()).collect();
            let sum: u64 = all.iter().map(|it| it.damaged_stretches).sum();
            assert_eq!(sum, counts.iter().sum::<usize>() as u64);
            counts.sort_unstable();
            counts
        };
        assert_eq!(counted(), [1, runs.len() - 1]);
        // Each is found again, wherever it is named.
        for run in &runs {
            replaced(data.path(), *run).unwrap();
        }
        assert_eq!(counted(), [0; 0]);
    }
}
