//! End-to-end tests, one topic per module. How they are organised: `tests/README.md`.

mod aborts;
mod bodies;
mod completeness;
mod configuration;
mod doctor;
mod ends;
mod faults;
mod headers;
mod live;
mod live_faults;
mod live_sources;
mod mirrors;
mod odd_routes;
mod packets;
mod pair_id;
mod passthrough;
mod privacy;
mod sampling;
mod secured;
mod shapes;
mod start;
mod updates;
