//! What a program asked of its disk, in order: strace's record of it, read back.

use std::collections::HashMap;
use std::path::PathBuf;

/// The calls that are recorded, as strace takes them: every one by which a collector changes its disk,
/// moves within a file, or answers.
pub(super) const CALLS: &str = "?open,openat,close,?fcntl,lseek,write,writev,pwrite64,?ftruncate,fsync,fdatasync,?rename,\
     ?renameat,?renameat2,?unlink,?unlinkat,?mkdir,?mkdirat";
/// Part of the answer to a batch that is stored.
const ACKNOWLEDGEMENT: &[u8] = b"\"duplicates\":0}";

/// A call that succeeded.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Line of the trace on which it began.
    pub(super) began: usize,
    /// Line on which it had an answer.
    pub(super) ended: usize,
    pub(super) action: Action,
}

/// What a call did. `file` is a file descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    CreateFolder(PathBuf),
    Open {
        file: u32,
        path: PathBuf,
        creates: bool,
        truncates: bool,
        appends: bool,
    },
    Close(u32),
    Duplicate {
        file: u32,
        copy: u32,
    },
    Seek {
        file: u32,
        position: u64,
    },
    Write {
        file: u32,
        /// Where, if not where the file stands.
        position: Option<u64>,
        bytes: Vec<u8>,
    },
    Truncate {
        file: u32,
        length: u64,
    },
    Sync(u32),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Action {
    /// Is this the answer to a batch that is stored?
    pub(super) fn acknowledges(&self) -> bool {
        let Self::Write { bytes, .. } = self else {
            return false;
        };
        let mut windows = bytes.windows(ACKNOWLEDGEMENT.len());
        windows.any(|window| window == ACKNOWLEDGEMENT)
    }
}

/// The steps of a trace that strace wrote with `-f -xx`, by the line on which they ended; `None` if the
/// program ended while it was in one, so that nobody knows what became of it.
pub(super) fn read(text: &str) -> Option<Vec<Step>> {
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut steps = vec![];
    let mut folders = Folders::default();
    for (number, line) in text.lines().enumerate() {
        let Some((pid, line)) = line.split_once(' ') else {
            continue;
        };
        let line = line.trim_start();
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, (number, begin));
            continue;
        }
        let (began, call) = match line.strip_prefix("<... ") {
            None => (number, line.to_owned()),
            Some(rest) => {
                let (_, rest) = rest.split_once(" resumed>").expect("a call goes on");
                let (began, begin) = unfinished.remove(pid).expect("it has begun");
                (began, format!("{begin}{rest}"))
            }
        };
        steps.extend(action(&call).map(|action| {
            // The number is free for others from the beginning.
            let is_close = matches!(action, Action::Close(_));
            let ended = if is_close { began } else { number };
            let action = folders.resolve(&call, action);
            Step {
                began,
                ended,
                action,
            }
        }));
    }
    steps.sort_by_key(|step| step.ended);
    unfinished.is_empty().then_some(steps)
}

/// Paths of open files: names may be told in relation to a folder that is open.
#[derive(Default)]
struct Folders(HashMap<u32, PathBuf>);

impl Folders {
    /// `action` of `call` with its whole path.
    fn resolve(&mut self, call: &str, mut action: Action) -> Action {
        if let Action::Open { path, .. } | Action::Remove(path) = &mut action
            && let Some(folder) = folder_of(call).and_then(|file| self.0.get(&file))
        {
            *path = folder.join(&*path);
        }
        match &action {
            Action::Open { file, path, .. } => {
                self.0.insert(*file, path.clone());
            }
            Action::Duplicate { file, copy } => {
                if let Some(path) = self.0.get(file).cloned() {
                    self.0.insert(*copy, path);
                }
            }
            _ => {}
        }
        action
    }
}

/// The descriptor that `openat` and `unlinkat` take first, if it is not the working directory.
fn folder_of(call: &str) -> Option<u32> {
    let (name, arguments) = call.split_once('(')?;
    let (first, _) = arguments.split_once(',')?;
    matches!(name, "openat" | "unlinkat")
        .then(|| first.trim().parse().ok())
        .flatten()
}

