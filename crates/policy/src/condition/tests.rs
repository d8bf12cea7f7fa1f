//! The interpreter gives the same results as the `cel` crate's, and costs no more than estimated.

mod bounded;
mod random;
mod reference;
mod same;
mod world;
