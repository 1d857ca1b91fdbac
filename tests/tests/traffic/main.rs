//! What recording may cost the traffic: nothing, whatever the collector, the requests and the clocks do.
//!
//! Calls go through a real Envoy with the filter, at 1 000 a second, while its collector fails
//! ([`modes`]), or beside hostile requests ([`hostile`]); both print rows of figures, which
//! `make test-faults` puts into `docs/reliability.md`. Records come from filters of other versions
//! ([`skew`]) and with clocks that are off ([`clocks`]).
//!
//! Reduced runs are part of every check and assert no latency; `TWINTAP_FULL=1` runs what the
//! documentation promises.

mod clocks;
mod figures;
mod golden;
mod hostile;
mod load;
mod modes;
mod rig;
mod skew;
