//! What code sets for a comparison.

use super::rules::Rules;
use super::schema::Schema;

/// Settings of one comparison run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Message types by method; without it, or for methods it does not know, messages are compared
    /// by wire field.
    pub schema: Option<Schema>,
    /// Is metadata that proxies and transport libraries set left out?
    pub default_ignores: bool,
    /// What else does not count.
    pub rules: Rules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: None,
            default_ignores: true,
            rules: Rules::default(),
        }
    }
}
