//! Files of `calls`: whatever cannot be read stops every comparison, so it is moved aside and counted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Checked, FsckError, Severity, io_error};
use crate::store::accounting::{Accounting, Figures};
use crate::store::parquet::{check_part, part_files, sweep_unfinished};
use crate::store::quarantine;

/// Checks each file; moves those that cannot be read aside if `repair_at_unix_ns` says when.
pub(super) fn check(
    data_dir: &Path,
    repair_at_unix_ns: Option<u64>,
    is_in_use: bool,
    checked: &mut Checked,
    on_part: &mut impl FnMut(u64),
) -> Result<(), FsckError> {
    let files = part_files(data_dir).map_err(io_error("list the calls of", data_dir))?;
    let all = files.whole.len() as u64;
    let mut aside = Aside::new(data_dir);
    for path in files.whole {
        on_part(all);
        checked.parts += 1;
        let error = match check_part(&path) {
            Ok(part) => {
                checked.calls += part.calls;
                checked.parts_without_checksum += u64::from(!part.has_checksum);
                continue;
            }
            Err(error) => error,
        };
        let is_damaged = error.is_of_the_file();
        let error = anyhow::Error::from(error);
        if !is_damaged {
            checked.found(
                Severity::Unchecked,
                &path,
                format!("not checked: {error:#}"),
            );
            continue;
        }
        let what = format!("cannot be read: {error:#}");
        let Some(now_unix_ns) = repair_at_unix_ns else {
            checked.found(Severity::Damaged, &path, what);
            continue;
        };
        let to = aside.take(&path, now_unix_ns);
        let to = to.map_err(io_error("move aside", &path))?;
        let what = format!("{what}; moved to {}", to.display());
        checked.repaired(Severity::Damaged, &path, what);
    }
    if repair_at_unix_ns.is_some() {
        sweep_unfinished(data_dir).map_err(io_error("remove half-written files in", data_dir))?;
    }
    for path in files.unfinished {
        let what = "half-written, as a crash leaves it; what was to be in it is in the journal or lost to a \
                    capture that was cut short";
        match repair_at_unix_ns {
            _ if is_in_use => {}
            Some(_) => checked.repaired(Severity::Repairable, &path, what),
            None => checked.found(Severity::Repairable, &path, what),
        }
    }
    Ok(())
}

/// Where files go that cannot be read, and how many.
struct Aside<'a> {
    data_dir: &'a Path,
    id: [u8; 16],
    count: u64,
}

impl<'a> Aside<'a> {
    fn new(data_dir: &'a Path) -> Self {
        Self {
            data_dir,
            id: *Uuid::now_v7().as_bytes(),
            count: 0,
        }
    }

    /// Moves a file, durably, to the place in the quarantine that it had among the calls. It is counted
    /// before: whatever happens in between, no comparison takes what is left for all there was.
    fn take(&mut self, path: &Path, now_unix_ns: u64) -> io::Result<PathBuf> {
        self.count += 1;
        Accounting::of_capture(&self.id, Figures::default(), self.count, now_unix_ns)
            .save_capture(self.data_dir)?;
        let place = path.strip_prefix(self.data_dir).unwrap_or(path);
        let to = self.data_dir.join(quarantine::DIRECTORY).join(place);
        if to.try_exists()? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} is there already", to.display()),
            ));
        }
        let folders = [to.parent(), path.parent()];
        for folder in folders.into_iter().flatten() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(path, &to)?;
        for folder in folders.into_iter().flatten() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(to)
    }
}
