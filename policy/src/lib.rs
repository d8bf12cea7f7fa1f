//! outrigger-policy

pub mod catalogue;
