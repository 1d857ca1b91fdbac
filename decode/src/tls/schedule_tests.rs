//! Vectors of others: RFC 8448, and the one for the PRF that the IETF's TLS list agreed on.

use super::super::record::{HEADER_BYTES, RecordHeader};
use super::super::suite::Version;
use super::*;

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

fn expanded(secret: &str, label: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let secret = Secret::new(&hex(secret)).unwrap();
    expand_label(Hash::Sha256, &secret, label, &mut out).unwrap();
    out
}

/// RFC 8448, section 3, "Simple 1-RTT Handshake": secret, key and IV.
const TRAFFIC: [[&str; 3]; 4] = [
    [
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ],
    [
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ],
    [
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
    ],
    [
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    ],
];

#[test]
fn keys_and_ivs_are_those_of_rfc_8448() {
    for [secret, key, iv] in TRAFFIC {
        assert_eq!(expanded(secret, b"key", 16), hex(key));
        assert_eq!(expanded(secret, b"iv", 12), hex(iv));
    }
}

#[test]
fn the_application_record_of_rfc_8448_opens() {
    let record = hex(
        "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc \
         ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd \
         1e 3d ea e6 3a ee bb 21 69 49 15 e4",
    );
    let suite = Suite {
        version: Version::Tls13,
        aead: Aead::Aes128Gcm,
        hash: Hash::Sha256,
    };
    let secret = Secret::new(&hex(TRAFFIC[3][0])).unwrap();
    let protection = traffic_keys(suite, &secret).unwrap();
    let header = RecordHeader::peek(&record).unwrap();
    let (body, mut scratch) = (&record[HEADER_BYTES..], Vec::new());
    let opened = protection.open(0, header, body, &mut scratch).unwrap();
    assert_eq!((opened.content_type, opened.content_len), (23, 50));
    let content: Vec<u8> = (0..50).collect();
    assert_eq!(scratch[..50], content);
    assert_eq!(protection.open(1, header, body, &mut scratch), None);
}

#[test]
fn the_prf_with_sha256_gives_the_agreed_output() {
    let mut out = [0; 100];
    let (secret, seed) = (
        hex("9bbe436ba940f017b17652849a71db35"),
        hex("a0ba9f936cda311827a6f796ffd5198c"),
    );
    prf(Hash::Sha256, &secret, b"test label", &seed, &mut out);
    let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a4\
                    6b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d1\
                    22ee42c5a72e5a5110fff70187347b66";
    assert_eq!(out[..], hex(expected));
}
