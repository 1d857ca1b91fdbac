//! What the user sets: file, environment, flags.
