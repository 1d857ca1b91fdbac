//! Mount namespaces with a file system of their own, which goes with them however the test ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use twintap_e2e::process::Process;
use twintap_e2e::{artifacts, live, wait};

use crate::collector::Place;

const MOUNTED_WITHIN: Duration = Duration::from_secs(30);
/// Mounts `$1` (an image, or nothing) at `$2`, says so, and holds the namespace.
const HOLD: &str = "mount $0 \"$1\" \"$2\" && echo mounted && exec sleep 3600";

/// A mount namespace with one file system. When its holder ends, the kernel unmounts that and lets the
/// loop device go.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Process,
    /// `mount`'s options.
    options: String,
    /// `mount`'s source.
    source: PathBuf,
    mounted: PathBuf,
    _directory: TempDir,
}

impl Namespace {
    /// A tmpfs of `size`; `None`, said loudly, where mounting is not permitted.
    pub(crate) async fn with_small_disk(test: &str, size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("temporary directory");
        let options = format!("-t tmpfs -o size={size},mode=0700");
        let mounted = Self::mounting(directory, options, "none".into()).await;
        said(test, mounted)
    }

    /// An ext4 in a file of `bytes`, of which the power can be cut; `None`, said loudly, where
    /// that is not possible.
    pub(crate) async fn with_ext4(test: &str, bytes: u64) -> Option<Self> {
        said(test, Self::try_ext4(bytes).await)
    }

    async fn try_ext4(bytes: u64) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("temporary directory");
        let image = directory.path().join("image");
        let file = File::create(&image).and_then(|file| file.set_len(bytes));
        file.expect("a sparse file");
        let mut command = Command::new("mkfs.ext4");
        output(
            command.arg("-q").arg(&image),
            "on Debian, apt-get install e2fsprogs",
        )?;
        let namespace = Self::mounting(directory, "-t ext4 -o loop".to_owned(), image).await?;
        // A cut that keeps what nobody synced would prove nothing.
        let unsynced = namespace.file("unsynced");
        fs::write(&unsynced, "unsynced").expect("an empty file system has room");
        namespace.power_switch(None).cut()?;
        namespace.mount_again().await;
        let is_kept = fs::read(&unsynced).is_ok_and(|bytes| !bytes.is_empty());
        assert!(!is_kept, "the power was not cut");
        Ok(namespace)
    }

    async fn mounting(
        directory: TempDir,
        options: String,
        source: PathBuf,
    ) -> Result<Self, String> {
        let mounted = directory.path().join("disk");
        fs::create_dir(&mounted).expect("an empty folder");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", HOLD, &options]);
        command.arg(&source).arg(&mounted);
        let log = directory.path().join("holder.log");
        let mut holder = Process::start("unshare", &mut command, &log);
        let is_mounted = wait::until("it is mounted, or not", MOUNTED_WITHIN, async || {
            let is_mounted = holder.log().contains("mounted\n");
            (is_mounted || holder.exited().is_some()).then_some(is_mounted)
        });
        if !is_mounted.await {
            return Err(holder.log().trim().to_owned());
        }
        Ok(Self {
            holder,
            options,
            source,
            mounted,
            _directory: directory,
        })
    }

    /// A data directory on the disk.
    pub(crate) fn place(&self, keys: &[&str]) -> Place {
        let prefix = vec!["nsenter".to_owned(), self.flag(), "--".to_owned()];
        Place::new(keys).within(prefix, self.mounted.join("data"), self.root())
    }

    /// `ro` or `rw`, as soon as nobody writes.
    pub(crate) async fn remount(&self, mode: &str) {
        wait::until_true("it is mounted anew", MOUNTED_WITHIN, async || {
            let mut command = self.command("mount");
            command.args(["-o", &format!("remount,{mode}")]);
            output(command.arg(&self.mounted), "").is_ok()
        })
        .await;
    }

    /// Ready to cut the power of the disk, and of the process `pid`.
    pub(crate) fn power_switch(&self, pid: Option<u32>) -> PowerSwitch {
        let mut command = self.command(&artifacts::python().to_string_lossy());
        command.arg(artifacts::script("cut_power.py"));
        command.arg(&self.mounted);
        command.args(pid.map(|pid| pid.to_string()));
        PowerSwitch::start(&mut command)
    }

    /// The power is back: mounts what the disk has, as soon as nobody uses what it had.
    pub(crate) async fn mount_again(&self) {
        wait::until_true("it is unmounted", MOUNTED_WITHIN, async || {
            let mut command = self.command("umount");
            output(command.arg(&self.mounted), "").is_ok()
        })
        .await;
        let mut command = self.command("mount");
        command.args(self.options.split(' '));
        let mounted = output(command.arg(&self.source).arg(&self.mounted), "");
        assert_eq!(mounted, Ok(()), "mount");
    }

    /// A file on the disk, as this process sees it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let inside = self.mounted.strip_prefix("/").unwrap_or(&self.mounted);
        self.root().join(inside).join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&self.flag(), "--", program]);
        command
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.holder.pid()))
    }

    fn flag(&self) -> String {
        format!("--mount=/proc/{}/ns/mnt", self.holder.pid())
    }
}

/// A program that waits to cut the power.
#[derive(Debug)]
pub(crate) struct PowerSwitch(Child);

impl PowerSwitch {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter starts");
        let mut word = [0; "ready".len()];
        let ready = child.stdout.as_mut().expect("it is piped");
        drop(ready.read_exact(&mut word));
        Self(child)
    }

    /// From now on the process is no more, and nothing reaches the disk.
    pub(crate) fn cut(mut self) -> Result<(), String> {
        let mut input = self.0.stdin.take().expect("it is piped");
        drop(input.write_all(b"cut\n"));
        drop(input);
        let output = self.0.wait_with_output().expect("it was started");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

/// Runs a command; an error is what it said, or `hint` if there is no such program.
fn output(command: &mut Command, hint: &str) -> Result<(), String> {
    let name = Path::new(command.get_program()).to_owned();
    let output: std::io::Result<Output> = command.output();
    match output {
        Err(error) => Err(format!("{}: {error}: {hint}", name.display())),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Says loudly why a test is skipped.
fn said<T>(test: &str, outcome: Result<T, String>) -> Option<T> {
    outcome.map_err(|reason| live::skip(test, &reason)).ok()
}
