//! Cases of HTTP/1.1: bytes that a client sends, and in a line what comes back.
//!
//! A case is a name, what is sent, and every answer until the collector closes the connection: what is
//! smuggled behind a request would be one more.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use super::cases::{Case, exchange};
use super::collector::Collector;

const PROTOBUF: &str = "content-type: application/x-protobuf";

pub(crate) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\nhost: t\n{headers}").replace('\n', "\r\n");
    [head.trim_end().as_bytes(), b"\r\n\r\n", body].concat()
}

/// A POST of records with these headers, which say nothing of its length.
pub(crate) fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    request("POST /v1/records", &format!("{PROTOBUF}\n{headers}"), body)
}

pub(crate) fn with_length(headers: &str, body: &[u8]) -> Vec<u8> {
    post(&format!("content-length: {}\n{headers}", body.len()), body)
}

/// Statuses and codes of all answers.
pub(crate) fn told(mut bytes: &[u8]) -> String {
    let mut told = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let (head, rest) = bytes.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let (body, rest) = rest.split_at(rest.len().min(length));
        let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let code = body.and_then(|body| Some(format!(" {}", body["code"].as_str()?)));
        told.push(status + &code.unwrap_or_default());
        bytes = rest;
    }
    told.join(", ")
}

/// Compares the answers to each case. `finish`: nothing more will come, and the collector is told.
pub(crate) fn check(collector: &Collector, cases: &[Case], finish: bool) {
    let send = |stream: &mut TcpStream, bytes: &[u8]| {
        // What is refused at its beginning may not be taken to its end.
        stream.write_all(bytes).ok();
        if finish {
            stream.shutdown(Shutdown::Write).ok();
        }
    };
    exchange(collector, cases, send, told);
}

/// A collector that soon closes what is idle. A body whose length is not said counts as the largest: all
/// cases at the same time are fewer than there is memory for.
pub(crate) fn start(data_dir: &std::path::Path) -> Collector {
    let keys = [
        "idle_timeout=1s",
        "header_timeout=1s",
        "body_timeout=1s",
        "body_bytes_max=3MiB",
        "ingest_bytes_max=192MiB",
    ];
    Collector::start(data_dir, &keys)
}
