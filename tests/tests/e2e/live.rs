//! `twintap capture`: calls that pass a network interface become the calls that were made.

use std::time::{Duration, Instant};

use twintap_e2e::drive::{at_full_speed, at_full_speed_over};
use twintap_e2e::grpc::{Client, Server};
use twintap_e2e::live::{self, LiveCapture};
use twintap_e2e::netns::{self, End, Pair};
use twintap_e2e::traffic::{Mix, plan};
use twintap_e2e::{Oracle, machine, wait};

const WITHIN: Duration = Duration::from_secs(120);

/// Room for all that these tests send, twice as it passes the loopback: nothing is to be lost however busy
/// the machine is.
const ROOM: [&str; 2] = ["--buffer-bytes", "512MiB"];

fn oracle(mix: Mix, count: u64) -> Oracle {
    Oracle {
        mix,
        numbers: 0..count,
    }
}

/// Ends a capture that is to have lost nothing, and checks that it has all calls.
async fn assert_whole(mut live: LiveCapture, oracle: &Oracle) {
    let status = live.interrupt().await;
    assert!(status.success(), "{status}:\n{}", live.log());
    oracle.assert_complete("captured", &live.stored());
    let count = oracle.numbers.end - oracle.numbers.start;
    let accounting = live.accounting();
    let total = &accounting["total"];
    assert_eq!(total["observed"], count, "{accounting:#}");
    assert_eq!(total["published"], count, "{accounting:#}");
    assert_eq!(accounting["damaged_stretches"], 0, "{accounting:#}");
    assert_eq!(accounting["is_open"], serde_json::Value::Null);
    let packets = &accounting["packets"];
    for lost in ["kernel_dropped", "own_dropped"] {
        assert_eq!(packets[lost], 0, "{accounting:#}");
    }
    assert!(packets["written"].as_u64() > Some(count), "{accounting:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_on_the_loopback_is_recorded_once() {
    let _machine = machine::shared();
    if !live::is_possible("every_call_on_the_loopback_is_recorded_once") {
        return;
    }
    let oracle = oracle(Mix::Everything, 1_000);
    let server = Server::answering(plan(oracle.mix)).await;
    let port = server.address().port().to_string();
    let arguments = ["-i", "lo", "--port", &port, "--strict"];
    let live = LiveCapture::start(&[&arguments[..], &ROOM].concat()).await;
    at_full_speed(server.address(), oracle.mix, oracle.numbers.clone(), 4).await;
    assert_whole(live, &oracle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_between_two_network_namespaces_is_recorded_once() {
    let _machine = machine::shared();
    let test = "every_call_between_two_network_namespaces_is_recorded_once";
    if !live::is_possible(test) {
        return;
    }
    let pair = match Pair::make() {
        Ok(pair) => pair,
        Err(reason) => return live::skip(test, &reason),
    };
    let oracle = oracle(Mix::Everything, 1_000);
    let server = Server::on(pair.listen(), plan(oracle.mix), |_, _| ());
    let filter = format!("tcp port {}", server.address().port());
    let arguments = ["-i", netns::INTERFACE, "--strict", &filter];
    let arguments = [&arguments[..], &ROOM].concat();
    let live = LiveCapture::start_in(pair.name(End::Client), &arguments).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::over(pair.connect(server.address())).await);
    }
    at_full_speed_over(clients, oracle.mix, oracle.numbers.clone()).await;
    assert_whole(live, &oracle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_can_be_read_and_compared_while_the_capture_goes_on() {
    let _machine = machine::shared();
    if !live::is_possible("calls_can_be_read_and_compared_while_the_capture_goes_on") {
        return;
    }
    let oracle = oracle(Mix::Small, 2_000);
    let server = Server::answering(plan(oracle.mix)).await;
    let port = server.address().port().to_string();
    let rotation = ["--rotate-interval", "100ms", "--rotate-bytes", "128KiB"];
    let arguments = ["-i", "lo", "--port", &port, "--strict"];
    let live = LiveCapture::start(&[&arguments[..], &rotation, &ROOM].concat()).await;
    let (address, mix, numbers) = (server.address(), oracle.mix, oracle.numbers.clone());
    let driving = tokio::spawn(at_full_speed(address, mix, numbers, 2));
    let mut seen = 0;
    wait::until_true("most calls are in the dataset", WITHIN, async || {
        if live.parts_count() > 0 {
            // Whatever is there is whole, at any moment.
            let now = oracle.assert_subset("captured", &live.stored());
            assert!(now >= seen, "{now} calls after {seen}");
            seen = now;
            assert_eq!(live.accounting()["is_open"], true, "it goes on");
        }
        driving.is_finished() && seen > 1_500
    })
    .await;
    let output = live::twintap()
        .args(["compare", "--output", "json"])
        .arg(live.data_dir())
        .output()
        .unwrap();
    // One side only: nothing to judge, but all of it readable.
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let loss = &report["completeness"]["loss"];
    assert_eq!(loss["damaged_stretches"], 0, "{report:#}");
    assert!(live.parts_count() > 2, "several parts");
    assert_whole(live, &oracle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_ends_by_itself_after_its_time_or_its_packets() {
    let _machine = machine::shared();
    if !live::is_possible("a_capture_ends_by_itself_after_its_time_or_its_packets") {
        return;
    }
    let oracle = oracle(Mix::Small, 50);
    let server = Server::answering(plan(oracle.mix)).await;
    let port = server.address().port().to_string();
    let start = Instant::now();
    let arguments = ["-i", "lo", "--port", &port, "--duration", "1500ms"];
    let mut live = LiveCapture::start(&arguments).await;
    at_full_speed(server.address(), oracle.mix, oracle.numbers.clone(), 1).await;
    let status = live.process.ended(WITHIN).await;
    assert!(status.success(), "{}", live.log());
    assert!(start.elapsed() >= Duration::from_millis(1500));
    oracle.assert_complete("in its time", &live.stored());

    let arguments = ["-i", "lo", "--port", &port, "--packets-max", "40"];
    let mut live = LiveCapture::start(&arguments).await;
    at_full_speed(server.address(), oracle.mix, oracle.numbers.clone(), 1).await;
    let status = live.process.ended(WITHIN).await;
    assert!(status.success(), "{}", live.log());
    assert_eq!(live.accounting()["packets"]["written"], 40);
    assert!(
        live.log().contains("read         40 packets"),
        "{}",
        live.log()
    );
}
