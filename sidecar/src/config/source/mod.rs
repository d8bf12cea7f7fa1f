//! Decides which policy is in force: the one with the highest sequence, whatever its source.
//!
//! ```text
//! stream ───┐
//! mounted ──┼─► compare with the policy in force ─ newer ─► build, install, write the snapshot ─► outcome
//! snapshot ─┘                                     same ──► merge the credentials
//!                                                 older ─► ignore
//! ```

mod credentials;
mod incoming;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_sync::{AHEAD_MAX, CredentialMessage, PolicyMessage, PolicyOutcome, Rejection, Trust};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

pub use self::credentials::{KnownSecret, KnownSecrets};
use self::incoming::{IncomingPolicy, Precedence};
use crate::config::files::{self, FilesError, MountedPolicy};
use crate::config::snapshot::Snapshot;
use crate::gateway::Gateway;
use crate::gateway::rejected::{Rejected, RejectedObject};
use crate::runtime::origin::PolicyOrigin;
use crate::runtime::secret::Secret;

/// The policy that a gateway has, as it reports to the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstalledPolicy {
    pub sequence: Option<u64>,
    /// The operator's digest, if the policy came by the stream.
    pub digest: Option<String>,
    /// The last change that was rejected, until a newer one is in force.
    pub rejected: Option<Rejection>,
}

/// Installs the policies of all sources in a gateway.
#[derive(Debug)]
pub struct PolicySources {
    gateway: Arc<Gateway>,
    snapshot: Option<Snapshot>,
    trust: Option<Trust>,
    state: Mutex<State>,
    mounted: watch::Sender<()>,
    /// A log line has reported that nothing is mounted.
    reported_missing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    installed: InstalledPolicy,
    credentials: KnownSecrets,
    origin: Option<PolicyOrigin>,
}

