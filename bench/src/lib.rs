//! What the measuring programs share: samples, and what the kernel tells of a process.

pub mod process;
pub mod samples;
