//! Opens an interface with libpcap, the only code here that needs a privilege.

use std::io::Write;
use std::path::Path;

use pcap::{Active, Capture, Device, IfFlags, Precision};
use twintap_capture::{ErrorKind, HAND_OVER_MS, Interface, SNAPLEN_BYTES, Started, VERSION};

use crate::Failure;
use crate::arguments::Arguments;

/// libpcap's number for raw IP on Linux; in files it is another.
const DLT_RAW: i32 = 12;
const LINKTYPE_RAW: u32 = 101;

/// An open interface.
pub(crate) struct Opened {
    /// Does not wait: answers `TimeoutExpired` where it has nothing.
    pub(crate) packets: Capture<Active>,
    pub(crate) started: Started,
    name: String,
}

/// Opens the interface that `arguments` name.
pub(crate) fn open(arguments: &Arguments) -> Result<Opened, Failure> {
    let name = arguments.interface.clone().unwrap_or_default();
    let inactive = Capture::from_device(name.as_str()).map_err(|error| failure(&name, &error))?;
    let active = inactive
        .promisc(arguments.promiscuous)
        .immediate_mode(false)
        .timeout(i32::try_from(HAND_OVER_MS).unwrap_or(i32::MAX))
        .buffer_size(i32::try_from(arguments.buffer_bytes).unwrap_or(i32::MAX))
        .snaplen(i32::try_from(SNAPLEN_BYTES).unwrap_or(i32::MAX))
        .precision(Precision::Nano)
        .open();
    let packets = active
        .and_then(Capture::setnonblock)
        .map_err(|error| failure(&name, &error))?;
    let link_type = match packets.get_datalink().0 {
        DLT_RAW => LINKTYPE_RAW,
        other => u32::try_from(other).unwrap_or(u32::MAX),
    };
    Ok(Opened {
        packets,
        started: Started {
            version: VERSION,
            link_type,
            buffer_bytes: arguments.buffer_bytes,
        },
        name,
    })
}

impl Opened {
    /// From now on only packets that match `filter`.
    pub(crate) fn set_filter(&mut self, filter: &str) -> Result<(), Failure> {
        if filter.is_empty() {
            return Ok(());
        }
        // Not `inbound and ...` on the loopback, although each packet passes it twice and libpcap hides
        // the first copy only after it has cost room: libpcap applies a new filter by itself to the first
        // packets, and there `inbound` is never true.
        self.packets.filter(filter, true).map_err(|error| Failure {
            kind: ErrorKind::Filter,
            message: format!("{filter:?}: {}", text(&error)),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Writes all interfaces to standard output.
pub(crate) fn list() -> Result<(), Failure> {
    let devices =
        Device::list().map_err(|error| Failure::other("list interfaces", text(&error)))?;
    let mut out = String::new();
    for device in devices.into_iter().filter(is_network) {
        let addresses = device.addresses.iter();
        let interface = Interface {
            addresses: addresses.map(|it| it.addr.to_string()).collect(),
            is_up: device.flags.contains(IfFlags::UP),
            name: device.name,
        };
        out += &format!("{interface}\n");
    }
    let written = std::io::stdout().write_all(out.as_bytes());
    written.map_err(|error| Failure::other("list interfaces", error))
}

/// libpcap also lists what is no network: buses, queues of the firewall.
fn is_network(device: &Device) -> bool {
    device.name == "any" || Path::new("/sys/class/net").join(&device.name).exists()
}

/// libpcap answers in words only.
fn failure(name: &str, error: &pcap::Error) -> Failure {
    let text = text(error);
    let lower = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if says(&["permi", "cap_net_raw", "cap_net_admin"]) {
        ErrorKind::Permission
    } else if says(&[
        "no such device",
        "doesn't exist",
        "does not exist",
        "siocgifindex",
    ]) {
        ErrorKind::Interface
    } else {
        ErrorKind::Other
    };
    Failure {
        kind,
        message: format!("{name}: {text}"),
    }
}

/// Without the crate's own prefix.
pub(crate) fn text(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}
