//! Where input enters: today records from the filter over HTTP.

pub mod http;
