//! The `calls` dataset. The only module that knows Arrow.
