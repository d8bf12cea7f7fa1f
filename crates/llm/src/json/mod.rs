//! JSON text, read without a tree or with limits.

pub(crate) mod lenient;
pub(crate) mod object_end;
pub(crate) mod pieces;
pub(crate) mod raw;
pub mod strict;
pub mod weight;
