//! Bytes to calls. No I/O, no clock, no panics: every answer says done, need more, or broken.

pub mod envelope;
pub mod grpc;
