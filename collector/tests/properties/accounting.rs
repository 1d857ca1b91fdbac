//! Accounting files: named and refused, or read; and no figure in them makes a loss smaller.

use std::io::ErrorKind;

use twintap::report::Loss;
use twintap::store::accounting::{Accounting, FILE_NAME};

use super::folder;

/// `bytes` are the collector's file, and that of a capture.
pub(crate) fn check(bytes: &[u8]) {
    let folder = folder::temporary();
    let path = folder.path();
    let names = [FILE_NAME, "accounting-07.json"];
    for name in names {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    for file in Accounting::load_each(path).unwrap() {
        match file.accounting {
            Ok(accounting) => {
                let copy = folder::temporary();
                accounting.save(copy.path()).unwrap();
                assert_eq!(Accounting::load(copy.path()).unwrap(), accounting);
            }
            Err(error) => {
                let kinds = [ErrorKind::InvalidData, ErrorKind::Unsupported];
                assert!(kinds.contains(&error.kind()), "{error:?}");
                assert!(error.to_string().contains(file.path.to_str().unwrap()));
            }
        }
    }
    let (Ok(one), Ok(Some(loss))) = (Accounting::load(path), Loss::load(path)) else {
        assert!(Loss::load(path).is_err());
        return;
    };
    assert!(loss.damaged_stretches >= one.damaged_stretches);
    assert!(loss.calls() >= one.damaged_stretches.max(one.total.undelivered));
}
