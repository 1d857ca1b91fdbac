//! How soon a live call is told, and live captures of other programs.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use twintap_e2e::drive::at_full_speed;
use twintap_e2e::grpc::{Answer, Call, Client, Server};
use twintap_e2e::live;
use twintap_e2e::traffic::{Mix, plan};
use twintap_e2e::{Oracle, Stored, artifacts, machine, wait};

const WITHIN: Duration = Duration::from_secs(30);

/// A program that is killed when dropped.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Lines, each with the moment it came.
fn lines(from: impl Read + Send + 'static) -> Receiver<(Instant, String)> {
    let (sender, receiver) = sync_channel(4096);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
    receiver
}

/// `twintap capture` of a port that prints calls, once it captures: the first call says so.
async fn printing(address: SocketAddr) -> (Running, Receiver<(Instant, String)>) {
    let mut child = live::twintap()
        .args(["capture", "-i", "lo", "--port", &address.port().to_string()])
        .args(["--format", "ndjson", "--quiet", "--capture-program"])
        .arg(artifacts::twintap_capture().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = lines(child.stdout.take().unwrap());
    let running = Running(child);
    let start = Instant::now();
    let client = Client::connect(address).await;
    loop {
        client.call(Call::unary("e2e.v1.Peer/First", "?")).await;
        if told.recv_timeout(Duration::from_millis(100)).is_ok() {
            break;
        }
        assert!(start.elapsed() < WITHIN, "it captures");
    }
    // Those it began with are told, too.
    while told.recv_timeout(Duration::from_millis(300)).is_ok() {}
    (running, told)
}

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_within_50_milliseconds_of_its_end() {
    const CALLS: usize = 300;
    let _machine = machine::alone();
    if !live::is_possible("a_call_is_told_within_50_milliseconds_of_its_end") {
        return;
    }
    let server = Server::echo().await;
    let (_running, told) = printing(server.address()).await;
    let client = Client::connect(server.address()).await;
    let mut late = Vec::with_capacity(CALLS);
    for number in 0..CALLS {
        let call = Call::unary("e2e.v1.Peer/Echo", "now").header("x-request-id", id(number));
        client.call(call).await;
        let ended = Instant::now();
        let (at, line) = told.recv_timeout(WITHIN).expect("the call is told");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["request_id"], id(number).as_str());
        late.push(at.saturating_duration_since(ended));
    }
    late.sort_unstable();
    let (median, p99) = (late[CALLS / 2], late[CALLS * 99 / 100]);
    println!("told after {median:?} at the median, {p99:?} at the 99th percentile");
    assert!(
        p99 <= Duration::from_millis(50),
        "median {median:?}, p99 {p99:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_that_never_ends_is_told_although_no_packet_comes() {
    let _machine = machine::shared();
    let test = "an_answer_to_a_request_that_never_ends_is_told_although_no_packet_comes";
    if !live::is_possible(test) {
        return;
    }
    use twintap_e2e::grpc::{Send, Step, framed};
    let server = Server::answering(|head| match head.uri.path() {
        // Its status comes before the request has ended.
        "/e2e.v1.Peer/Early" => {
            let steps = Answer::trailers_only(8, "enough").steps().to_vec();
            let unread = steps
                .into_iter()
                .filter(|step| !matches!(step, Step::ReadAll));
            Answer::script([vec![Step::ReadBytes(1)], unread.collect(), vec![Step::Hang]].concat())
        }
        _ => Answer::echo(),
    })
    .await;
    let (_running, told) = printing(server.address()).await;
    let client = Client::connect(server.address()).await;
    let steps = [Send::Data(framed(b"more to come")), Send::Sleep(WITHIN)];
    let call = Call::script("e2e.v1.Peer/Early", steps).header("x-request-id", id(1));
    let calling = tokio::spawn(async move { client.call(call).await });
    let told = tokio::task::spawn_blocking(move || told.recv_timeout(WITHIN));
    let (_, line) = told.await.unwrap().expect("the call is told");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["request_id"], id(1).as_str(), "{line}");
    assert_eq!(line["status"], 8, "{line}");
    calling.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn dumpcap_can_be_the_source_of_a_live_ingest() {
    let _machine = machine::shared();
    let test = "dumpcap_can_be_the_source_of_a_live_ingest";
    let oracle = Oracle {
        mix: Mix::Small,
        numbers: 0..500,
    };
    let server = Server::answering(plan(oracle.mix)).await;
    let filter = format!("tcp port {}", server.address().port());
    let dumpcap = Command::new("dumpcap")
        .args(["-i", "lo", "-f", &filter, "-w", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut dumpcap = match dumpcap {
        Ok(child) => Running(child),
        Err(error) => {
            let reason = format!("dumpcap: {error}: on Debian, apt-get install wireshark-common");
            return live::skip(test, &reason);
        }
    };
    // It says so once the capture is open, and why if it cannot be.
    let said = lines(dumpcap.0.stderr.take().unwrap());
    let mut all = String::new();
    while !all.contains("File: -") {
        match said.recv_timeout(WITHIN) {
            Ok((_, line)) => all += &line,
            Err(_) => return live::skip(test, &format!("dumpcap does not capture: {all}")),
        }
    }
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("data");
    let ingest = live::twintap()
        .args(["ingest", "-", "--strict", "--data-dir"])
        .arg(&data_dir)
        .stdin(dumpcap.0.stdout.take().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    at_full_speed(server.address(), oracle.mix, oracle.numbers.clone(), 2).await;
    // Unlike twintap-capture, it does not wait for what the kernel still has.
    wait::until_true("all calls are in the dataset", WITHIN, async || {
        live::parts_count(&data_dir) > 0 && Stored::read(&data_dir).rows.len() == 500
    })
    .await;
    dumpcap.signal(Signal::INT);
    let output = ingest.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    oracle.assert_complete("by dumpcap", &Stored::read(&data_dir));
}
