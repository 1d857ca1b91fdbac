//! Live captures: the program `twintap-capture`, its pipe of packets and what it tells.
//!
//! Packets come as from any other pipe. What the program tells, statistics and how it ended, comes on
//! its standard error: [`Narrator::listen`] reads it, in a thread of its own, and [`Told`] is what was
//! told so far.

mod program;
mod told;

pub use program::{LiveSettings, Program, StartError, Stopper, find_program, interfaces};
pub use told::{Broken, Narrator, Told, Watch};
