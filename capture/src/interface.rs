//! A network interface, as `--list-interfaces` tells of it.

use std::fmt;

/// One line: name, addresses with commas between them (`-` if there are none), `up` or `down`,
/// separated by tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What `--interface` takes.
    pub name: String,
    /// Addresses, as text.
    pub addresses: Vec<String>,
    /// May packets come?
    pub is_up: bool,
}

impl Interface {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split('\t');
        let (name, addresses, state) = (words.next()?, words.next()?, words.next()?);
        let addresses = addresses.split(',').filter(|address| *address != "-");
        Some(Self {
            name: name.to_owned(),
            addresses: addresses.map(str::to_owned).collect(),
            is_up: state == "up",
        })
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = match &self.addresses[..] {
            [] => "-".to_owned(),
            addresses => addresses.join(","),
        };
        let state = if self.is_up { "up" } else { "down" };
        write!(f, "{}\t{addresses}\t{state}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_reads_as_it_was_written() {
        for addresses in [vec![], vec!["127.0.0.1".to_owned(), "::1".to_owned()]] {
            let interface = Interface {
                name: "lo".to_owned(),
                addresses,
                is_up: true,
            };
            assert_eq!(
                Interface::parse(&interface.to_string()),
                Some(interface.clone())
            );
        }
    }
}
