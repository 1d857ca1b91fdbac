//! The collector's image at work: its layer is the root of a process that is not root and may write
//! nothing but `/data`, as the pod of `istio/base/collector` has it.
//!
//! The program in it is linked statically, as `make images` does it, from what the tests have built anyway.
//! `TWINTAP_IMAGES=target/images` tries the real ones instead. A file of its own, for cargo runs one after
//! the other: while the program is linked so, `target/debug/twintap` is that one.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use twintap_e2e::istio::Manifests;
use twintap_e2e::process::Process;
use twintap_e2e::{Stored, artifacts, http1, live, loopback, wait};

const TEST: &str = "collector_works_from_its_image_alone";
const WITHIN: Duration = Duration::from_secs(60);
/// Owner of the volume's group: `fsGroup` of the pod.
const GROUP: u32 = 65532;
/// What a container runtime does: the image read-only, a volume, devices and `/proc`; then its user.
const JAIL: &str = r#"
root=$1 data=$2; shift 2
mount --bind "$root" "$root" && mount --bind "$data" "$root/data" &&
mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
mount -o remount,bind,ro "$root" && exec chroot --userspec="$@"
"#;

/// An image's only layer, unpacked, and what its configuration says.
struct Image {
    directory: TempDir,
    config: Value,
}

impl Image {
    fn unpack(layout: &Path) -> Self {
        let blob = |described: &Value| {
            let digest = described["digest"].as_str().expect("a digest");
            layout.join("blobs").join(digest.replace(':', "/"))
        };
        let read = |path: PathBuf| -> Value {
            serde_json::from_slice(&fs::read(path).expect("a blob")).expect("JSON")
        };
        let index = read(layout.join("index.json"));
        let manifest = read(blob(&index["manifests"][0]));
        let directory = tempfile::tempdir().expect("temporary directory");
        let image = Self {
            config: read(blob(&manifest["config"]))["config"].clone(),
            directory,
        };
        for folder in ["root/dev", "root/proc", "volume"] {
            fs::create_dir_all(image.path(folder)).expect("a folder");
        }
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--gzip").arg("--directory");
        tar.arg(image.path("root")).arg("--file");
        succeeds(tar.arg(blob(&manifest["layers"][0])));
        // The way to the folders is open to its user; the volume is as Kubernetes makes it.
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        };
        open(image.directory.path(), 0o755);
        chown(image.path("volume"), None, Some(GROUP)).expect("a group");
        open(&image.path("volume"), 0o2775);
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The image's entry point with these arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", JAIL, "jail"]);
        command.arg(self.path("root")).arg(self.path("volume"));
        command
            .arg(text(&self.config["User"]))
            .arg(self.path("root"));
        let entry = self.config["Entrypoint"].as_array().expect("a list");
        command.args(entry.iter().map(text)).args(arguments);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The images that were given, or ones of what the tests have built; says why if there can be none.
fn images(directory: &Path) -> Result<PathBuf, String> {
    if let Some(images) = env::var_os("TWINTAP_IMAGES") {
        return Ok(artifacts::workspace().join(images));
    }
    let library = Command::new("cc").arg("-print-file-name=libc.a").output();
    let library = library.map_err(|error| format!("cc: {error}"))?;
    if !library.stdout.starts_with(b"/") {
        return Err("no static C library".to_owned());
    }
    let program = directory.join("twintap");
    fs::copy(artifacts::twintap_linked_statically(), &program).expect("copied");
    // So that the one that others use is the usual one again.
    artifacts::twintap();
    let mut script = Command::new(artifacts::python());
    script.arg(artifacts::workspace().join("istio/release/images.py"));
    script.arg("--wasm").arg(artifacts::filter_wasm());
    script.arg("--collector").arg(program);
    script.args(["--version", env!("CARGO_PKG_VERSION"), "--out"]);
    succeeds(script.arg(directory.join("images")));
    Ok(directory.join("images"))
}

/// The pod's arguments, listening there.
fn arguments(address: SocketAddr) -> Vec<String> {
    let manifests = Manifests::overlay("production");
    let collector = manifests.named("StatefulSet", "twintap-collector");
    let given = &collector["spec"]["template"]["spec"]["containers"][0]["args"];
    let given = given.as_array().expect("arguments").iter();
    let mut arguments: Vec<String> = given
        .filter_map(|argument| argument.as_str().map(str::to_owned))
        .collect();
    let listen = arguments
        .iter_mut()
        .find(|one| one.starts_with("--listen="));
    *listen.expect("it says where to listen") = format!("--listen={address}");
    arguments
}

#[tokio::test]
async fn collector_works_from_its_image_alone() {
    if !rustix::process::geteuid().is_root() {
        return live::skip(TEST, "only root can become another user in another root");
    }
    let mount = Command::new("unshare").args(["--mount", "true"]).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        return live::skip(TEST, "mounts of its own are not permitted");
    }
    let directory = tempfile::tempdir().expect("temporary directory");
    let images = match images(directory.path()) {
        Ok(images) => images,
        Err(reason) => return live::skip(TEST, &reason),
    };
    let image = Image::unpack(&images.join("collector"));
    let version = succeeds(&mut image.command(&["--version"]));
    assert_eq!(
        version.trim(),
        format!("twintap {}", env!("CARGO_PKG_VERSION"))
    );

    let address = loopback::own();
    let arguments = arguments(address);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let log = directory.path().join("twintap.log");
    let mut command = image.command(&arguments);
    let mut serve = Process::start("the image", &mut command, &log);
    wait::until_true("the image is ready", WITHIN, async || {
        if let Some(status) = serve.exited() {
            panic!("the image ended with {status}:\n{}", serve.log());
        }
        let answer = http1::get(address, "/readyz").await;
        answer.is_ok_and(|(status, _)| status.is_success())
    })
    .await;
    let status = fs::read_to_string(format!("/proc/{}/status", serve.pid())).expect("it runs");
    assert!(
        status.contains("Uid:\t65532\t65532\t65532\t65532"),
        "{status}"
    );
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");

    let batch = artifacts::workspace().join("record/tests/corpus/v1-unary-upstream.bin");
    let batch = Bytes::from(fs::read(batch).expect("the corpus"));
    let headers = [("content-type", "application/x-protobuf")];
    let posted = http1::request(address, "POST", "/v1/records", &headers, batch).await;
    let (status, said) = posted.expect("an answer");
    assert!(status.is_success(), "{status}: {said:?}");
    let ended = serve.terminate(WITHIN).await;
    assert!(ended.success(), "{ended}:\n{}", serve.log());

    let data = image.path("volume/twintap");
    assert_eq!(Stored::read(&data).rows.len(), 2);
    let report = image
        .command(&["compare", "/data/twintap", "--output", "json"])
        .output();
    let report = report.expect("it starts");
    assert_eq!(
        report.status.code(),
        Some(1),
        "the corpus has one difference: {report:?}"
    );
}
