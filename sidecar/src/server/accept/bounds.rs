//! How many connections are accepted, as shares of the process's file descriptors.
//!
//! ```text
//! 256 descriptors:  64 for files, DNS look-ups and the operator's stream
//!                   32 for operators: probes and metrics never wait for a descriptor
//!                   80 for clients, 80 for upstreams
//! ```

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files, accounts, DNS look-ups and the stream to the operator.
const RESERVED: u64 = 64;
/// The most client connections, however many descriptors there are. Each takes about 20 kB.
const MAX_CLIENTS: u64 = 1_024;
const MAX_ADMIN: u64 = 64;
/// How many descriptors the process requests, if the system allows more than it has.
const MAX_DESCRIPTORS: u64 = 4_096;

/// How many connections of each kind may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub clients: usize,
    pub admin: usize,
}

impl Bounds {
    /// The limits with this many descriptors.
    #[must_use]
    pub fn of(descriptors: u64) -> Self {
        let admin = (descriptors / 8).clamp(4, MAX_ADMIN);
        // A client's request may need its own connection to an upstream.
        let clients = (descriptors.saturating_sub(RESERVED + admin) / 2).clamp(8, MAX_CLIENTS);
        let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Bounds { clients: whole(clients), admin: whole(admin) }
    }

    /// The limits of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Bounds::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }
}

/// Raises the limit of descriptors as far as the system allows, up to what the limits of connections can use. Not for a
/// process that starts others: they inherit the limit, and some programs fail with a high one.
pub fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = MAX_DESCRIPTORS.min(maximum.unwrap_or(u64::MAX));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "cannot raise the limit of descriptors");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_operators_and_upstreams_have_shares() {
        for (descriptors, clients, admin) in [
            (0, 8, 4),
            (64, 8, 8),
            (256, 80, 32),
            (1_024, 448, 64),
            (4_096, 1_024, 64),
            (1 << 20, 1_024, 64),
            (u64::MAX, 1_024, 64),
        ] {
            assert_eq!(Bounds::of(descriptors), Bounds { clients, admin }, "{descriptors}");
        }
    }
}
