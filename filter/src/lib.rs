//! The recording filter.
