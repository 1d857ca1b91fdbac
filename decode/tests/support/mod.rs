//! What tests over captures share.

pub(crate) mod replay;
pub(crate) mod truth;
