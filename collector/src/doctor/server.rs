//! What an Envoy says of itself at `/server_info`.

use super::at::Place;
use super::node::Node;

/// One Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Where it is from.
    pub origin: Place,
    /// Such as `1.40.0`; empty if it cannot be told.
    pub version: String,
    /// `LIVE`, `DRAINING`, `PRE_INITIALIZING` or `INITIALIZING`.
    pub state: String,
}

impl Server {
    /// Takes `root` for `/server_info`, if it is that.
    pub fn of(root: &Node, origin: &Place) -> Option<Self> {
        let text = |key: &str| root.get(key).and_then(Node::text);
        root.get("command_line_options")?;
        // COMMIT/VERSION/STATE/TYPE/TLS.
        let version = text("version")?.split('/').nth(1).unwrap_or_default();
        Some(Self {
            origin: origin.clone(),
            version: version.to_owned(),
            state: text("state")?.to_owned(),
        })
    }

    /// Does it wait for its configuration, with its listeners closed?
    pub fn is_initializing(&self) -> bool {
        self.state.ends_with("INITIALIZING")
    }
}
