//! Shared by the measuring programs: samples, and a process's figures from the kernel.

pub mod process;
pub mod samples;
