//! Types from a running server: `--reflect`, against grpcio with grpcio-reflection.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use prost::Message as _;

use super::recording::{Recording, calls, stdout, twintap};
use super::venv;

/// The service of [`calls`], in two files of which one imports a file of protobuf's own.
const SHOP: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "shop/item.proto";
    service Shop { rpc GetItem(Query) returns (Item); }
    message Query { string id = 1; }
"#;

const ITEM: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/protobuf/timestamp.proto";
    message Item { string city = 1; google.protobuf.Timestamp added = 2; }
"#;

fn descriptor_set(folder: &Path, item: &str) -> PathBuf {
    std::fs::create_dir_all(folder.join("shop")).unwrap();
    std::fs::write(folder.join("shop/item.proto"), item).unwrap();
    std::fs::write(folder.join("shop/shop.proto"), SHOP).unwrap();
    let set = protox::compile(["shop/shop.proto"], [folder]).unwrap();
    let file = folder.join("shop.binpb");
    std::fs::write(&file, set.encode_to_vec()).unwrap();
    file
}

/// A server that ends when it is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(descriptor_set: &Path, services: &[&str]) -> Self {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reflection_server.py");
        let mut process = Command::new(venv::python())
            .arg(script)
            .arg(descriptor_set)
            .args(services)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse();
        let port =
            port.expect("the server did not start: run `make setup-tests` for grpcio-reflection");
        Self { process, port }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

fn recording() -> Recording {
    Recording::new().part(calls(0, 20, 10)).dropped(0)
}

#[test]
fn a_server_with_reflection_names_the_fields() {
    let recording = recording();
    let set = descriptor_set(recording.path(), ITEM);
    let server = Server::start(&set, &["shop.v1.Shop"]);
    let saved = recording.path().join("saved.binpb");
    let save = ["--save-descriptors", saved.to_str().unwrap()];
    let address = server.address();
    let output =
        recording.compare(&[&["--reflect", &address, "--output", "json"], &save[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["differences"][0]["path"], "city");
    assert_eq!(report["scope"]["has_descriptors"], true);
    drop(server);
    // What was saved says the same without the server.
    let again = recording.compare(&["--descriptors", save[1], "--output", "json"]);
    let again: serde_json::Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!(again["differences"], report["differences"]);
    assert_eq!(again["coverage"], report["coverage"]);
}

#[test]
fn what_keeps_a_server_from_telling_is_said() {
    let recording = recording();
    let set = descriptor_set(recording.path(), ITEM);
    let silent = Server::start(&set, &[]);
    let lying = Server::start(&set, &["shop.v1.Nowhere"]);
    let gone = {
        let gone = Server::start(&set, &[]);
        gone.address()
    };
    for (address, expected) in [
        (silent.address(), "has no reflection"),
        (lying.address(), "does not tell \"shop.v1.Nowhere\""),
        (gone, "failed to connect"),
    ] {
        let output = recording.compare(&["--reflect", &address]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains(expected) && error.contains(&address),
            "{error}"
        );
    }
    for wrong in ["http://localhost:1", "localhost", "localhost:0"] {
        let output = twintap(Some(recording.path()), &["--reflect", wrong]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
