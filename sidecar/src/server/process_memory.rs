//! A process that holds keys shows its memory to nobody.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No other process of the same user reads this one's memory or environment, and no core is written when it dies:
/// `/proc/PID` belongs to root, and only who may trace anything (`CAP_SYS_PTRACE`) attaches. A program that is started from
/// here is as any other again.
///
/// # Errors
/// What the system says of it. Nothing else is wrong then.
pub fn keep_memory_private() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Cores have no room, whatever is set elsewhere. Programs that are started from here have none either.
///
/// # Errors
/// What the system says of it.
pub fn write_no_cores() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
