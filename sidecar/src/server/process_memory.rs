//! Protects the memory of a process that holds credentials.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Prevents other processes of the same user from reading the memory and the environment of this one, and prevents core
/// dumps: `/proc/PID` belongs to root, and only processes with `CAP_SYS_PTRACE` can attach. Programs that this process
/// starts are not protected.
///
/// # Errors
/// The system's error. Nothing else is affected.
pub fn keep_memory_private() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Limits core dumps to no bytes, whatever else is configured. Programs that this process starts inherit the limit.
///
/// # Errors
/// The system's error.
pub fn write_no_cores() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
