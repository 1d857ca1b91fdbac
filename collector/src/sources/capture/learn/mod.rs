//! Names for calls of connections that were captured from the middle.
//!
//! HPACK sends the path of a method once, and refers to it from then on. Where the first time was not
//! captured, calls of one method can still be told from those of others (their class), but not what
//! the method is called. A [`Learner`] finds that out, in this order:
//!
//! 1. **Sister connection**: calls to the same server (address and port), of the same kind of client
//!    ([`encoder`]), whose method was seen, have the same shape ([`shape`]): which fields the messages
//!    of either half have, their sizes, how many there are. At least 16 such calls, and 8 of the
//!    class with as many readable messages in either half; all other methods that were seen look
//!    different.
//! 2. **Descriptors**: of the methods of known services one alone accepts all messages of the class, at
//!    least 8 of which are not empty.
//!
//! Such a name is [`Certainty::Inferred`](twintap_decode::exchange::Certainty), never seen: a method
//! that the capture does not show, and that is in no descriptor, may look like one that does. Where
//! two methods look alike there is no name. Nor is there if two classes of one connection would have
//! the same, or it was seen there by name: an encoder refers to the entry it has.
//!
//! [`Held`] keeps calls back until what names them is learnt, within limits. Names do not depend on the
//! number of workers as long as no limit is reached.
//!
//! ```text
//! exchanges ──▶ Held ──named, or not──▶ calls
//!                │ ▲
//!          learn ▼ │ name
//!               Learner ── Server ── profiles of methods, classes of connections
//! ```

mod candidates;
mod descriptors;
mod encoder;
mod health;
mod held;
mod learner;
mod quota;
mod server;
mod shape;
mod wire;

pub use descriptors::{Descriptors, DescriptorsError};
pub use held::{HELD_BYTES_MAX, HELD_CALLS_MAX, Held, LIVE_DELAY_MAX, NameCounts, Room};
pub use learner::Learner;
