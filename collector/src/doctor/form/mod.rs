//! An examination as text for people and as JSON for programs.

mod json;
mod text;

pub use json::{VERSION, json};
pub use text::{Style, explain, list, text};
