//! Bad input at the HTTP port, as HTTP/1.1 has it: encodings, lengths that lie, two requests in one, paths.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use twintap_record::Message;

use super::batches::Sender;
use super::cases::{Case, assert_nothing};
use super::client::PATIENCE;
use super::http1::{check, post, request, start, told, with_length};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn encoded_bodies_are_refused_before_they_are_read() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    // A thousand times as large, once they are decoded.
    let zeros = vec![0; 1 << 20];
    let good = Sender::new(9).encoded(3);
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&zeros).unwrap();
        encoder.finish().unwrap()
    };
    let zstd_bomb = zstd::encode_all(&zeros[..], 3).unwrap();
    assert!(gzip(&zeros).len() < 2_000 && zlib.len() < 2_000 && zstd_bomb.len() < 2_000);
    let whole = gzip(&good);
    let cut = &whole[..whole.len() - 9];
    // A frame that asks for a window of 2 GiB, and one block of zeros.
    let window = b"\x28\xb5\x2f\xfd\x00\xa8\x03\x00\x00\x00";
    let encoded =
        |encoding: &str, body: &[u8]| with_length(&format!("content-encoding: {encoding}"), body);
    let refused = "415 content_encoding";
    let cases: Vec<Case> = vec![
        ("a bomb of gzip", encoded("gzip", &gzip(&zeros)), refused),
        (
            "a bomb in a bomb",
            encoded("gzip, gzip", &gzip(&gzip(&zeros))),
            refused,
        ),
        ("a bomb of deflate", encoded("deflate", &zlib), refused),
        ("a bomb of zstd", encoded("zstd", &zstd_bomb), refused),
        ("a window of 2 GiB", encoded("zstd", window), refused),
        ("snappy", encoded("snappy", b"\xff\x06\0\0sNaPpY"), refused),
        (
            "lz4",
            encoded("lz4", b"\x04\x22\x4d\x18\x64\x40\xa7"),
            refused,
        ),
        ("brotli", encoded("br", b"\x0b\x02\x80good\x03"), refused),
        ("one that nobody knows", encoded("x-good", &good), refused),
        ("no name", encoded("", &good), refused),
        ("a name in upper case", encoded("GZIP", &whole), refused),
        ("gzip cut short", encoded("gzip", cut), refused),
        (
            "two in a row",
            encoded("gzip", &[&whole[..], &whole].concat()),
            refused,
        ),
        (
            "gzip that calls itself identity",
            encoded("identity", &whole),
            "400 malformed_batch",
        ),
        (
            "gzip that says nothing",
            with_length("", &whole),
            "400 malformed_batch",
        ),
        (
            "gzip as a coding of the transfer",
            post("transfer-encoding: gzip, chunked", b"0\r\n\r\n"),
            "422 unsupported_version",
        ),
    ];
    check(&collector, &cases, false);
    assert_nothing(collector, data.path());
}

