//! What strangers send to the port: tokens and malformed requests are in no answer, log or metric.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use twintap_e2e::artifacts;
use twintap_record::{CONTENT_TYPE, Header, HeaderBlock, Message, PATH, Record, RecordBatch};

use super::planted::{SECRET, WORD};
use super::search::{Search, base64};
use super::{Places, files, metrics, values};
use crate::batch::Batch;
use crate::collector::{PATIENCE, Place};
use crate::figures::Sought;
use crate::oracle::without_variables;

/// A right token, and one that nobody has given out.
const RIGHT: &str = "cAnArYsEcReT-right-cAnArYsEcReT";
const WRONG: &str = "cAnArYsEcReT-wrong-cAnArYsEcReT";

/// A batch that says a word, decodable or not.
fn batch(sequence: u64, change: impl FnOnce(&mut RecordBatch)) -> Vec<u8> {
    let good = Batch {
        producer: 1,
        sequence,
        records: 1,
        message_bytes: 0,
    };
    let mut batch = RecordBatch::decode(good.encode()).expect("it was encoded here");
    change(&mut batch);
    batch.encode_to_vec()
}

fn said() -> Option<HeaderBlock> {
    let header = Header {
        name: WORD.into(),
        value: WORD.into(),
        redacted: false,
    };
    let headers = vec![header; 3];
    Some(HeaderBlock {
        headers,
        ..HeaderBlock::default()
    })
}

/// Bodies that are no batch, and one with a record that is none.
fn bodies() -> Vec<Vec<u8>> {
    let say = |batch: &mut RecordBatch| batch.records[0].response_headers = said();
    let (good, mut spoilt) = (batch(1, say), batch(2, say));
    // The length of the last block is another: the record cannot be decoded, the batch can.
    let at = good.len() - WORD.len() * 6;
    spoilt[at..].fill(0xff);
    vec![
        good[..good.len() - 1].to_vec(),
        spoilt,
        batch(1, |batch| {
            batch.version = 7;
            batch.records[0].response_headers = said();
        }),
        batch(1, |batch| batch.producer_id = WORD.into()),
        batch(1, |batch| {
            let number = u64::MAX;
            batch.records.push(Record {
                number,
                response_headers: said(),
                ..Record::default()
            });
        }),
        WORD.into(),
        good,
    ]
}

fn post(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {head}\r\nhost: harness\r\ncontent-length: {}",
        body.len()
    );
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

/// HTTP/1 requests of every kind, each with a canary.
fn requests() -> Vec<Vec<u8>> {
    let typed = format!("content-type: {CONTENT_TYPE}");
    let bearer = |token: &str| format!("authorization: Bearer {token}");
    let (right, wrong) = (bearer(RIGHT), bearer(WRONG));
    let basic = format!("authorization: Basic {}", base64(WRONG.as_bytes()));
    let line = format!("{PATH} HTTP/1.1");
    let heads = [
        format!("{line}\r\n{typed}\r\n{wrong}"),
        format!("{line}\r\n{typed}\r\n{basic}"),
        format!("{line}\r\n{typed}\r\n{right}\r\n{wrong}"),
        format!("{line}\r\n{typed}\r\ncookie: token={WRONG}\r\nx-token: {WRONG}"),
        format!("{PATH}?token={WRONG} HTTP/1.1\r\n{typed}"),
        format!("{line}\r\n{right}\r\ncontent-type: {WORD}/{WORD}"),
        format!("{line}\r\n{right}\r\n{typed}\r\ncontent-encoding: {WORD}"),
        format!(
            "{line}\r\n{right}\r\n{typed}\r\nx-{WORD}: {}",
            WORD.repeat(4000)
        ),
        format!("{line}\r\n{right}\r\n{typed}\r\ncontent-length: {WORD}"),
        format!("{line}\r\n{right}\r\n{typed}\r\ntransfer-encoding: {WORD}"),
        format!("{line}\r\n{right}\r\n{typed}\r\n{WORD}"),
        format!("/{WORD}?{WORD} HTTP/1.1\r\n{right}"),
        format!("http://{WRONG}@harness{PATH} HTTP/1.1\r\n{typed}"),
        format!("{PATH} {WORD}/1.1\r\n{right}"),
    ];
    let taken = format!("{line}\r\n{typed}\r\n{right}");
    let mut requests: Vec<Vec<u8>> = heads.iter().map(|head| post(head, &bodies()[0])).collect();
    requests.extend(bodies().iter().map(|body| post(&taken, body)));
    requests.push(format!("{WORD} / HTTP/1.1\r\nhost: {WORD}\r\n\r\n").into());
    requests.push(WORD.repeat(30).into());
    requests
}

/// Sends a request, and says what comes back until the end.
async fn answer(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut answer = vec![];
    // It may hang up before it has read everything.
    drop(stream.write_all(request).await);
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("it ends"));
    answer
}

