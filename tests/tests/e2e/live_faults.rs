//! `twintap capture` where something goes wrong: packets dropped, processes killed, rights missing.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use twintap_e2e::drive::at_full_speed;
use twintap_e2e::grpc::Server;
use twintap_e2e::live::{self, LiveCapture};
use twintap_e2e::traffic::{Mix, plan};
use twintap_e2e::{Oracle, Stored, artifacts, machine, wait};

const WITHIN: Duration = Duration::from_secs(30);
/// The kernel's number of whoever is nobody.
const NOBODY: u32 = 65534;

fn pid(number: u32) -> Pid {
    let number = i32::try_from(number).unwrap();
    Pid::from_raw(number).unwrap()
}

/// One line of `/proc/PID/status`, without its name.
fn status(process: u32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key} in {status}"))
        .trim()
        .to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn server(mix: Mix) -> (Server, String) {
    let server = Server::answering(plan(mix)).await;
    let port = server.address().port().to_string();
    (server, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_nobody_took_in_time_are_counted_and_flagged() {
    let _machine = machine::shared();
    if !live::is_possible("packets_that_nobody_took_in_time_are_counted_and_flagged") {
        return;
    }
    let oracle = Oracle {
        mix: Mix::Everything,
        numbers: 0..400,
    };
    let (server, port) = server(oracle.mix).await;
    let arguments = ["-i", "lo", "--port", &port, "--strict"];
    let buffer = ["--buffer-bytes", "1MiB", "--rotate-interval", "100ms"];
    let mut live = LiveCapture::start(&[&arguments[..], &buffer].concat()).await;
    // It works. On a busy machine, some of these may be missed already.
    at_full_speed(server.address(), oracle.mix, 0..20, 1).await;
    let stored = || live.accounting()["total"]["recorded"].as_u64();
    wait::until_true("calls are stored", WITHIN, async || stored() >= Some(1)).await;
    // Far more comes than fits into the kernel's buffer, the program's and the pipe.
    live.process.signal(Signal::STOP);
    at_full_speed(server.address(), oracle.mix, 20..380, 2).await;
    live.process.signal(Signal::CONT);
    at_full_speed(server.address(), oracle.mix, 380..400, 1).await;
    let status = live.interrupt().await;
    assert_eq!(status.code(), Some(4), "{}", live.log());

    let accounting = live.accounting();
    let packets = |name: &str| accounting["packets"][name].as_u64().unwrap();
    let dropped = packets("kernel_dropped");
    assert!(dropped > 0, "{accounting:#}");
    let told = format!("{} packets were dropped", dropped + packets("own_dropped"));
    assert!(live.log().contains(&told), "{}", live.log());
    let accounted = dropped + packets("own_dropped") + packets("written");
    assert!(packets("received") >= accounted, "{accounting:#}");
    let read = format!("read         {} packets", packets("written"));
    assert!(live.log().contains(&read), "{}", live.log());
    assert!(accounting["damaged_stretches"].as_u64() > Some(0));
    let total = |name: &str| &accounting["total"][name];
    let dropped_calls = total("dropped")["not_captured"].as_u64().unwrap();
    let observed = total("recorded").as_u64().unwrap() + dropped_calls;
    assert_eq!(total("observed"), observed, "{accounting:#}");

    // What is not flagged is right.
    let whole = live.stored();
    let rows = whole.rows.into_iter();
    let whole = Stored {
        rows: rows.filter(|row| row["incomplete"] == false).collect(),
    };
    let whole = oracle.assert_subset("captured", &whole);
    assert!((1..400).contains(&whole), "{whole} calls are whole");

    // And nobody may believe that this is all.
    let output = live::twintap()
        .args(["compare", "--output", "json"])
        .arg(live.data_dir())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let loss = &report["completeness"]["loss"]["damaged_stretches"];
    assert!(loss.as_u64() > Some(0), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_slow_at_the_end_gets_all_that_was_captured() {
    let _machine = machine::shared();
    if !live::is_possible("a_reader_that_is_slow_at_the_end_gets_all_that_was_captured") {
        return;
    }
    let oracle = Oracle {
        mix: Mix::Everything,
        numbers: 0..400,
    };
    let (server, port) = server(oracle.mix).await;
    let arguments = ["-i", "lo", "--port", &port, "--strict"];
    let room = ["--buffer-bytes", "512MiB"];
    let mut live = LiveCapture::start(&[&arguments[..], &room].concat()).await;
    live.process.signal(Signal::STOP);
    at_full_speed(server.address(), oracle.mix, oracle.numbers.clone(), 2).await;
    live.process.signal(Signal::INT);
    live.process.signal(Signal::CONT);
    let status = live.process.ended(WITHIN).await;
    assert!(status.success(), "{}", live.log());
    oracle.assert_complete("captured", &live.stored());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_does_not_take_at_the_end_is_counted() {
    let _machine = machine::shared();
    if !live::is_possible("what_a_reader_does_not_take_at_the_end_is_counted") {
        return;
    }
    let mix = Mix::Everything;
    let (server, port) = server(mix).await;
    let arguments = ["-i", "lo", "--port", &port, "--strict"];
    let room = ["--buffer-bytes", "512MiB"];
    let mut live = LiveCapture::start(&[&arguments[..], &room].concat()).await;
    let program = live.program_pid();
    live.process.signal(Signal::STOP);
    at_full_speed(server.address(), mix, 0..200, 2).await;
    kill_process(pid(program), Signal::TERM).unwrap();
    wait::until_true("twintap-capture gives up", WITHIN, async || {
        status(program, "State:").starts_with('Z')
    })
    .await;
    live.process.signal(Signal::CONT);
    let status = live.process.ended(WITHIN).await;
    assert_eq!(status.code(), Some(4), "{}", live.log());
    let accounting = live.accounting();
    let packets = |name: &str| accounting["packets"][name].as_u64().unwrap();
    assert!(packets("own_dropped") > 0, "{accounting:#}");
    // Each packet passes the loopback twice. Few come too late: those that close the connections.
    let all = 2 * (packets("written") + packets("own_dropped"));
    assert_eq!(packets("kernel_dropped"), 0, "{accounting:#}");
    assert!(
        (all..all + 40).contains(&packets("received")),
        "{accounting:#}"
    );
    assert!(accounting["damaged_stretches"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_that_captures_has_no_privileges_and_the_other_no_libpcap() {
    let _machine = machine::shared();
    let test = "the_program_that_captures_has_no_privileges_and_the_other_no_libpcap";
    if !live::is_possible(test) {
        return;
    }
    let live = LiveCapture::start(&["-i", "lo", "--port", "1"]).await;
    let program = live.program_pid();
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(status(program, set), "0000000000000000", "{set}");
    }
    assert_eq!(status(program, "NoNewPrivs:"), "1");
    assert_eq!(status(program, "Threads:"), "1");
    if rustix::process::geteuid().is_root() {
        // Whoever started it with a file capability only could not empty the bounding set, which
        // no_new_privs makes useless.
        assert_eq!(status(program, "CapBnd:"), "0000000000000000");
        let nobody = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
        assert_eq!(status(program, "Uid:"), nobody);
        assert_eq!(status(program, "Gid:"), nobody);
        assert_eq!(status(program, "Groups:"), "");
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", live.process.pid())).unwrap();
    assert!(!maps.contains("libpcap"), "{maps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_the_program_was_killed_is_kept() {
    let _machine = machine::shared();
    if !live::is_possible("what_came_before_the_program_was_killed_is_kept") {
        return;
    }
    let oracle = Oracle {
        mix: Mix::Small,
        numbers: 0..100,
    };
    let (server, port) = server(oracle.mix).await;
    let rotation = ["--rotate-interval", "50ms"];
    let arguments = ["-i", "lo", "--port", &port];
    let mut live = LiveCapture::start(&[&arguments[..], &rotation].concat()).await;
    at_full_speed(server.address(), oracle.mix, 0..100, 1).await;
    wait::until_true("all calls are in the dataset", WITHIN, async || {
        live.accounting()["total"]["published"] == 100
    })
    .await;
    kill_process(pid(live.program_pid()), Signal::KILL).unwrap();
    let status = live.process.ended(WITHIN).await;
    assert_eq!(status.code(), Some(3), "{}", live.log());
    let told = "twintap: twintap-capture broke off: killed by signal 9";
    assert!(live.log().contains(told), "{}", live.log());
    oracle.assert_complete("before the end", &live.stored());
    assert_eq!(
        live.accounting()["damaged_stretches"],
        1,
        "its end is unknown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_ends_with_whoever_reads_and_the_data_say_so() {
    let _machine = machine::shared();
    if !live::is_possible("the_program_ends_with_whoever_reads_and_the_data_say_so") {
        return;
    }
    // No packet comes, which would tell it.
    let mut live = LiveCapture::start(&["-i", "lo", "--port", "1"]).await;
    let program = live.program_pid();
    live.process.kill();
    wait::until_true("twintap-capture ends", WITHIN, async || {
        // A zombie of whoever inherited it has ended, too.
        let has_ended = test_kill_process(pid(program)).is_err();
        has_ended || status(program, "State:").starts_with('Z')
    })
    .await;
    assert_eq!(
        live.accounting()["is_open"],
        true,
        "nobody was left to close it"
    );
    let output = live::twintap()
        .args(["compare", "--output", "json"])
        .arg(live.data_dir())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", stderr(&output)));
    let loss = &report["completeness"]["loss"];
    assert_eq!(loss["damaged_stretches"], 1, "{report:#}");
}

#[test]
fn what_cannot_be_captured_is_said_with_a_remedy() {
    let _machine = machine::shared();
    if !live::is_possible("what_cannot_be_captured_is_said_with_a_remedy") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("data");
    let program = artifacts::twintap_capture().unwrap();
    let program = program.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["-i", "nosuch0", "--capture-program", program],
            2,
            "nosuch0: No such device exists: there are ",
        ),
        (
            &["-i", "lo", "tcp prt 1", "--capture-program", program],
            2,
            "failed to use the filter \"tcp prt 1\": ",
        ),
        (
            &["-i", "lo", "--capture-program", "/nowhere/twintap-capture"],
            3,
            "say where it is with --capture-program",
        ),
        (
            &["-i", "lo", "--capture-program", "/bin/true"],
            3,
            "/bin/true is not the twintap-capture that belongs to this twintap",
        ),
        (
            &["--capture-program", program],
            2,
            "--interface <NAME>|--list-interfaces",
        ),
    ];
    for (arguments, code, said) in cases {
        let mut command = live::twintap();
        command.arg("capture").args(arguments);
        let output = command.arg("--data-dir").arg(&data_dir).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(!data_dir.exists(), "nothing is made: {arguments:?}");
    }
    let mut list = live::twintap();
    list.args(["capture", "--list-interfaces", "--capture-program", program]);
    let output = list.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().any(|line| line.starts_with("lo ")), "{text}");
}

#[test]
fn missing_rights_are_said_with_the_command_that_gives_them() {
    let _machine = machine::shared();
    let test = "missing_rights_are_said_with_the_command_that_gives_them";
    if !live::is_possible(test) {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return live::skip(test, "only root can become somebody with fewer rights");
    }
    // Where somebody else may start it.
    let place = tempfile::tempdir().unwrap();
    let everyone = |path: &Path| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    everyone(place.path());
    let copy = |from: &Path| {
        let to = place.path().join(from.file_name().unwrap());
        std::fs::copy(from, &to).unwrap();
        everyone(&to);
        to
    };
    let twintap = copy(&artifacts::twintap());
    // Found, because it lies beside.
    let program = copy(&artifacts::twintap_capture().unwrap());
    let capture = || {
        Command::new(&twintap)
            .args(["capture", "-i", "lo", "--duration", "10ms"])
            .args(["--format", "none"])
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap()
    };
    let output = capture();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let remedy = format!("sudo setcap cap_net_raw+ep {}", program.display());
    assert!(stderr(&output).contains(&remedy), "{}", stderr(&output));

    // It is as good as its word.
    let given = Command::new("setcap")
        .arg("cap_net_raw+ep")
        .arg(&program)
        .status();
    if !given.is_ok_and(|status| status.success()) {
        return live::skip(
            test,
            "its second half: setcap is missing, or not for this disk",
        );
    }
    let output = capture();
    assert!(output.status.success(), "{}", stderr(&output));
}
