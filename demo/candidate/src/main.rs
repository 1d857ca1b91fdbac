//! The demo's new service.
fn main() {}
