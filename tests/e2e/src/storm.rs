//! Load that judges every answer, and chance that can be repeated: for programs that break things meanwhile.

pub mod client;
pub mod dice;
