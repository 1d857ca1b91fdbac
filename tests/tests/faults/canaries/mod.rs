//! Secrets: through real Envoys, the filter, the collector and every command that reads what it wrote,
//! none is anywhere; and nothing that a service says is where nobody asked for it.
//!
//! The same traffic also passes a relay that captures it, so that `twintap ingest` must come to the
//! same hashes as the filter.

mod commands;
mod core;
mod planted;
mod search;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use http::request::Parts;
use serde_json::{Value, json};
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Client, Server};
use twintap_e2e::relay::{Relay, pcap};
use twintap_e2e::{Envoy, Filter, Listener, Route, Stored, artifacts, http1, wait};

use crate::collector::{Collector, PATIENCE, Place};
use crate::figures::Sought;
use crate::full_or;
use planted::{CALL_HEADER, CONFIGURED, SECRET, Side, WORD};
use search::Search;

/// Of the hash that replaces secrets.
const KEY: &str = "a key that is long enough";
/// Connections of the client, so that several workers of each Envoy are met.
const CONNECTIONS: usize = 8;

/// What was searched: the name of each place, and its bytes.
type Places = BTreeMap<String, Vec<u8>>;

/// An Envoy with the filter at its service.
async fn sidecar(role: &str, service: SocketAddr, collector: SocketAddr) -> Envoy {
    let filter = Filter::inbound()
        .with("role", role)
        .with("redaction_key", KEY)
        .with("redact_headers", json!([CONFIGURED]));
    let bootstrap = Bootstrap::new(role)
        .concurrency(2)
        .listener(Listener::new("grpc", Route::to("service")).filter(filter))
        .grpc("service", service);
    let bootstrap = match role {
        // Both protocols of the port.
        "primary" => bootstrap.collector_http2(collector),
        _ => bootstrap.collector(collector),
    };
    bootstrap.start().await
}

fn number(head: &Parts) -> u64 {
    let number = head.headers[CALL_HEADER].to_str().expect("a number");
    number.parse().expect("a number")
}

/// Makes all calls through a caller's Envoy that mirrors them; returns once every record of both
/// sides is in the collector's journal. Also: what the old service's host saw, as a capture; and
/// what Envoys logged.
async fn traffic(calls: u64, collector: &Collector) -> (SocketAddr, Vec<u8>, Places) {
    let service = |side| Server::answering(move |head: &Parts| planted::answer(number(head), side));
    let (old, new) = (service(Side::Old).await, service(Side::New).await);
    let relay = Relay::to(old.address()).await;
    let primary = sidecar("primary", relay.address(), collector.address()).await;
    let candidate = sidecar("candidate", new.address(), collector.address()).await;
    let caller = Bootstrap::new("caller")
        .concurrency(4)
        .listener(Listener::new("grpc", Route::to("old").mirror("new")).filter(Filter::outbound()))
        .grpc("old", primary.address("grpc").await)
        .grpc("new", candidate.address("grpc").await)
        .collector(collector.address())
        .start()
        .await;
    let address = caller.address("grpc").await;
    let clients = Client::connect_all(address, CONNECTIONS).await;
    for (number, client) in (0..calls).zip(clients.iter().cycle()) {
        let outcome = client.call(planted::call(number)).await;
        assert!(outcome.status().is_some(), "call {number}: {outcome:?}");
    }
    let all = format!("twintap_records_total{{outcome=\"stored\"}} {}", calls * 2);
    let state = || collector.log();
    wait::until_or(&all, PATIENCE, state, async || {
        metrics(collector).await.contains(&all).then_some(())
    })
    .await;
    let envoys = [&primary, &candidate, &caller];
    let logs = envoys.map(|envoy| (format!("log of {}", envoy.name()), envoy.process.log()));
    let logs = logs.map(|(place, log)| (place, log.into_bytes()));
    drop(clients);
    (old.address(), pcap(&relay.packets()), logs.into())
}

async fn metrics(collector: &Collector) -> String {
    let (_, body) = http1::get(collector.address(), "/metrics")
        .await
        .expect("it answers");
    String::from_utf8_lossy(&body).into_owned()
}

/// Every file of a folder, by its path there. Nobody else may open any of them. What a collector that runs
/// renames at this moment is there under its last name.
fn files(folder: &Path) -> Places {
    let mut files = Places::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let rights = |path: &Path| Some(fs::metadata(path).ok()?.permissions().mode() & 0o777);
        assert_eq!(rights(&next), Some(0o700), "{}", next.display());
        for entry in fs::read_dir(&next).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let (Some(rights), Ok(bytes)) = (rights(&path), fs::read(&path)) else {
                assert!(!path.exists(), "{} cannot be read", path.display());
                continue;
            };
            assert_eq!(rights, 0o600, "{}", path.display());
            let name = path
                .strip_prefix(folder)
                .unwrap_or(&path)
                .display()
                .to_string();
            files.insert(name, bytes);
        }
    }
    files
}

