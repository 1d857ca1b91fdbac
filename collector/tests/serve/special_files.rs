//! A data directory in which something stands in place of a file.

use std::fs;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use twintap::store::data_dir::DataDir;

/// Seconds until a program that waits for a pipe is ended.
const PATIENCE: &str = "60";

#[test]
fn what_is_no_regular_file_is_refused_by_name() {
    let names = [
        "twintap.json",
        "accounting.json",
        "accounting-07.json",
        "journal/00000000000000000001-01a20ace-c0e7-7588-9733-e19810305f45.segment",
    ];
    for name in names {
        let data = tempfile::tempdir().unwrap();
        drop(DataDir::open(data.path()).unwrap());
        let path = data.path().join(name);
        fs::remove_file(&path).ok();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for command in ["serve", "fsck"] {
            let mut program = Command::new("timeout");
            program.args([
                "--kill-after=1",
                PATIENCE,
                env!("CARGO_BIN_EXE_twintap"),
                command,
            ]);
            match command {
                "serve" => program.args(["--listen", "127.0.0.1:0", "--data-dir"]),
                _ => &mut program,
            };
            let output = program.arg(data.path()).output().unwrap();
            let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            let told = told.concat();
            assert_eq!(output.status.code(), Some(3), "{command} {name}: {told}");
            let is_named = told.contains(path.to_str().unwrap());
            assert!(
                is_named && told.contains("is no regular file"),
                "{command} {name}: {told}"
            );
        }
    }
}
