//! The same endpoint over HTTP/2 with prior knowledge, as Envoy speaks it to a cluster with h2.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::batches::Sender;
use super::collector::{Collector, stored};

type Http2 = SendRequest<Full<Bytes>>;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[allow(
    clippy::disallowed_methods,
    reason = "hyper's client needs its driver spawned"
)]
async fn connect(collector: &Collector) -> Http2 {
    let stream = tokio::net::TcpStream::connect(collector.address)
        .await
        .unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn post(body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post("http://test/v1/records")
        .header("content-type", "application/x-protobuf")
        .body(Full::from(body))
        .unwrap()
}

#[test]
fn many_batches_share_one_connection() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let mut sender = Sender::new(7);
    runtime().block_on(async {
        let mut client = connect(&collector).await;
        let mut answers = Vec::new();
        for _ in 0..50 {
            client.ready().await.unwrap();
            answers.push(client.send_request(post(sender.encoded(300))));
        }
        for answer in answers {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()).len(), 50 * 300);
}

#[test]
fn a_refusal_costs_only_its_stream() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &["body_bytes_max=64KiB"]);
    runtime().block_on(async {
        let mut client = connect(&collector).await;
        let too_large = client.send_request(post(vec![0; 100_000]));
        let answer = too_large.await.unwrap();
        assert_eq!(answer.status(), 413);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"code\":\"body_too_large\""));
        let long = "a".repeat(40_000);
        let long = Request::get("http://test/healthz")
            .header("x", long)
            .body(Full::default())
            .unwrap();
        assert_eq!(client.send_request(long).await.unwrap().status(), 431);
        let good = client.send_request(post(Sender::new(7).encoded(3)));
        assert_eq!(good.await.unwrap().status(), 200);
    });
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()).len(), 3);
}