/// `None` for a call that failed, or that is none.
fn action(call: &str) -> Option<Action> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result: u64 = result.split(' ').next()?.parse().ok()?;
    let small = |number: u64| u32::try_from(number).expect("a file descriptor");
    let words: Vec<&str> = arguments.trim_end().split([',', ')']).collect();
    let number = |index: usize| words[index].trim().parse::<u64>();
    let file = || small(number(0).expect("a file descriptor"));
    let texts = || quoted(arguments);
    let path = |index: usize| {
        let text = String::from_utf8(texts().swap_remove(index));
        PathBuf::from(text.expect("paths of this test are UTF-8"))
    };
    Some(match name {
        "open" | "openat" => Action::Open {
            file: small(result),
            path: path(0),
            creates: arguments.contains("O_CREAT"),
            truncates: arguments.contains("O_TRUNC"),
            appends: arguments.contains("O_APPEND"),
        },
        "close" => Action::Close(file()),
        "fcntl" if arguments.contains("F_DUPFD") => Action::Duplicate {
            file: file(),
            copy: small(result),
        },
        "fcntl" => return None,
        "lseek" => Action::Seek {
            file: file(),
            position: result,
        },
        "write" | "writev" | "pwrite64" => {
            let mut bytes = texts().concat();
            bytes.truncate(usize::try_from(result).expect("in memory"));
            let position = (name == "pwrite64").then(|| number(3).expect("a position"));
            Action::Write {
                file: file(),
                position,
                bytes,
            }
        }
        "ftruncate" => Action::Truncate {
            file: file(),
            length: number(1).expect("a length"),
        },
        "fsync" | "fdatasync" => Action::Sync(file()),
        "rename" | "renameat" | "renameat2" => Action::Rename(path(0), path(1)),
        "unlink" | "unlinkat" => Action::Remove(path(0)),
        "mkdir" | "mkdirat" => Action::CreateFolder(path(0)),
        name => panic!("{name} was not asked for"),
    })
}

/// The strings in `"\x61\x62"`.
fn quoted(arguments: &str) -> Vec<Vec<u8>> {
    let strings = arguments.split('"').skip(1).step_by(2);
    let byte = |digits: &str| u8::from_str_radix(digits, 16).expect("strace -xx writes digits");
    let bytes = |text: &str| text.split("\\x").skip(1).map(byte).collect();
    strings.map(bytes).collect()
}

#[test]
fn calls_of_several_threads_are_put_together() {
    let text = r#"7 openat(AT_FDCWD, "\x2f\x61", O_WRONLY|O_CREAT|O_APPEND, 0600) = 3
7 writev(3, [{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}], 2 <unfinished ...>
8 fsync(4) = -1 EIO (Input/output error)
8 rename("\x2f\x61", "\x2f\x62") = 0
7 <... writev resumed>) = 2
7 +++ exited with 0 +++
"#;
    let steps = read(text).expect("all calls ended");
    let places: Vec<_> = steps.iter().map(|step| (step.began, step.ended)).collect();
    assert_eq!(places, [(0, 0), (3, 3), (1, 4)]);
    assert_eq!(steps[1].action, Action::Rename("/a".into(), "/b".into()));
    let bytes = b"ab".to_vec();
    let (file, position) = (3, None);
    let write = Action::Write {
        file,
        position,
        bytes,
    };
    assert_eq!(steps[2].action, write);
    assert!(read("7 fsync(3 <unfinished ...>\n").is_none());
}

#[test]
fn names_in_open_folders_are_whole_paths() {
    let text = r#"7 openat(AT_FDCWD, "\x64", O_RDONLY|O_DIRECTORY) = 3
7 fcntl(3, F_DUPFD_CLOEXEC, 3) = 4
7 openat(4, "\x61", O_WRONLY|O_CREAT, 0600) = 5
7 unlinkat(3, "\x61", 0) = 0
"#;
    let steps = read(text).expect("all calls ended");
    assert!(matches!(&steps[2].action, Action::Open { path, .. } if path.as_os_str() == "d/a"));
    assert_eq!(steps[3].action, Action::Remove("d/a".into()));
}
