//! Wires sources, store and shutdown; the only place that spawns.
