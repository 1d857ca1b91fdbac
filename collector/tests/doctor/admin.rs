//! The admin port of an Envoy, and what may answer instead of one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

use super::program::{answer, fixtures, ids};

fn start(address: &SocketAddr) -> Child {
    Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["doctor", "--output", "json", "--envoy-admin"])
        .arg(address.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Answers one request per body; gives the paths that were asked for.
fn serve(listener: &TcpListener, answers: &[(&str, &str)]) -> Vec<String> {
    let mut asked = Vec::new();
    for (status, body) in answers {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut request = String::new();
        reader.read_line(&mut request).unwrap();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        asked.push(request.split(' ').nth(1).unwrap().to_owned());
        let length = body.len();
        write!(
            &stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    }
    asked
}

fn examined(answers: &[(&str, &str)]) -> (Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = start(&listener.local_addr().unwrap());
    let asked = serve(&listener, answers);
    (child.wait_with_output().unwrap(), asked)
}

#[test]
fn a_running_envoy_is_asked_for_configuration_and_statistics() {
    let case = fixtures().join("grpc-port/bad-http1-connections");
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
    let (dump, stats) = (read("config_dump.json"), read("stats.txt"));
    let server = r#"{"version": "9e55809/1.40.0/Clean/RELEASE/BoringSSL", "state": "LIVE",
        "command_line_options": {}}"#;
    let (output, asked) = examined(&[("200 OK", server), ("200 OK", &dump), ("200 OK", &stats)]);
    assert_eq!(asked, ["/server_info", "/config_dump", "/stats"]);
    let answer = answer(&output);
    assert_eq!(ids(&answer), ["grpc-port"]);
    assert_eq!(answer["inputs"].as_array().unwrap().len(), 3);
    assert_eq!(answer["inputs"][0]["taken_for"], "Envoy 1.40.0, state LIVE");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn something_else_than_an_envoy_is_told_by_its_answer() {
    let (output, _) = examined(&[("404 Not Found", "no such page")]);
    let answer = answer(&output);
    let what = answer["problems"][0]["what"].as_str().unwrap();
    assert!(what.contains("404") && what.contains("admin"), "{what}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn nobody_at_the_address_is_an_input_that_cannot_be_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = start(&address).wait_with_output().unwrap();
    let answer = answer(&output);
    let what = answer["problems"][0]["what"].as_str().unwrap();
    assert!(what.starts_with("failed to connect"), "{what}");
    assert_eq!(output.status.code(), Some(3));
}
