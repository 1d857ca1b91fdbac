//! Removes what comparisons that were ended half-way left of their files.
//!
//! Who writes such a file holds a lock on it, so one that can be locked is nobody's. Young ones are left alone: they
//! may have been created and not locked yet, or by a writer that knows of no locks. What cannot be removed stays,
//! and harms nobody: it is never read.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::store::parquet::layout::unfinished_path;

/// How long nobody has written to a file that is removed.
const AGE_MIN: Duration = Duration::from_hours(1);

/// Marks `file`, which was just created, as one that is written.
pub(super) fn claim(file: &File) {
    // Where there are no locks, others leave it alone.
    file.try_lock().ok();
}

/// Removes unfinished files of other runs, of the dataset that the file at `path` will be in, that were written long
/// before `file`, which it is until then.
pub(super) fn sweep(path: &Path, file: &File) -> io::Result<()> {
    let now = file.metadata()?.modified()?;
    let runs = path.parent().and_then(Path::parent);
    let (Some(runs), Some(name)) = (runs, path.file_name()) else {
        return Ok(());
    };
    for folder in fs::read_dir(runs)? {
        let folder = folder?.path();
        let unfinished = unfinished_path(&folder.join(name));
        let Ok(file) = File::options().write(true).open(&unfinished) else {
            continue;
        };
        let written = file.metadata()?.modified()?;
        let is_old = now.duration_since(written).is_ok_and(|age| age >= AGE_MIN);
        if is_old && file.try_lock().is_ok() {
            fs::remove_file(&unfinished)?;
            // If there is nothing else in it.
            fs::remove_dir(&folder).ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use uuid::Uuid;

    use super::*;
    use crate::store::parquet::layout::run_path;

    #[test]
    fn only_what_nobody_writes_goes() {
        let root = tempfile::tempdir().unwrap();
        let path = || run_path(root.path(), "pairs", Uuid::now_v7());
        let write = |path: PathBuf, age: Duration| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - age).unwrap();
            (path, file)
        };
        let unfinished = |age| write(unfinished_path(&path()), age);
        let (abandoned, _) = unfinished(2 * AGE_MIN);
        let (written, writing) = unfinished(2 * AGE_MIN);
        claim(&writing);
        let (young, _) = unfinished(AGE_MIN / 2);
        let (finished, _) = write(path(), 2 * AGE_MIN);
        let (_, own) = unfinished(Duration::ZERO);
        sweep(&path(), &own).unwrap();
        assert!(!abandoned.parent().unwrap().exists());
        assert!([written, young, finished].iter().all(|path| path.exists()));
    }
}
