//! How many connections there may be, of the descriptors that this process may have open.
//!
//! ```text
//! 256 descriptors:  64 for files, look-ups and the operator's stream
//!                   32 for operators: probes and metrics never wait for a descriptor
//!                   80 for clients, 80 for upstreams
//! ```

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of files, accounts, look-ups of names, and the stream to the operator.
const OWN: u64 = 64;
/// More carry no more: each takes some 20 kB.
const CLIENTS_MAX: u64 = 1_024;
const ADMIN_MAX: u64 = 64;
/// What is asked of the system at the most, where it allows more than it gives.
const DESCRIPTORS: u64 = 4_096;

/// How many connections of each kind may be open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub clients: usize,
    pub admin: usize,
}

impl Bounds {
    /// Of so many descriptors.
    #[must_use]
    pub fn of(descriptors: u64) -> Self {
        let admin = (descriptors / 8).clamp(4, ADMIN_MAX);
        // A client's request may need a connection of its own to an upstream.
        let clients = (descriptors.saturating_sub(OWN + admin) / 2).clamp(8, CLIENTS_MAX);
        let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Bounds { clients: whole(clients), admin: whole(admin) }
    }

    /// Of what this process may have.
    #[must_use]
    pub fn of_this_process() -> Self {
        Bounds::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }
}

/// Asks the system for as many descriptors as it allows, up to what the bounds can use. Not for a process that starts
/// others: they would inherit it, and some can't bear it.
pub fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = DESCRIPTORS.min(maximum.unwrap_or(u64::MAX));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "no more descriptors");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_upstreams_have_their_own_share() {
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
