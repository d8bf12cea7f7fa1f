//! How many connections a port may have, for how long, and which one is closed for a new one.

use std::time::Duration;

/// No timeout, or one that is enforced elsewhere.
pub const NEVER: Duration = Duration::MAX;

/// The timeouts of a port's connections. A connection is asked to close within a second of its timeout.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionTimeouts {
    /// From the first byte of a head (or of a frame of HTTP/2) to its last.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// With an answer that the client doesn't read.
    pub unread: Duration,
}

/// The number of connections of a port, and their timeouts.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// In total, at the same time.
    pub connections: usize,
    /// From one address, at the same time.
    pub per_address: Option<usize>,
    /// Above these limits: such connections are accepted only to refuse their requests with a reason. Further ones are
    /// closed at once.
    pub over_limit: usize,
    pub eviction: Eviction,
    pub timeouts: ConnectionTimeouts,
}

/// Which connection is closed for a new one. Connections with an unfinished head are always closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The one that has waited longest. A busy one is never closed.
    LongestWaiting,
    /// The same, but connections that never had a request are closed before the others.
    UnservedFirst,
    /// The one that has waited longest, or else the oldest. For ports whose answers take no time.
    IncludingBusy,
}
