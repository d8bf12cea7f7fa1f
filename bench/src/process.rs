//! A process's figures from the kernel, in `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMemory {
    /// Resident now (`VmRSS`), as memory limits count it: with shared pages of the program's file.
    pub resident: u64,
    /// The part of it that belongs to the process alone (`RssAnon`).
    pub own: u64,
    /// The peak of resident memory (`VmHWM`).
    pub peak: u64,
}

/// Reads the memory of a process.
///
/// # Errors
/// If the process has ended, or `/proc` is not Linux's.
pub fn memory(pid: u32) -> io::Result<ProcessMemory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kib| kib << 10)
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/status has no {name}")))
    };
    Ok(ProcessMemory { resident: field("VmRSS")?, own: field("RssAnon")?, peak: field("VmHWM")? })
}

/// The processor time of all threads that still run.
///
/// # Errors
/// If the process has ended, or the kernel has no `schedstat`.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split(' ').next().and_then(|text| text.parse::<u64>().ok());
        nanoseconds += first.ok_or_else(|| io::Error::other("schedstat begins with no number"))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
