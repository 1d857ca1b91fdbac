//! See `tests/properties/envelope.rs`.

#![no_main]

#[path = "../../tests/properties/mod.rs"]
mod properties;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::envelope::check(bytes));
