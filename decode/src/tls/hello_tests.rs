//! Hellos made by hand, for what the peers of the other tests do not say.

use super::super::suite::{Aead, Hash};
use super::*;

/// A hello: version, random, session identifier, what follows it, extensions.
fn hello(kind: u8, version: u16, random: Random, middle: &[u8], extensions: &[u8]) -> Vec<u8> {
    let len = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    let session_id = [3, 1, 2, 3];
    let version = version.to_be_bytes();
    let body = [&version[..], &random, &session_id, middle, &len, extensions].concat();
    let [_, len @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind][..], &len, &body].concat()
}

fn server_hello(version: u16, random: Random, suite: u16, extensions: &[u8]) -> Vec<u8> {
    let [high, low] = suite.to_be_bytes();
    hello(2, version, random, &[high, low, 0], extensions)
}

fn read(message: &[u8]) -> Result<Option<Hello>, NoHello> {
    HelloReader::default().push(message)
}

fn suite(message: &[u8]) -> Option<Suite> {
    match read(message) {
        Ok(Some(Hello::Server(hello))) => hello.suite,
        other => panic!("{other:?}"),
    }
}

const TLS13: [u8; 6] = [0, 43, 0, 2, 3, 4];

#[test]
fn the_suite_is_that_of_the_version() {
    let expected = Suite {
        version: Version::Tls12,
        aead: Aead::Aes256Gcm,
        hash: Hash::Sha384,
    };
    for id in [0x009d, 0x009f, 0xc030] {
        assert_eq!(
            suite(&server_hello(0x0303, [1; 32], id, &[])),
            Some(expected)
        );
    }
    let tls13 = suite(&server_hello(0x0303, [1; 32], 0x1303, &TLS13)).unwrap();
    assert_eq!(
        (tls13.version, tls13.aead),
        (Version::Tls13, Aead::ChaCha20Poly1305)
    );
}

#[test]
fn other_suites_and_versions_are_not_supported() {
    for message in [
        // CBC; TLS 1.1; a suite of 1.3 in 1.2 and the other way round; CCM.
        server_hello(0x0303, [1; 32], 0xc013, &[]),
        server_hello(0x0302, [1; 32], 0x009d, &[]),
        server_hello(0x0303, [1; 32], 0x1301, &[]),
        server_hello(0x0303, [1; 32], 0x009d, &TLS13),
        server_hello(0x0303, [1; 32], 0x1304, &TLS13),
    ] {
        assert_eq!(suite(&message), None);
    }
}

#[test]
fn a_hello_retry_request_is_not_the_hello() {
    let retry = server_hello(0x0303, HELLO_RETRY_REQUEST, 0x1301, &TLS13);
    assert_eq!(read(&retry), Ok(None));
    let both = [retry, server_hello(0x0303, [1; 32], 0x1301, &TLS13)].concat();
    assert!(suite(&both).is_some());
}

#[test]
fn a_client_hello_tells_its_random_and_whether_early_data_follows() {
    let middle = [0, 2, 0x13, 1, 1, 0];
    for (extensions, offers_early_data) in [(&[0, 42, 0, 0][..], true), (&TLS13, false)] {
        let message = hello(1, 0x0303, [7; 32], &middle, extensions);
        let expected = ClientHello {
            random: [7; 32],
            offers_early_data,
        };
        assert_eq!(read(&message), Ok(Some(Hello::Client(expected))));
    }
}

#[test]
fn a_hello_in_pieces_is_the_same() {
    let message = server_hello(0x0303, [1; 32], 0x1301, &TLS13);
    let mut reader = HelloReader::default();
    for byte in &message[..message.len() - 1] {
        assert_eq!(reader.push(&[*byte]), Ok(None));
    }
    assert!(matches!(
        reader.push(&message[message.len() - 1..]),
        Ok(Some(_))
    ));
}

#[test]
fn what_is_no_hello_or_endless_is_refused() {
    assert_eq!(read(&[11, 0, 0, 0]), Err(NoHello));
    assert_eq!(read(&[1, 0xff, 0, 0]), Err(NoHello));
    assert_eq!(read(&[2, 0, 0, 1, 3]), Err(NoHello));
}
