#![allow(missing_docs, clippy::print_stdout, reason = "throwaway")]
mod support;
use support::replay::replay;
#[test]
fn dump() {
    let f = std::env::var("DUMP").unwrap();
    let n: usize = std::env::var("N").unwrap().parse().unwrap();
    let r = replay(&std::fs::read(f).unwrap());
    for c in r.calls.iter().take(n) {
        println!("== {} {:?}", c.stream_id, c.client_address());
        for b in [
            &c.request.headers,
            &c.response.headers,
            &c.response.trailers,
        ]
        .into_iter()
        .flatten()
        {
            for f in b.fields() {
                println!(
                    "   {:?}={:?} {:?}",
                    b.name(f).map(String::from_utf8_lossy),
                    b.value(f).map(String::from_utf8_lossy),
                    f.name
                );
            }
            println!("   --");
        }
    }
}
