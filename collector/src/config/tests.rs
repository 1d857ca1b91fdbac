//! What users write, and what they are told.

use std::time::Duration;

use super::*;

fn from_file(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut layers = Layers::default();
    layers.add_file(file.path()).map_err(|error| ConfigError {
        origin: error
            .origin
            .replace(&file.path().display().to_string(), "file"),
        ..error
    })?;
    Config::from_layers(&layers).map_err(|error| ConfigError {
        origin: error
            .origin
            .replace(&file.path().display().to_string(), "file"),
        ..error
    })
}

#[test]
fn the_defaults_are_valid() {
    let config = Config::from_layers(&Layers::default()).unwrap();
    assert!(config.listen.ip().is_loopback());
    assert_eq!(config.publish_interval, Duration::from_secs(30));
}

#[test]
fn later_layers_win() {
    let mut layers = Layers::default();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "publish_interval = \"1m\"\nstreams_max = 7\n").unwrap();
    layers.add_file(file.path()).unwrap();
    layers.add_env([("TWINTAP_PUBLISH_INTERVAL".into(), "2m".into())]);
    layers
        .set("listen", "[::1]:1".into(), Origin::Flag("--listen".into()))
        .unwrap();
    let config = Config::from_layers(&layers).unwrap();
    assert_eq!(config.publish_interval, Duration::from_secs(120));
    assert_eq!(config.streams_max, 7);
    assert_eq!(config.listen.port(), 1);
}

#[test]
fn what_no_machine_has_is_refused() {
    for (key, value, told) in [
        (
            "queue_batches_max",
            "100001",
            "must not be more than 100000",
        ),
        (
            "connections_max",
            "18446744073709551615",
            "must not be more than 1000000",
        ),
        ("drain_timeout", "99999999d", "must be less than 36500d"),
    ] {
        let error = from_file(&format!("{key} = \"{value}\"")).unwrap_err();
        assert!(error.problem.contains(told), "{error}");
    }
}

#[test]
fn errors_say_where_and_what_would_do() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "misspelt",
            "\npublish_intervall = \"30s\"",
            "file:2:1: unknown key `publish_intervall`, did you mean `publish_interval`?",
        ),
        (
            "unrelated",
            "colour = \"red\"",
            "file:1:1: unknown key `colour`, `twintap check-config` lists the known ones",
        ),
        (
            "table",
            "[serve]\nlisten = \"x\"",
            "file:1:2: serve: expected a string, a number or a boolean, found table",
        ),
        (
            "duration",
            "idle_timeout = \"5 parsecs\"",
            "file:1:1: idle_timeout = \"5 parsecs\": expected a duration such as \"30s\" or \"500ms\"",
        ),
        (
            "no unit",
            "idle_timeout = 5",
            "file:1:1: idle_timeout = \"5\": expected a duration such as \"30s\" or \"500ms\"",
        ),
        (
            "size",
            "body_bytes_max = \"-1\"",
            "file:1:1: body_bytes_max = \"-1\": expected a size such as \"64MiB\"",
        ),
        (
            "overflow",
            "body_bytes_max = \"99999999999TiB\"",
            "file:1:1: body_bytes_max = \"99999999999TiB\": expected a size such as \"64MiB\"",
        ),
        (
            "zero",
            "connections_max = 0",
            "file:1:1: connections_max = \"0\": must not be 0",
        ),
        (
            "port",
            "listen = \"127.0.0.1:65536\"",
            "file:1:1: listen = \"127.0.0.1:65536\": expected an IP address and a port such as \"127.0.0.1:9090\" or \"[::1]:9090\"",
        ),
        (
            "contradiction",
            "body_bytes_max = \"1GiB\"",
            "default: ingest_bytes_max must be at least body_bytes_max, which is 1073741824",
        ),
        (
            "journal of one segment",
            "journal_bytes_max = \"64MiB\"",
            "file:1:1: journal_bytes_max must be at least twice segment_bytes_max, which is 67108864",
        ),
        (
            "format",
            "log_format = \"xml\"",
            "file:1:1: log_format = \"xml\": expected text or json",
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(
            from_file(text).unwrap_err().to_string(),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn broken_toml_is_placed() {
    let error = from_file("listen = \"127.0.0.1:1\"\nstreams_max = = 1\n").unwrap_err();
    assert!(error.origin.starts_with("file:2:"), "{error}");
}

#[test]
fn an_unknown_variable_is_told_of_and_foreign_ones_are_not() {
    let mut layers = Layers::default();
    layers.add_env([
        ("PATH".into(), "x".into()),
        (ENV_FILE.into(), "x".into()),
        ("TWINTAP_LISTN".into(), "x".into()),
    ]);
    assert_eq!(
        layers.unknown(),
        ["environment TWINTAP_LISTN: unknown key `listn`, did you mean `listen`?"]
    );
    Config::from_layers(&layers).unwrap();
}

#[test]
fn a_malformed_value_of_a_known_variable_is_refused() {
    let mut layers = Layers::default();
    layers.add_env([("TWINTAP_LISTEN".into(), "tcp://10.0.0.1:9090".into())]);
    let error = Config::from_layers(&layers).unwrap_err();
    assert_eq!(error.origin, "environment TWINTAP_LISTEN");
}

#[test]
fn no_key_has_the_name_of_a_variable_that_kubernetes_sets() {
    // For a Service `twintap`, or `twintap-` and more, with ports of any name.
    for key in KEYS {
        let words: Vec<&str> = key.name.split('_').collect();
        assert!(!words.contains(&"port"), "{}", key.name);
        assert!(!key.name.ends_with("service_host"), "{}", key.name);
    }
}

#[test]
fn sizes_and_durations_read_as_people_write_them() {
    for (text, bytes) in [
        ("1", 1),
        ("64MiB", 64 << 20),
        ("2 GiB", 2 << 30),
        ("10MB", 10_000_000),
        ("10MiB", 10 << 20),
        ("1kB", 1000),
    ] {
        assert_eq!(units::size::<u64>(text), Ok(bytes), "{text}");
    }
    for (text, ms) in [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("24h", 86_400_000),
    ] {
        assert_eq!(
            units::duration(text),
            Ok(Duration::from_millis(ms)),
            "{text}"
        );
    }
}

#[test]
fn the_documentation_has_the_defaults_that_are_in_force() {
    let page = include_str!("../../../docs/collector.md");
    let table = page.split_once("| limit | key | default |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| !line.is_empty());
    let mut count = 0;
    for row in rows {
        let (key, default) = row.rsplit_once(" | `").unwrap();
        let name = key.rsplit_once("| `").unwrap().1.split('`').next().unwrap();
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        assert_eq!(default, format!("{}` |", key.default), "{name}");
        count += 1;
    }
    assert_eq!(count, 12);
}