/// The same over HTTP/2: with a wrong and with the right token, on a path that there is and one that
/// there is not.
async fn over_http2(address: SocketAddr) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let driver = tokio::spawn(connection);
    let mut answers = vec![];
    for (path, token) in [(PATH, WRONG), (WORD, RIGHT), (PATH, RIGHT)] {
        for body in bodies() {
            let request = Request::post(format!("http://harness/{}", path.trim_start_matches('/')))
                .header("content-type", CONTENT_TYPE)
                .header("authorization", format!("Bearer {token}"))
                .header("x-session", WRONG)
                .body(())
                .expect("a request");
            sender = sender.ready().await.expect("it goes on");
            let (response, mut stream) = sender.send_request(request, false).expect("it goes on");
            drop(stream.send_data(Bytes::from(body), true));
            let Ok(response) = response.await else {
                continue;
            };
            answers.extend(format!("{response:?}").into_bytes());
            let mut body = response.into_body();
            while let Some(Ok(chunk)) = body.data().await {
                answers.extend(&chunk);
            }
        }
    }
    drop(sender);
    driver.abort();
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_send_is_in_no_answer_log_or_metric() {
    let _machine = twintap_e2e::machine::shared();
    // Who says nothing more is sent away soon.
    let place = Place::new(&[
        "publish_interval=50ms",
        "log_level=trace",
        "header_timeout=1s",
        "idle_timeout=1s",
    ]);
    let tokens = place.file("tokens");
    fs::write(&tokens, RIGHT).expect("a file");
    let place = place.with_key(&format!("token_file={}", tokens.display()));
    let (mut collector, _) = place.start().await;
    let mut told = Places::new();
    let mut taken = 0;
    for (index, request) in requests().iter().enumerate() {
        let answer = answer(collector.address(), request).await;
        taken += u64::from(answer.starts_with(b"HTTP/1.1 200"));
        told.insert(format!("answer {index}"), answer);
    }
    assert!(taken > 0, "the right token with a good batch is taken");
    told.insert(
        "answers over HTTP/2".into(),
        over_http2(collector.address()).await,
    );
    told.insert("metrics".into(), metrics(&collector).await.into());
    collector.drain().await;
    told.insert("log".into(), collector.log().into());
    told.extend(refusals_to_start(&place));

    let (secrets, words) = (Search::of(SECRET), Search::of(WORD));
    let mut stored = files(&place.data_dir());
    let quarantine = stored.keys().filter(|name| name.starts_with("quarantine"));
    assert_eq!(quarantine.count(), 1, "{:?}", stored.keys());
    stored.insert("values".into(), values(&place.data_dir()));
    words.finds_one("what is stored", &stored["values"]);
    secrets.finds_none(&stored);
    let figures = stored
        .into_iter()
        .filter(|(name, _)| name.ends_with(".json"));
    told.extend(figures);
    secrets.finds_none(&told);
    words.finds_none(&told);
    let sought = Sought {
        family: "strangers",
        what: "right and wrong tokens, and what is in malformed requests and batches, in answers, \
               the log at `trace`, metrics, error messages",
        planted: (requests().len() + 3 * bodies().len()) as u64,
        places: told.len() as u64,
    };
    sought.keep();
}

/// What `twintap` says of secrets in files that it cannot use.
fn refusals_to_start(place: &Place) -> Places {
    let bad = place.file("bad");
    fs::write(&bad, format!("{RIGHT} {WRONG}\n{WRONG}")).expect("a file");
    let bad = bad.display().to_string();
    let data_dir = place.file("unused").display().to_string();
    let key = |name: &str| format!("{name}={bad}");
    let [token, certificate, private_key, ca] = [
        "token_file",
        "tls_certificate_file",
        "tls_private_key_file",
        "tls_client_ca_file",
    ]
    .map(key);
    let serve = |keys: &[&String]| {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir];
        for key in keys {
            arguments.extend(["--set", key]);
        }
        arguments
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let packets = |more: [&str; 2]| {
        let arguments = ["ingest", "--data-dir", &data_dir, more[0], more[1], &bad];
        arguments.map(str::to_owned).to_vec()
    };
    let runs = [
        serve(&[&token]),
        serve(&[&certificate, &private_key]),
        serve(&[&certificate, &private_key, &ca]),
        packets(["--tls-keylog", &bad]),
        packets(["--redaction-key-file", &bad]),
        vec!["serve".into(), "--config".into(), bad.clone()],
    ];
    let mut told = Places::new();
    for arguments in runs {
        let mut command = Command::new(artifacts::twintap());
        without_variables(&mut command);
        let output = command.args(&arguments).output().expect("it starts");
        assert!(!output.status.success(), "{arguments:?}");
        let output = [output.stdout, output.stderr].concat();
        told.insert(arguments.join(" "), output);
    }
    told
}