/// Every value of every Parquet file below `folder`, decompressed, as pyarrow reads it.
fn values(folder: &Path) -> Vec<u8> {
    let mut command = Command::new(artifacts::python());
    let output = command
        .arg(artifacts::script("values.py"))
        .arg(folder)
        .output();
    let output = output.expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "values.py: {errors}");
    output.stdout
}

/// Metadata of the rows of a role by call: place, name and stored value of all that was redacted.
fn redacted(stored: &Stored, role: &str) -> BTreeMap<u64, BTreeSet<String>> {
    let rows = stored.rows.iter().filter(|row| row["role"] == role);
    let of_row = |row: &Value| {
        let number = row["request_metadata_map"][CALL_HEADER].as_str();
        let number = number
            .and_then(|number| number.parse().ok())
            .expect("a number");
        let places = ["request_metadata", "response_metadata", "response_trailers"];
        let fields = places.into_iter().flat_map(|place| {
            let fields = row[place].as_array().into_iter().flatten();
            let redacted = fields.filter(|field| field["redacted"] == true);
            redacted.map(move |field| format!("{place} {} {}", field["name"], field["value"]))
        });
        (number, fields.collect())
    };
    rows.map(of_row).collect()
}

/// Equal secrets have equal hashes, others have others, on whichever worker of whichever Envoy.
fn hashes_tell_what_is_equal(stored: &Stored, calls: u64) {
    let (old, new) = (redacted(stored, "primary"), redacted(stored, "candidate"));
    let producers = stored.rows.iter().map(|row| row["producer_id"].to_string());
    let producers: BTreeSet<String> = producers.collect();
    assert!(producers.len() >= 2, "who recorded: {producers:?}");
    for number in 0..calls {
        let (old, new) = (&old[&number], &new[&number]);
        assert!(old.len() > 2 * planted::names().len() - 3, "{old:?}");
        let differences = old.symmetric_difference(new).count();
        let expected = if planted::is_different(number) { 2 } else { 0 };
        assert_eq!(differences, expected, "call {number}: {old:#?} {new:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_anywhere_and_equal_ones_compare_equal() {
    let _machine = twintap_e2e::machine::shared();
    let calls = full_or(120, 20);
    let planted = planted::planted(calls).len() as u64;
    let (secrets, words) = (Search::of(SECRET), Search::of(WORD));
    // Until it is drained, all stays in the journal.
    let place = Place::new(&["publish_interval=1h", "log_level=trace"]);
    let (mut collector, _) = place.start().await;
    let (old, capture, mut quiet) = traffic(calls, &collector).await;
    quiet.insert("metrics".into(), metrics(&collector).await.into());

    let journal = files(&place.data_dir());
    secrets.finds_none(&journal);
    words.finds_one(
        "the journal",
        &journal.values().flatten().copied().collect::<Vec<_>>(),
    );
    collector.drain().await;
    quiet.insert("log".into(), collector.log().into());

    let stored = Stored::read_whole(&place.data_dir());
    hashes_tell_what_is_equal(&stored, calls);

    let captured = place.file("old.pcap");
    fs::write(&captured, capture).expect("a file");
    let ingested = commands::ingest(&place, &captured, old);
    assert_eq!(
        redacted(&stored, "primary"),
        redacted(&ingested.stored, "primary")
    );
    quiet.extend(ingested.quiet);

    let told = commands::read_all(&place, calls);
    words.finds_one(
        "reports",
        &told.loud.values().flatten().copied().collect::<Vec<_>>(),
    );
    quiet.extend(told.quiet);
    let mut everywhere = quiet.clone();
    everywhere.extend(told.loud);
    everywhere.extend(ingested.loud);
    everywhere.extend(files(&place.data_dir()));
    let values = values(&place.data_dir());
    words.finds_one("the datasets", &values);
    everywhere.insert("values".into(), values);
    secrets.finds_none(&everywhere);
    quiet.extend(
        files(&place.data_dir())
            .into_iter()
            .filter(|(name, _)| name.ends_with(".json")),
    );
    words.finds_none(&quiet);
    let sought = Sought {
        family: "canaries",
        what: "secrets in metadata and queries, in the journal, Parquet, the log at `trace`, metrics, reports, \
               what every command prints; words of services where nobody asked for them",
        planted,
        places: (everywhere.len() + journal.len()) as u64,
    };
    sought.keep();
}
