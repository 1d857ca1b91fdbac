//! Cases of bad input at the port: what is sent on a connection, and in a line what comes back until the collector
//! closes it.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use super::client::PATIENCE;
use super::collector::{Collector, accounting, stored};

/// Name, what is sent, what comes back.
pub(crate) type Case = (&'static str, Vec<u8>, &'static str);

/// Has `send` send each case on a connection of its own, all at once, and compares what `told` makes of the answers.
pub(crate) fn exchange(
    collector: &Collector,
    cases: &[Case],
    send: impl Fn(&mut TcpStream, &[u8]),
    told: impl Fn(&[u8]) -> String,
) {
    let connect = |(_, bytes, _): &Case| {
        let mut stream = TcpStream::connect(collector.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        send(&mut stream, bytes);
        stream
    };
    let sent: Vec<_> = cases.iter().map(connect).collect();
    let mut unlike = Vec::new();
    for (mut stream, (name, _, expected)) in sent.into_iter().zip(cases) {
        let mut answer = Vec::new();
        // A reset behind the answer is an end, too; running out of patience is not.
        let end = stream
            .read_to_end(&mut answer)
            .map_err(|error| error.kind());
        assert!(
            matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)),
            "{name}: {end:?}"
        );
        let answer = told(&answer);
        if answer != *expected {
            unlike.push(format!(
                "{name}\n    expected {expected}\n    answer   {answer}"
            ));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// Nothing was stored, nor received.
pub(crate) fn assert_nothing(collector: Collector, data_dir: &std::path::Path) {
    assert!(collector.stop().success());
    assert_eq!(stored(data_dir), []);
    assert_eq!(accounting(data_dir).total.received, 0);
}
