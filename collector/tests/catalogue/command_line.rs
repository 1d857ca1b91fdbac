//! Arguments, variables and places that cannot be followed: an exit code, a line that says why, and
//! nothing begun.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

use super::check;

const FILE: &str = "a-file";

/// `twintap`, without variables that are meant for tests, and with bounds to what it may take of the machine.
fn twintap() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 8388608; ulimit -t 20; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_twintap"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TWINTAP_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `twintap` in a folder that has one file; its exit code and the line that says why.
fn answer(arguments: &[OsString]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "").unwrap();
    std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
    let output = twintap()
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let begun = fs::read_dir(folder.path()).unwrap().count() - 2;
    assert_eq!(begun, 0, "{arguments:?} has begun something");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = errors.lines().next().unwrap_or_default();
    let line = line.split_once(": ").map_or(line, |(_, reason)| reason);
    format!("{} {line}", output.status.code().unwrap_or(-1))
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(Into::into).collect()
}

#[test]
fn arguments_that_cannot_be_followed_are_refused_in_a_line() {
    let long = format!("serve --set x={}", "y".repeat(100_000));
    let mut cases: Vec<(&str, Vec<OsString>, &str)> = [
        ("command unknown", "nonsense", "2 unrecognized subcommand 'nonsense'"),
        ("flag unknown", "serve --frobnicate", "2 unexpected argument '--frobnicate' found"),
        ("argument missing", "show", "2 the following required arguments were not provided:"),
        ("flags that contradict", "doctor --list .", "2 the argument '--list' cannot be used with…"),
        ("value unknown", "compare --output nope", "2 invalid value 'nope' for '--output <FORM>'"),
        ("no key", "serve --set nonsense", "2 flag --set nonsense: expected KEY=VALUE"),
        ("key unknown", "serve --set listn=1", "2 flag --set listn=1: unknown key `listn`, did you mean `listen`?"),
        ("value of 100 kB", &long, "2 flag --set x=yyy…"),
        ("port 65536", "serve --listen 127.0.0.1:65536", "2 flag --listen: listen = \"127.0.0.1:65536\": expected an IP address…"),
        ("host name", "serve --listen localhost:9090", "2 flag --listen: listen = \"localhost:9090\": expected an IP address…"),
        ("zone by name", "serve --listen [fe80::1%lo]:0", "2 flag --listen: listen = \"[fe80::1%lo]:0\": expected an IP address…"),
        ("unit unknown", "serve --set body_bytes_max=10XB", "2 flag --set body_bytes_max=10XB: body_bytes_max = \"10XB\": expected a size such as \"64MiB\""),
        ("size below 0", "serve --set body_bytes_max=-1", "2 flag --set body_bytes_max=-1: body_bytes_max = \"-1\": expected a size…"),
        ("size in powers of ten", "serve --set body_bytes_max=1e9", "2 flag --set body_bytes_max=1e9: body_bytes_max = \"1e9\": expected a size such as \"64MiB\""),
        ("size 0", "serve --set body_bytes_max=0", "2 flag --set body_bytes_max=0: body_bytes_max = \"0\":…"),
        ("size beyond 64 bits", "serve --set body_bytes_max=99999999999GiB", "2 flag --set body_bytes_max=99999999999GiB: body_bytes_max…"),
        ("duration beyond 64 bits", "serve --set idle_timeout=99999999999999999999h", "2 flag --set idle_timeout=99999999999999999999h: idle_timeout = \"99999999999999999999h\": expected a duration…"),
        ("duration beyond 64 bits of milliseconds", "serve --set idle_timeout=9999999999999999h", "2 flag --set idle_timeout=9999999999999999h: idle_timeout = \"9999999999999999h\": expected a duration…"),
        ("duration infinite", "serve --set idle_timeout=1e400s", "2 flag --set idle_timeout=1e400s: idle_timeout = \"1e400s\": expected a duration such as \"30s\" or \"500ms\""),
        ("duration not a number", "serve --set idle_timeout=NaNs", "2 flag --set idle_timeout=NaNs: idle_timeout…"),
        ("level unknown", "serve --set log_level=loud", "2 flag --set log_level=loud: log_level = \"loud\":…"),
        ("format unknown", "serve --set log_format=xml", "2 flag --set log_format=xml: log_format = \"xml\":…"),
        ("limits that contradict", "serve --set body_bytes_max=1GiB", "2 default: ingest_bytes_max must be at least body_bytes_max, which is 1073741824"),
        ("configuration missing", "serve --config missing", "2 missing: cannot be read: No such file or directory (os error 2)"),
        ("configuration a folder", "serve --config .", "2 .: cannot be read: Is a directory (os error 21)"),
        ("data directory a file", "serve --listen 127.0.0.1:0 --data-dir a-file", "3 create directory a-file: File exists (os error 17)"),
        ("data directory missing", "compare missing", "3 data directory missing does not exist"),
        ("file to compare", "compare a-file", "3 a-file is a file, not a data directory"),
        ("form unknown", "compare . --write-report htm=x", "2 invalid value 'htm=x' for '--write-report <FORM=FILE>': there is no form \"htm\", only text, json, junit, markdown, html, sarif"),
        ("no data directory", "fsck .", "3 . is no data directory: twintap.json, which serve, ingest and capture write there, is missing"),
        ("capture missing", "ingest --format none missing", "3 failed to open missing: No such file or directory (os error 2)"),
        ("capture a folder", "ingest --format none .", "3 failed to read . after 0 bytes of the capture: Is a directory (os error 21)"),
        ("key missing", "ingest --redaction-key-file missing /dev/null", "3 …"),
        ("key empty", "ingest --redaction-key-file a-file /dev/null", "2 the key a-file is empty"),
        ("a capture without end", "ingest --format none /dev/zero", "3 /dev/zero: packet 1 at byte 0: neither pcap nor pcapng: the first bytes are 0x00000000"),
        ("a capture that is a link to itself", "ingest --format none loop", "3 …"),
        ("standard input to compare", "compare -", "3 data directory - does not exist"),
        ("standard input to check", "fsck -", "3 …"),
        ("a token in an argument", "serve --set token=a-token-that-nobody-guesses", "2 flag --set token=a-token-that-nobody-guesses: unknown key `token`…"),
        ("a key in an argument", "ingest --redaction-key k a-file", "2 unexpected argument '--redaction-key' found"),
        ("memory 0", "compare --memory-mib 0", "2 invalid value '0' for '--memory-mib <MIB>'…"),
        ("memory beyond 64 bits", "compare --memory-mib 99999999999999999999", "2 invalid value '99999999999999999999' for…"),
        ("time unknown", "compare --since lately", "2 \"lately\" is no time…"),
        ("port 65536 of a capture", "ingest --port 65536 a-file", "2 invalid value '65536' for '--port <PORT>'…"),
        ("server no address", "ingest --primary localhost a-file", "2 invalid value 'localhost' for '--primary <ADDRESS>'…"),
    ]
    .into_iter()
    .map(|(name, text, expected)| (name, words(text), expected))
    .collect();
    let not_utf8 = vec![
        "serve".into(),
        "--data-dir".into(),
        OsString::from_vec(b"a\xff".to_vec()),
    ];
    cases.push((
        "not UTF-8",
        not_utf8,
        "2 invalid UTF-8 was detected in one or more arguments",
    ));
    check(&cases, |arguments| answer(arguments));
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_begun() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let answer = answer(&words(&format!("serve --listen {address}")));
    let expected = format!("3 failed to listen on {address}: Address already in use (os error 98)");
    assert_eq!(answer, expected);
}

