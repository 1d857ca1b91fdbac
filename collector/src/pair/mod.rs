//! Primary and candidate calls to pairs, or unpaired with a reason. No I/O, no clock.
