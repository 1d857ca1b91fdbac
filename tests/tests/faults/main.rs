//! Crashes, failing disks and repeated batches, against the real `twintap serve`.
//!
//! One oracle ([`oracle`]) knows every record that was posted and every one that was acknowledged.
//! After each scenario it compares that with what is stored, as DuckDB and pyarrow read it and as
//! `twintap fsck` does, and checks the accounting. Each family prints one row of figures, which
//! `make test-faults` turns into `docs/reliability.md`.
//!
//! Reduced runs are part of every check; `TWINTAP_FULL=1` runs what the documentation promises.
//! A failure names its seed: `TWINTAP_SEED=N` repeats it.

mod amplification;
mod batch;
mod canaries;
mod cgroup;
mod client;
mod collector;
mod figures;
mod floods;
mod injected;
mod kill;
mod load;
mod memory;
mod namespace;
mod once;
mod oracle;
mod parallel;
mod power;
mod power_cut;
mod resources;
mod restart;
mod slow_disk;
mod small_disk;
mod strace;

use twintap_e2e::machine::sized as full_or;
use twintap_e2e::random;
