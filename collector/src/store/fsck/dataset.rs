//! Files of `calls`: whatever cannot be read stops every comparison, so it is moved aside and counted.

use std::path::Path;

use super::aside::Aside;
use super::{Checked, FsckError, Severity, io_error};
use crate::store::parquet::{check_part, part_files, sweep_unfinished};

/// Checks each file; moves those that cannot be read aside, if told to where.
pub(super) fn check(
    data_dir: &Path,
    mut aside: Option<&mut Aside<'_>>,
    is_in_use: bool,
    checked: &mut Checked,
    on_part: &mut impl FnMut(u64),
) -> Result<(), FsckError> {
    let files = part_files(data_dir).map_err(io_error("list the calls of", data_dir))?;
    let all = files.whole.len() as u64;
    for path in files.whole {
        on_part(all);
        let error = match check_part(&path) {
            Ok(part) => {
                checked.parts += 1;
                checked.calls += part.calls;
                checked.parts_without_checksum += u64::from(!part.has_checksum);
                continue;
            }
            Err(error) => error,
        };
        let is_damaged = error.is_of_the_file();
        let error = anyhow::Error::from(error);
        if is_damaged {
            let what = format!("cannot be read: {error:#}");
            checked.damaged(&path, what, aside.as_deref_mut())?;
        } else {
            let what = format!("not checked: {error:#}");
            checked.found(Severity::Unchecked, &path, what);
        }
    }
    if aside.is_some() {
        sweep_unfinished(data_dir).map_err(io_error("remove half-written files in", data_dir))?;
    }
    for path in files.unfinished {
        let what = "half-written, as a crash leaves it; what was to be in it is in the journal or lost to a \
                    capture that was cut short";
        match aside {
            _ if is_in_use => {}
            Some(_) => checked.repaired(Severity::Repairable, &path, what),
            None => checked.found(Severity::Repairable, &path, what),
        }
    }
    Ok(())
}
