//! TLS connections of real peers, with their key logs.

use rustls::crypto::ring::cipher_suite as suites;
use twintap_decode::stream::Way::{Forward, Reverse};

use crate::peers::{Act, Options, Peers, Seen};
use crate::properties::script::ScriptWriter;
use crate::properties::tls::bits;

pub(super) fn sessions() -> Vec<(&'static str, Vec<u8>)> {
    let small = |options: Options| Options {
        record_bytes_max: Some(100),
        ..options
    };
    let acts = [
        Act::Send(Forward, vec![b'q'; 250]),
        Act::Send(Reverse, (0..250).collect()),
        Act::Rekey(Reverse),
        Act::Send(Reverse, b"done".to_vec()),
    ];
    let (tls12, tls13) = (small(Options::tls12()), small(Options::tls13()));
    let chacha = Some(suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    let plain = |options: Options, count: usize| Peers::new(options).connect(&[], &acts[..count]);
    let retried = Options {
        hello_retry: true,
        ..tls13
    };
    let peers = Peers::new(tls13);
    peers.connect(&[], &acts);
    let early = peers.connect(b"early", &acts);
    let in_clear = Seen {
        key_log: Vec::new(),
        ..plain(tls13, 1)
    };
    vec![
        ("tls12_gcm", script(&plain(tls12, 2), 0)),
        (
            "tls12_chacha",
            script(
                &plain(
                    Options {
                        suite: chacha,
                        ..tls12
                    },
                    2,
                ),
                0,
            ),
        ),
        ("tls12_lossy", script(&plain(tls12, 2), 3)),
        ("tls13", script(&plain(tls13, 4), 0)),
        ("tls13_lossy", script(&plain(tls13, 4), 3)),
        ("hello_retry", script(&plain(retried, 1), 0)),
        ("early_data", script(&early, 0)),
        ("no_secrets", script(&in_clear, 0)),
    ]
}

/// Pieces of 90 bytes, of which each of number `loss` behind the handshake is lost; 0: none.
fn script(seen: &Seen, loss: usize) -> Vec<u8> {
    let mut writer = ScriptWriter::default().payload(&seen.key_log);
    let mut number = 0;
    for (flight, (way, bytes)) in seen.sent.iter().enumerate() {
        for piece in bytes.chunks(90) {
            number += 1;
            let is_lost = loss > 0 && flight > 2 && number % loss == 0;
            let what = if *way == Reverse { bits::ANSWER } else { 0 };
            let what = what | if is_lost { bits::GAP } else { 0 };
            writer = writer.bytes(&[what]).payload(piece);
        }
    }
    writer.0
}