#[test]
fn surroundings_change_nothing_of_what_is_said() {
    let said = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = twintap();
        command.args(arguments).stdin(Stdio::null());
        for name in [
            "TERM",
            "LANG",
            "LC_ALL",
            "COLUMNS",
            "NO_COLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), output.stdout, output.stderr)
    };
    for arguments in [
        &["check-config"][..],
        &["serve", "--frobnicate"],
        &["compare", "missing"],
    ] {
        let usual = said(arguments, &[]);
        for variables in [
            &[("TERM", "dumb")][..],
            &[("TERM", "")],
            &[("LC_ALL", "C")],
            &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "nonsense")],
            &[("NO_COLOR", "1")],
            &[("COLUMNS", "20")],
        ] {
            assert_eq!(
                said(arguments, variables),
                usual,
                "{arguments:?} {variables:?}"
            );
        }
    }
}

#[test]
fn closed_streams_are_no_failure() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let status = Command::new("sh")
            .args(["-c", &format!("exec \"$0\" check-config {closed}")])
            .arg(env!("CARGO_BIN_EXE_twintap"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{closed}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
    let check_config = || {
        let mut command = twintap();
        command.arg("check-config");
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let mut gone = check_config().stdout(Stdio::piped()).spawn().unwrap();
    drop(gone.stdout.take());
    let output = gone.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = check_config().stdout(full).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("No space left on device"), "{errors}");
}