#[test]
fn lengths_that_lie_end_their_connection_and_smuggle_nothing() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    let good = Sender::new(9).encoded(3);
    let behind = request("GET /healthz", "", b"");
    // What a proxy that goes by the length takes for one body.
    let smuggled = [b"0\r\n\r\n", &behind[..]].concat();
    let both = |first: &str, second: &str| post(&format!("{first}\n{second}"), &smuggled);
    let length = format!("content-length: {}", smuggled.len());
    let chunked = "transfer-encoding: chunked";
    let chunks = |chunks: &[u8]| post(chunked, &[chunks, &behind].concat());
    let millions = {
        let mut batch = Sender::new(9).batch(0).encode_to_vec();
        // The records' field, and no byte of them.
        batch.extend([15 << 3 | 2, 0].repeat(1_000_000));
        with_length("", &batch)
    };
    let cases: Vec<Case> = vec![
        ("no length", post("", b""), "422 unsupported_version"),
        (
            "a length of 0",
            with_length("", b""),
            "422 unsupported_version",
        ),
        ("a million records", millions, "413 too_many_records"),
        (
            "fewer bytes than it says, and another request",
            [
                post(&format!("content-length: {}", good.len() - 1), &good),
                behind.clone(),
            ]
            .concat(),
            "400 malformed_batch, 405 method_not_allowed",
        ),
        (
            "a length and chunks",
            both(&length, chunked),
            "422 unsupported_version",
        ),
        (
            "chunks and a length",
            both(chunked, &length),
            "422 unsupported_version",
        ),
        (
            "a length with a sign",
            post("content-length: +5", b"hello"),
            "400",
        ),
        (
            "a length in hexadecimal",
            post("content-length: 0x5", b"hello"),
            "400",
        ),
        (
            "a list of equal lengths",
            post("content-length: 5, 5", b"hello"),
            "400",
        ),
        (
            "two equal lengths",
            post("content-length: 5\ncontent-length: 5", b"hello"),
            "400 malformed_batch",
        ),
        (
            "a length of nothing",
            post("content-length:", b"hello"),
            "400",
        ),
        (
            "a space before the colon",
            post("content-length : 5", b"hello"),
            "400",
        ),
        ("a line that goes on", post("x: a\n b", b""), "400"),
        (
            "a coding that nobody knows",
            both(&length, "transfer-encoding: xchunked"),
            "400",
        ),
        (
            "chunks that are not the last coding",
            both(&length, "transfer-encoding: chunked, identity"),
            "400",
        ),
        (
            "chunks twice",
            post(
                "transfer-encoding: chunked\ntransfer-encoding: chunked",
                &smuggled,
            ),
            "422 unsupported_version, 200",
        ),
        (
            "chunks in upper case",
            post("transfer-encoding: CHUNKED", &smuggled),
            "422 unsupported_version, 200",
        ),
        (
            "chunks of HTTP/1.0",
            String::from_utf8(post(chunked, &smuggled))
                .unwrap()
                .replacen("HTTP/1.1", "HTTP/1.0", 1)
                .into_bytes(),
            "400",
        ),
        (
            "a chunk of 2^64 bytes",
            chunks(b"10000000000000000\r\nx\r\n0\r\n\r\n"),
            "400 body_incomplete",
        ),
        (
            "a chunk of -1 bytes",
            chunks(b"-1\r\nx\r\n0\r\n\r\n"),
            "400 body_incomplete",
        ),
        (
            "a chunk longer than it says",
            chunks(b"1\r\nxyz\r\n0\r\n\r\n"),
            "400 body_incomplete",
        ),
        (
            "a chunk without a line end",
            chunks(b"1\r\nx0\r\n\r\n"),
            "400 body_incomplete",
        ),
        (
            "a chunk's extension of 64 KiB",
            chunks(&[b"1;", &[b'a'; 65_536][..], b"\r\nx\r\n0\r\n\r\n"].concat()),
            "400 body_incomplete",
        ),
        ("a NUL in a header", post("x: a\0b", b""), "400"),
        ("a header without a name", post(": a", b""), "400"),
        ("a header without a colon", post("abc", b""), "400"),
        (
            "line ends without CR",
            b"GET /healthz HTTP/1.1\nhost: t\n\n".to_vec(),
            "200",
        ),
        ("HTTP/0.9", b"GET /healthz\r\n\r\n".to_vec(), "400"),
        ("HTTP/3.0", b"GET /healthz HTTP/3.0\r\n\r\n".to_vec(), "400"),
    ];
    check(&collector, &cases, false);
    let cases: Vec<Case> = vec![
        (
            "more bytes than there are",
            post(&format!("content-length: {}", good.len() + 1), &good),
            "400 body_incomplete",
        ),
        (
            "chunks that do not end",
            post(chunked, b"5\r\nhello\r\n"),
            "400 body_incomplete",
        ),
        (
            "a head that does not end",
            b"POST /v1/records HTTP/1.1\r\nhost".to_vec(),
            "",
        ),
        ("nothing", Vec::new(), ""),
    ];
    check(&collector, &cases, true);
    assert_nothing(collector, data.path());
}

