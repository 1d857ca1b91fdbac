//! A collector with TLS, client certificates and tokens, and an Envoy that has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use twintap_e2e::envoy::{Bootstrap, Secured};
use twintap_e2e::grpc::{Answer, Call, Client, Server};
use twintap_e2e::{Collector, Filter, Listener, Route, machine, wait};

const TOKEN: &str = "a-token-that-nobody-guesses";
const WITHIN: Duration = Duration::from_secs(30);

/// An authority, what it signs, and a token, in files.
struct Files<'a>(&'a Path);

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn make(&self) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(self.path("ca.crt"), issuer.pem()).unwrap();
        for (name, subject) in [("collector", "localhost"), ("filter", "filter")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            // Else it has the name of its issuer, which would make it its own.
            params.distinguished_name.push(DnType::CommonName, subject);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(self.path(&format!("{name}.crt")), certificate.pem()).unwrap();
            fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        fs::write(self.path("token"), TOKEN).unwrap();
    }

    fn keys(&self) -> Vec<String> {
        let key = |name: &str, file: &str| format!("{name}={}", self.path(file).display());
        vec![
            key("tls_certificate_file", "collector.crt"),
            key("tls_private_key_file", "collector.key"),
            key("tls_client_ca_file", "ca.crt"),
            key("token_file", "token"),
        ]
    }

    /// What Envoy has, with this as its `authorization`.
    fn secured(&self, authorization: &str) -> Secured {
        let file = self.path("authorization");
        fs::write(&file, authorization).unwrap();
        Secured {
            authority: self.path("ca.crt"),
            certificate: self.path("filter.crt"),
            private_key: self.path("filter.key"),
            authorization: file,
        }
    }
}

#[tokio::test]
async fn records_reach_a_collector_with_tls_and_token() {
    let _machine = machine::shared();
    let directory = tempfile::tempdir().unwrap();
    let files = Files(directory.path());
    files.make();
    let collector = Collector::start_with(files.keys()).await;
    let server = Server::answering(|_| Answer::echo()).await;
    let secured = files.secured(&format!("Bearer {TOKEN}"));
    let envoy = Bootstrap::new("secured")
        .listener(Listener::new("grpc", Route::to("old")).filter(Filter::inbound()))
        .grpc("old", server.address())
        .collector_secured(collector.address(), &secured)
        .start()
        .await;
    let client = Client::connect(envoy.address("grpc").await).await;
    for _ in 0..20 {
        let outcome = client.call(Call::unary("shop.v1.Orders/Get", "x")).await;
        assert_eq!(outcome.messages(), ["x"]);
    }
    collector.settled(20).await;
    let (stored, _directory) = collector.into_stored().await;
    assert_eq!(stored.rows.len(), 20);
}

#[tokio::test]
async fn records_that_a_wrong_token_holds_up_come_when_it_is_right() {
    let _machine = machine::shared();
    let directory = tempfile::tempdir().unwrap();
    let files = Files(directory.path());
    files.make();
    let mut collector = Collector::start_with(files.keys()).await;
    let server = Server::answering(|_| Answer::echo()).await;
    let secured = files.secured("Bearer a-token-that-somebody-guesses");
    let envoy = Bootstrap::new("secured")
        .listener(Listener::new("grpc", Route::to("old")).filter(Filter::inbound()))
        .grpc("old", server.address())
        .collector_secured(collector.address(), &secured)
        .start()
        .await;
    let client = Client::connect(envoy.address("grpc").await).await;
    for _ in 0..20 {
        let outcome = client.call(Call::unary("shop.v1.Orders/Get", "x")).await;
        assert_eq!(outcome.messages(), ["x"]);
    }
    wait::until_true("batches are refused, and tried again", WITHIN, async || {
        let stats = envoy.stats().await;
        stats.counter("cluster.collector.upstream_rq_401") > 1
    })
    .await;
    fs::write(files.path("token"), "a-token-that-somebody-guesses").unwrap();
    collector.restart().await;
    collector.settled(20).await;
    let (stored, _directory) = collector.into_stored().await;
    assert_eq!(stored.rows.len(), 20);
}
