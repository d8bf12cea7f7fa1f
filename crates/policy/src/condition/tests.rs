//! The interpreter says what the CEL crate's says, and costs no more than was foretold.

mod bounded;
mod random;
mod reference;
mod same;
mod world;