#[test]
fn paths_and_methods_that_are_not_there_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    let get = |path: &str| request(&format!("GET {path}"), "", b"");
    let by =
        |method: &str, path: &str| request(&format!("{method} {path}"), "content-length: 0", b"");
    let cases: Vec<Case> = vec![
        ("an encoded slash", get("/v1%2frecords"), "404 not_found"),
        ("an encoded letter", get("/health%7a"), "404 not_found"),
        (
            "an encoded way up",
            get("/v1/%2e%2e/healthz"),
            "404 not_found",
        ),
        (
            "a way up with an encoded slash",
            get("/v1/..%2fhealthz"),
            "404 not_found",
        ),
        (
            "an encoded percent sign",
            get("/v1/%252e%252e/healthz"),
            "404 not_found",
        ),
        ("an encoded NUL", get("/healthz%00"), "404 not_found"),
        ("two slashes", get("//healthz"), "404 not_found"),
        ("a slash behind it", get("/healthz/"), "404 not_found"),
        ("upper case", get("/HEALTHZ"), "404 not_found"),
        ("a query", get("/healthz?a=b"), "200"),
        (
            "a page of -1",
            get("/metrics?page=-1&limit=99999999999999999999"),
            "200",
        ),
        ("a file", get("/../../../etc/passwd"), "404 not_found"),
        (
            "the path of another host",
            get("http://169.254.169.254/latest"),
            "404 not_found",
        ),
        (
            "60 KiB",
            get(&format!("/{}", "a".repeat(60 << 10))),
            "404 not_found",
        ),
        ("64 KiB", get(&format!("/{}", "a".repeat(64 << 10))), "414"),
        ("a space", get("/health z"), "400"),
        ("bytes beyond ASCII", get("/\u{e4}"), "404 not_found"),
        ("HEAD", by("HEAD", "/healthz"), "405"),
        (
            "DELETE",
            by("DELETE", "/v1/records"),
            "405 method_not_allowed",
        ),
        ("OPTIONS of everything", by("OPTIONS", "*"), "404 not_found"),
        ("TRACE", by("TRACE", "/healthz"), "405 method_not_allowed"),
        ("CONNECT", by("CONNECT", "127.0.0.1:22"), "404 not_found"),
        (
            "a method in lower case",
            by("get", "/healthz"),
            "405 method_not_allowed",
        ),
        (
            "a method that nobody knows",
            by("BREW", "/v1/records"),
            "405 method_not_allowed",
        ),
        (
            "a POST that would read",
            by("POST", "/metrics"),
            "405 method_not_allowed",
        ),
        (
            "a method in a header",
            request("GET /v1/records", "x-http-method-override: POST", b""),
            "405 method_not_allowed",
        ),
    ];
    check(&collector, &cases, false);
    assert_nothing(collector, data.path());
}

#[test]
fn a_page_elsewhere_may_not_read_what_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    let asked = "origin: http://evil.example\ncookie: a=b\nsec-fetch-site: cross-site";
    for (name, request) in [
        ("GET", request("GET /metrics", asked, b"")),
        (
            "asking first",
            request(
                "OPTIONS /v1/records",
                &format!("{asked}\naccess-control-request-method: POST"),
                b"",
            ),
        ),
        (
            "a form",
            request(
                "POST /v1/records",
                &format!("{asked}\ncontent-type: text/plain\ncontent-length: 1"),
                b"x",
            ),
        ),
    ] {
        let mut client = collector.client();
        client.send(&request).unwrap();
        let answer = client.answer().unwrap();
        assert!(
            !answer.head.contains("access-control-"),
            "{name}: {answer:?}"
        );
        assert!(!answer.head.contains("set-cookie"), "{name}: {answer:?}");
        assert!(name == "GET" || answer.status >= 400, "{name}: {answer:?}");
    }
    assert_nothing(collector, data.path());
}

#[test]
fn who_dribbles_or_waits_to_be_asked_is_sent_away() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    // A byte each 50 ms, for much longer than may be: it is over when nothing more is taken.
    let dribble = |name: &str, send: &mut dyn FnMut() -> bool| {
        let is_taken = |_: &u32| {
            std::thread::sleep(Duration::from_millis(50));
            send()
        };
        let taken = (0..400).take_while(is_taken).count();
        assert!(taken < 400, "{name} goes on");
    };
    let mut head = TcpStream::connect(collector.address).unwrap();
    head.set_read_timeout(Some(PATIENCE)).unwrap();
    dribble("a head", &mut || head.write_all(b"a").is_ok());
    let mut answer = Vec::new();
    let end = head.read_to_end(&mut answer).map_err(|error| error.kind());
    assert!(
        matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)),
        "{end:?}"
    );
    assert_eq!(told(&answer), "", "a head of a byte each 50 ms");
    let mut body = collector.client();
    body.send(&post("content-length: 1000", b"")).unwrap();
    dribble("a body", &mut || body.send(b"x").is_ok());
    assert_eq!(
        body.answer().unwrap().status,
        408,
        "a body of a byte each 50 ms"
    );
    let mut asked = collector.client();
    asked
        .send(&post("content-length: 10\nexpect: 100-continue", b""))
        .unwrap();
    assert_eq!(asked.answer().unwrap().status, 100);
    assert_eq!(
        asked.answer().unwrap().status,
        408,
        "asked to go on, it does not"
    );
    assert!(asked.is_closed());
    assert_nothing(collector, data.path());
}
