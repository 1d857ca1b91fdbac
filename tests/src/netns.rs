//! Two network namespaces with a veth pair between them: a network of our own, nothing else on it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpListener, TcpStream};

/// Name of the interface in each namespace.
pub const INTERFACE: &str = "veth0";
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 0, 1), Ipv4Addr::new(10, 99, 0, 2)];

/// The pair; gone when dropped.
#[derive(Debug)]
pub struct Pair {
    names: [String; 2],
}

/// One end of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the server is.
    Server,
    /// Where the client is.
    Client,
}

impl Pair {
    /// Makes it; `Err` says why that cannot be done here.
    pub fn make() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("twintap-{}-{number}-{end}", std::process::id());
        let pair = Self {
            names: [name("a"), name("b")],
        };
        let [a, b] = &pair.names;
        for name in [a, b] {
            ip(&["netns", "add", name])?;
        }
        let ends = ["veth", "peer", "name", INTERFACE, "netns", b];
        let link = ["-n", a, "link", "add", INTERFACE, "type"];
        ip(&[&link[..], &ends].concat())?;
        for (name, address) in [a, b].into_iter().zip(ADDRESSES) {
            let address = format!("{address}/24");
            ip(&["-n", name, "address", "add", &address, "dev", INTERFACE])?;
            ip(&["-n", name, "link", "set", INTERFACE, "up"])?;
        }
        Ok(pair)
    }

    /// Name of the namespace of an end, as `ip netns` knows it.
    pub fn name(&self, end: End) -> &str {
        let [server, client] = &self.names;
        match end {
            End::Server => server,
            End::Client => client,
        }
    }

    /// Listens at the server's end.
    pub fn listen(&self) -> TcpListener {
        let [address, _] = ADDRESSES;
        let listener = self.within(End::Server, || {
            std::net::TcpListener::bind((address, 0)).expect("a free port")
        });
        listener.set_nonblocking(true).expect("not blocking");
        TcpListener::from_std(listener).expect("within a runtime")
    }

    /// Connects from the client's end.
    pub fn connect(&self, address: SocketAddr) -> TcpStream {
        let stream = self.within(End::Client, || {
            std::net::TcpStream::connect(address).expect("the listener accepts")
        });
        stream.set_nonblocking(true).expect("not blocking");
        TcpStream::from_std(stream).expect("within a runtime")
    }

    /// Runs `make` in the namespace of `end`. A socket stays in the namespace it was made in; a thread that
    /// went there does not come back.
    fn within<T: Send>(&self, end: End, make: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(self.name(end));
        let namespace = File::open(path).expect("the namespace is there");
        std::thread::scope(|scope| {
            let made = scope.spawn(|| {
                let kind = LinkNameSpaceType::Network;
                move_into_link_name_space(namespace.as_fd(), Some(kind)).expect("may go there");
                make()
            });
            made.join().expect("made")
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in &self.names {
            // It may never have been made.
            drop(ip(&["netns", "delete", name]));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let output =
        output.map_err(|error| format!("ip: {error}: on Debian, apt-get install iproute2"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