impl PolicySources {
    /// The sources of a gateway that has no policy yet. With a state folder, they include a snapshot.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, state: Option<&Path>) -> Self {
        let snapshot = state.map(Snapshot::in_state_folder);
        let mounted = watch::Sender::new(());
        let reported_missing = AtomicBool::new(false);
        PolicySources { gateway, snapshot, trust: None, state: Mutex::default(), mounted, reported_missing }
    }

    /// Accepts only mounted files that the operator has signed.
    #[must_use]
    pub fn trusting(self, trust: Option<Trust>) -> Self {
        PolicySources { trust, ..self }
    }

    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    #[must_use]
    pub fn installed(&self) -> InstalledPolicy {
        self.lock().installed.clone()
    }

    /// Changes whenever the mounted files were read again.
    #[must_use]
    pub fn mounted(&self) -> watch::Receiver<()> {
        self.mounted.subscribe()
    }

    /// Installs the snapshot of the previous process.
    pub fn restore(&self) {
        let Some(snapshot) = &self.snapshot else { return };
        match snapshot.read() {
            Ok(Some((document, digest, values))) => {
                let origin = PolicyOrigin::Snapshot;
                self.apply(IncomingPolicy { document, digest, values, origin, signed: false });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the snapshot of the previous process cannot be used"),
        }
    }

    /// Reads the mounted files. Missing files change nothing.
    pub fn read_mounted(&self, dir: &Path) {
        match files::read(dir, self.trust.as_ref()) {
            // One log line is enough, however often the folder is read.
            Ok(None) if self.reported_missing.swap(true, Ordering::Relaxed) => {}
            Ok(None) => tracing::info!(dir = %dir.display(), "no policy is mounted yet"),
            Ok(Some(MountedPolicy { document, secrets, signed })) => {
                self.reported_missing.store(false, Ordering::Relaxed);
                let known = |(secret, value)| (secret, KnownSecret { value: Some(value), streamed: false });
                let values = secrets.into_iter().map(known).collect();
                let origin = PolicyOrigin::Mounted;
                self.apply(IncomingPolicy { document, digest: None, values, origin, signed });
            }
            Err(FilesError::Document { path, source }) => {
                let mut rejected = Rejected::from(Rejection::of(0, source));
                if rejected.object == RejectedObject::Policy {
                    rejected.object = RejectedObject::Named(path.display().to_string());
                }
                self.gateway.reject_change(rejected);
            }
            Err(error) => self.gateway.reject_change(Rejected::policy("", error.to_string())),
        }
        self.mounted.send_replace(());
    }

    /// Applies a policy of the operator, and returns the outcome.
    pub fn apply_streamed(&self, policy: PolicyMessage) -> Option<PolicyOutcome> {
        let PolicyMessage { sequence, digest, mut document, credentials } = policy;
        document.sequence = sequence;
        let known = |CredentialMessage { secret, value }| {
            let value = (!value.is_empty()).then(|| Secret::new(&value));
            (secret, KnownSecret { value, streamed: true })
        };
        let values = credentials.into_iter().map(known).collect();
        let (digest, origin) = (Some(digest), PolicyOrigin::Stream);
        self.apply(IncomingPolicy { document, digest, values, origin, signed: false });
        self.outcome()
    }

    /// Rejects a policy of the operator that cannot be parsed, and returns the outcome.
    pub fn reject_streamed(&self, rejection: Rejection) -> Option<PolicyOutcome> {
        self.gateway.reject_change(rejection.clone().into());
        self.lock().installed.rejected = Some(rejection);
        self.outcome()
    }

    /// The last change that was rejected, as long as nothing newer is in force; otherwise the policy in force.
    #[must_use]
    pub fn outcome(&self) -> Option<PolicyOutcome> {
        let InstalledPolicy { sequence, rejected, .. } = self.installed();
        let sequence = rejected.as_ref().map(|rejected| rejected.sequence).or(sequence)?;
        Some(PolicyOutcome { sequence, rejected, authorities: Vec::new() })
    }

    fn apply(&self, incoming: IncomingPolicy) {
        let mut state = self.lock();
        let in_force = self.gateway.served();
        let in_force = in_force.as_deref().map(|served| &served.policy.document);
        let sequence = incoming.document.sequence;
        // With such a sequence in force, the gateway could never accept the operator's policies again.
        if incoming.origin != PolicyOrigin::Stream && sequence >= now_seconds().saturating_add(AHEAD_MAX) {
            let message = format!("sequence {sequence} is too far in the future to be the operator's");
            self.gateway.reject_change(Rejected::policy("sequence", message));
            return;
        }
        let newer = match incoming.precedence(in_force, state.origin) {
            Precedence::Newer => true,
            Precedence::Same => false,
            Precedence::Older => {
                log_older(&incoming, in_force.map_or(0, |document| document.sequence));
                return;
            }
        };
        let credentials = credentials::merge(&incoming, &state.credentials, in_force, newer);
        let streamed = state.origin.filter(|origin| !newer && *origin != PolicyOrigin::Mounted);
        let origin = match incoming.origin {
            PolicyOrigin::Mounted => streamed.unwrap_or(PolicyOrigin::Mounted),
            other => other,
        };
        let digest = match incoming.origin {
            PolicyOrigin::Mounted if !newer => state.installed.digest.clone(),
            _ => incoming.digest,
        };
        if newer || credentials != state.credentials || state.origin != Some(origin) {
            let secrets = credentials::values(&credentials);
            if let Err(error) = self.gateway.install_from(incoming.document, &secrets, Some(origin)) {
                state.installed.rejected = Some(Rejected::of(&error).into_rejection(sequence));
                return;
            }
        } else if state.installed.digest == digest && state.installed.rejected.is_none() {
            // Files that could not be read for a moment can be read again.
            return self.gateway.set_rejected(None);
        }
        state.installed.rejected = state.installed.rejected.take().filter(|rejected| rejected.sequence > sequence);
        self.gateway.set_rejected(state.installed.rejected.clone().map(Rejected::from));
        (state.installed.sequence, state.installed.digest) = (Some(sequence), digest);
        (state.credentials, state.origin) = (credentials, Some(origin));
        self.write_snapshot(&state);
    }

    fn write_snapshot(&self, state: &State) {
        let (Some(snapshot), Some(served)) = (&self.snapshot, self.gateway.served()) else { return };
        // The policy in force was just read from the snapshot.
        if state.origin == Some(PolicyOrigin::Snapshot) {
            return;
        }
        let digest = state.installed.digest.as_deref();
        if let Err(error) = snapshot.write(&served.policy.document, digest, &state.credentials) {
            tracing::warn!(%error, "the snapshot for a restart of this container cannot be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Logs that an older policy is ignored.
fn log_older(incoming: &IncomingPolicy, in_force: u64) {
    let (offered, origin) = (incoming.document.sequence, incoming.origin);
    match origin {
        // The kubelet's copy lags behind.
        PolicyOrigin::Mounted => {
            tracing::debug!(offered, in_force, "the mounted policy is older than the one in force: ignored")
        }
        _ => {
            tracing::warn!(offered, in_force, ?origin, "a policy is older than the one in force: ignored");
        }
    }
}

/// The seconds since 1970.
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
