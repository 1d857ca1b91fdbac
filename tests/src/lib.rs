//! The end-to-end harness: what the tests in `tests/tests/` are written in.
//!
//! Everything real is real: Envoy is the released binary, the filter is the module that ships, the
//! collector is the `twintap` program. Only a broken collector is simulated ([`FaultyCollector`]).
//! A harness that finds its world broken panics with words that say what to do; waits have a
//! deadline and a name.

pub mod artifacts;
pub mod collector;
pub mod doctor;
pub mod drive;
pub mod envoy;
pub mod faulty;
pub mod figures;
pub mod grpc;
pub mod http1;
pub mod istio;
pub mod live;
pub mod loopback;
pub mod machine;
pub mod netns;
pub mod oracle;
pub mod process;
pub mod random;
pub mod records;
pub mod relay;
pub mod scene;
pub mod sink;
pub mod stored;
pub mod traffic;
pub mod wait;

pub use collector::Collector;
pub use envoy::{Envoy, Filter, Listener, Route};
pub use faulty::{Fault, FaultyCollector};
pub use oracle::Oracle;
pub use scene::Scene;
pub use sink::Sink;
pub use stored::Stored;
