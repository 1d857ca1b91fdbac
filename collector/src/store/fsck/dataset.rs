//! Files of `calls`: whatever cannot be read stops every comparison, so it is moved aside and counted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Checked, FsckError, Severity, io_error};
use crate::store::accounting::{Accounting, Figures};
use crate::store::parquet::{check_part, part_files, sweep_unfinished};
use crate::store::quarantine;

/// Folder for files that cannot be read, inside the quarantine.
const ASIDE: &str = "parts";

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
    let mut aside = 0;
    for path in files.whole {
        on_part(all);
        checked.parts += 1;
        let error = match check_part(&path) {
            Ok(calls) => {
                checked.calls += calls;
                continue;
            }
            Err(error) => anyhow::Error::from(error),
        };
        let what = format!("cannot be read: {error:#}");
        if repair_at_unix_ns.is_none() {
            checked.found(Severity::Damaged, &path, what);
            continue;
        }
        let to = move_aside(data_dir, &path).map_err(io_error("move", &path))?;
        aside += 1;
        let what = format!("{what}; moved to {}", to.display());
        checked.repaired(Severity::Damaged, &path, what);
    }
    if let (Some(now_unix_ns), 1..) = (repair_at_unix_ns, aside) {
        // So that no comparison takes what is left for all there was.
        let id = *Uuid::now_v7().as_bytes();
        Accounting::of_capture(&id, Figures::default(), aside, now_unix_ns)
            .save_capture(data_dir)
            .map_err(io_error("count what was moved in", data_dir))?;
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

/// Durably, under the name it had.
fn move_aside(data_dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let folder = data_dir.join(quarantine::DIRECTORY).join(ASIDE);
    fs::create_dir_all(&folder)?;
    let name = path.file_name().unwrap_or_default();
    let to = folder.join(name);
    fs::rename(path, &to)?;
    for folder in [Some(folder.as_path()), path.parent()]
        .into_iter()
        .flatten()
    {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(to)
}
