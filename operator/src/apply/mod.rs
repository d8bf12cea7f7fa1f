//! Writes what gateways load: a ConfigMap for each binding, and a Secret where credentials may be stored there.
//!
//! ```text
//! PolicyRevision + what is stored ─► decision ─► server-side apply, with the version that it replaces ─► Hub::publish
//!                                       ▲                       │ another writer was quicker
//!                                       └──── read again ◄──────┘
//! ```
//!
//! Only what was written is pushed. A ConfigMap is read before it is written for the first time: it may already have a
//! sequence that no watch has reported yet.

mod decision;
mod error;
mod secret;
pub(crate) mod sequence_bump;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use outrigger_policy::Document;
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::{CallError, timed};
use crate::apply::sequence_bump::PAUSE;
use crate::certs::CaBundle;
use crate::metrics::OperatorMetrics;
use crate::names::{CERTIFICATES, FIELD_MANAGER, POLICY_FILE, SEAL};
use crate::objects::binding::Binding;
use crate::plan::revision::{PolicyRevision, WrittenRevision};
use crate::seal::Seal;
use crate::state::caches::Caches;
use crate::state::generated::{GeneratedConfigMap, is_managed, is_ours};
use crate::stream::Hub;

pub use decision::{ConfigMapWrite, DesiredConfigMap, decide, has_secret};
pub use error::ApplyError;
use error::{failed, foreign};
use secret::matches_desired;
pub use secret::secret;

/// How many conflicting writes are retried before the binding is queued again.
const TRIES: usize = 5;

/// Writes ConfigMaps and Secrets, and remembers what it wrote.
pub struct Applier {
    client: Client,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    /// The authorities that gateways shall trust.
    authorities: watch::Receiver<Option<Arc<CaBundle>>>,
    /// The operator's namespace. It holds the operator's own Secrets, whose names a binding's Secret could have.
    own_namespace: String,
    /// Set once this replica leads.
    seal: RwLock<Option<Seal>>,
    applied: Mutex<BTreeMap<Binding, AppliedPolicy>>,
    /// The bindings whose ConfigMap this replica wrote, and when it last raised a sequence only because a gateway
    /// reported a higher one.
    bumps: Mutex<BTreeMap<Binding, Option<Instant>>>,
}

/// The highest sequence that gateways report.
#[derive(Clone, Copy)]
struct Claim {
    sequence: u64,
    /// The report is the only reason to write.
    only_reason: bool,
}

struct AppliedPolicy {
    written: WrittenRevision,
    /// The digest that the Secret was written for, since this replica became leader.
    secret: Option<String>,
}

impl Applier {
    #[must_use]
    pub fn new(
        client: Client,
        caches: Arc<Caches>,
        hub: Arc<Hub>,
        metrics: Arc<OperatorMetrics>,
        authorities: watch::Receiver<Option<Arc<CaBundle>>>,
        own_namespace: &str,
    ) -> Self {
        let own_namespace = own_namespace.to_owned();
        Applier {
            client,
            caches,
            hub,
            metrics,
            authorities,
            own_namespace,
            seal: RwLock::default(),
            applied: Mutex::default(),
            bumps: Mutex::default(),
        }
    }

    /// Called when this replica becomes leader, with the key for signatures.
    pub fn start(&self, seal: Seal) {
        *self.seal.write() = Some(seal);
    }

    /// Reads the policy that was written for a binding from the cluster. `None` if there is none, or if the operator
    /// did not write it.
    ///
    /// # Errors
    /// [`ApplyError`]. The caller should retry.
    pub async fn policy(&self, binding: &Binding) -> Result<Option<Document>, ApplyError> {
        let Some(object) = self.get(binding).await? else { return Ok(None) };
        if !GeneratedConfigMap::of(&object).is_sealed(&self.seal()?, binding) {
            return Ok(None);
        }
        let text = object.data.as_ref().and_then(|data| data.get(POLICY_FILE));
        Ok(text.and_then(|text| Document::read(text.as_bytes()).ok()))
    }

    /// What was last written for a binding, or found as written.
    #[must_use]
    pub fn written(&self, binding: &Binding) -> Option<WrittenRevision> {
        self.lock().get(binding).map(|applied| applied.written.clone())
    }

    /// The sequence of each binding that has one.
    #[must_use]
    pub fn sequences(&self) -> BTreeMap<Binding, u64> {
        self.lock().iter().map(|(binding, applied)| (binding.clone(), applied.written.sequence)).collect()
    }

    /// Makes the next [`Applier::apply`] write a binding's Secret again. No watch reports changes of the Secret.
    pub fn recheck_secret(&self, binding: &Binding) {
        if let Some(applied) = self.lock().get_mut(binding) {
            applied.secret = None;
        }
    }

    /// Writes a revision to the cluster and pushes it to gateways. Returns whether it differs from the previous one.
    ///
    /// # Errors
    /// [`ApplyError`]. The caller should retry.
    pub async fn apply(&self, revision: &Arc<PolicyRevision>) -> Result<bool, ApplyError> {
        let binding = &revision.binding;
        let before = self.lock().get(binding).map(|applied| applied.written.clone());
        let same = before.filter(|before| before.revision.digest == revision.digest);
        let new_values = same.as_ref().is_some_and(|before| has_new_values(&before.revision, revision));
        // The policy revokes credentials, even if the Secret cannot be deleted.
        let deleted = self.delete_revoked_secret(revision).await;
        let sequence = self.config_map(revision, new_values, deleted.is_err()).await?;
        let is_new = same.is_none_or(|before| before.sequence != sequence);
        if is_new {
            let written = WrittenRevision { revision: Arc::clone(revision), sequence };
            self.hub.publish(&written);
            self.remember(written);
        }
        deleted?;
        self.secret(revision).await?;
        Ok(is_new)
    }

    /// Deletes what was written for a binding that no longer exists.
    ///
    /// # Errors
    /// [`ApplyError`]. The caller should retry.
    pub async fn remove(&self, binding: &Binding) -> Result<(), ApplyError> {
        self.lock().remove(binding);
        self.bumps().remove(binding);
        self.hub.withdraw(binding);
        let Some(existing) = self.caches.generated.get(binding) else { return Ok(()) };
        if existing.has_secret {
            self.remove_secret(binding).await?;
        }
        self.delete_config_map(binding, &existing).await?;
        self.caches.generated.put(binding.clone(), None);
        Ok(())
    }

    /// Deletes the ConfigMap, unless somebody has replaced or changed it since.
    async fn delete_config_map(&self, binding: &Binding, existing: &GeneratedConfigMap) -> Result<(), ApplyError> {
        let parameters = preconditions(&existing.uid, &existing.resource_version);
        let deleted = timed(self.config_maps(binding).delete(&binding.object_name(), &parameters)).await;
        self.count("ConfigMap", &deleted);
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(failed("ConfigMap", binding, "deleted", error)),
        }
    }

    /// Returns the sequence of the ConfigMap after the write.
    async fn config_map(
        &self,
        revision: &PolicyRevision,
        new_values: bool,
        secret_remains: bool,
    ) -> Result<u64, ApplyError> {
        let binding = &revision.binding;
        let mut existing = match self.caches.generated.get(binding) {
            Some(existing) => Some(existing),
            None => self.read(binding).await?,
        };
        for _ in 0..TRIES {
            if existing.as_ref().is_some_and(GeneratedConfigMap::is_foreign) && !self.serves(binding) {
                return Err(foreign("ConfigMap", binding));
            }
            let (write, follows) = {
                let authorities = self.authorities.borrow().clone().ok_or(ApplyError::NoAuthorities)?;
                let owners = self.caches.owners(binding);
                let claim = self.claim(revision, new_values, existing.as_ref());
                let highest = claim.map(|claim| claim.sequence);
                let seal = self.seal()?;
                let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
                let authorities = &authorities.pem;
                let owners = &owners;
                let desired = DesiredConfigMap {
                    revision,
                    authorities,
                    owners,
                    highest,
                    now,
                    seal: &seal,
                    new_values,
                    secret_remains,
                };
                (decide(desired, existing.as_ref()), claim.is_some_and(|claim| claim.only_reason))
            };
            let Some(write) = write else {
                return Ok(existing.as_ref().and_then(|existing| existing.sequence).unwrap_or_default());
            };
            // An immutable ConfigMap must not keep a revoked policy in force. It can't be changed, so it is replaced.
            if let Some(frozen) = existing.as_ref().filter(|existing| existing.immutable && !existing.uid.is_empty()) {
                self.delete_config_map(binding, frozen).await?;
            }
            let applied = timed(self.config_maps(binding).patch(
                &binding.object_name(),
                &parameters(),
                &Patch::Apply(&write.object),
            ))
            .await;
            self.count("ConfigMap", &applied);
            match applied {
                Ok(object) => {
                    let existing = GeneratedConfigMap::of(&object);
                    let mut bumps = self.bumps();
                    let last_bump = bumps.entry(binding.clone()).or_default();
                    if follows {
                        *last_bump = Some(Instant::now());
                    }
                    drop(bumps);
                    self.caches.generated.put(binding.clone(), Some(existing));
                    return Ok(write.sequence);
                }
                Err(error) if error.is_conflict() => {
                    self.metrics.conflict("ConfigMap");
                    existing = self.read(binding).await?;
                }
                // The ConfigMap existed when it was read. It is read again, so that no older one takes its place.
                Err(error) if error.is_not_found() && existing.is_some() => existing = self.read(binding).await?,
                Err(error) => return Err(failed("ConfigMap", binding, "written", error)),
            }
        }
        Err(ApplyError::Contended(binding.clone()))
    }

    async fn get(&self, binding: &Binding) -> Result<Option<ConfigMap>, ApplyError> {
        let found = timed(self.config_maps(binding).get_opt(&binding.object_name())).await;
        found.map_err(|error| failed("ConfigMap", binding, "read", error))
    }

    fn seal(&self) -> Result<Seal, ApplyError> {
        self.seal.read().clone().ok_or(ApplyError::NoSeal)
    }

    async fn read(&self, binding: &Binding) -> Result<Option<GeneratedConfigMap>, ApplyError> {
        let existing = self.get(binding).await?.as_ref().map(GeneratedConfigMap::of);
        if existing.as_ref().is_some_and(|existing| !existing.is_foreign()) {
            self.caches.generated.put(binding.clone(), existing.clone());
        }
        Ok(existing)
    }

    /// Deletes the Secret before the ConfigMap stops mentioning it. If that fails, the next leader can try again.
    async fn delete_revoked_secret(&self, revision: &PolicyRevision) -> Result<(), ApplyError> {
        let existing = self.caches.generated.get(&revision.binding);
        match existing.as_ref().is_some_and(|existing| existing.has_secret) && !has_secret(revision, existing.as_ref())
        {
            true => self.remove_secret(&revision.binding).await,
            false => Ok(()),
        }
    }

    /// Writes the Secret after the ConfigMap, which mentions it. So the next leader knows of it, and writes it once at
    /// its start.
    async fn secret(&self, revision: &PolicyRevision) -> Result<(), ApplyError> {
        let binding = &revision.binding;
        if !has_secret(revision, self.caches.generated.get(binding).as_ref()) {
            return Ok(());
        }
        let written = self.lock().get(binding).and_then(|applied| applied.secret.clone());
        if written.as_ref() == Some(&revision.digest) {
            return Ok(());
        }
        let existing = self.read_secret(binding).await?;
        let mut object: Value = secret(revision, &self.caches.owners(binding), existing.as_ref(), &self.seal()?);
        if !existing.as_ref().is_some_and(|existing| matches_desired(existing, &object)) {
            // As with the ConfigMap: an immutable Secret must not keep a value in force.
            if existing.is_some_and(|existing| existing.immutable == Some(true)) {
                self.remove_secret(binding).await?;
                object["metadata"]["resourceVersion"] = Value::Null;
            }
            let name = binding.object_name();
            let applied = timed(self.secrets(binding).patch(&name, &parameters(), &Patch::Apply(&object))).await;
            self.count("Secret", &applied);
            applied.map_err(|error| failed("Secret", binding, "written", error))?;
        }
        if let Some(applied) = self.lock().get_mut(binding) {
            applied.secret = Some(revision.digest.clone());
        }
        Ok(())
    }

    async fn remove_secret(&self, binding: &Binding) -> Result<(), ApplyError> {
        let Some(existing) = self.read_secret(binding).await? else { return Ok(()) };
        let (uid, version) =
            (existing.metadata.uid.unwrap_or_default(), existing.metadata.resource_version.unwrap_or_default());
        let parameters = preconditions(&uid, &version);
        let deleted = timed(self.secrets(binding).delete(&binding.object_name(), &parameters)).await;
        self.count("Secret", &deleted);
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(failed("Secret", binding, "deleted", error)),
        }
    }

    /// Reads the binding's Secret. Fails if the operator did not create it.
    async fn read_secret(&self, binding: &Binding) -> Result<Option<Secret>, ApplyError> {
        self.check_not_own(binding)?;
        let found = timed(self.secrets(binding).get_opt(&binding.object_name())).await;
        let found = found.map_err(|error| failed("Secret", binding, "read", error))?;
        match found.as_ref().is_some_and(|found| !is_ours(&found.metadata) && !is_managed(&found.metadata)) {
            true => Err(foreign("Secret", binding)),
            false => Ok(found),
        }
    }

    fn check_not_own(&self, binding: &Binding) -> Result<(), ApplyError> {
        let name = binding.object_name();
        match binding.namespace == self.own_namespace && [CERTIFICATES, SEAL].contains(&name.as_str()) {
            true => Err(ApplyError::OwnSecret(name)),
            false => Ok(()),
        }
    }

    fn remember(&self, written: WrittenRevision) {
        let mut all = self.lock();
        // Another digest or more values: in both cases the Secret changes.
        all.insert(written.revision.binding.clone(), AppliedPolicy { written, secret: None });
    }

    fn count<T>(&self, kind: &str, result: &Result<T, CallError>) {
        self.metrics.wrote(kind, result.as_ref().map(|_| ()).map_err(CallError::failure));
    }

    fn config_maps(&self, binding: &Binding) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &binding.namespace)
    }

    fn secrets(&self, binding: &Binding) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &binding.namespace)
    }

    /// Whether gateways use a policy that this replica wrote, or report that they do. Then an object that now has the
    /// policy's name, whoever created it, must not block the next policy.
    fn serves(&self, binding: &Binding) -> bool {
        self.bumps().contains_key(binding) || self.hub.highest(binding).is_some()
    }

    /// The reported sequence that the next one must exceed. If nothing else has changed, a report is followed only once
    /// in a while, because a hostile gateway may report a higher one each time.
    fn claim(
        &self,
        revision: &PolicyRevision,
        new_values: bool,
        existing: Option<&GeneratedConfigMap>,
    ) -> Option<Claim> {
        let sequence = self.hub.highest(&revision.binding)?;
        let same = existing.filter(|existing| !new_values && existing.digest == revision.digest);
        let only_reason = same.and_then(|existing| existing.sequence).is_some_and(|existing| existing < sequence);
        let last_bump = self.bumps().get(&revision.binding).copied().flatten();
        // Half of the time in which `SequenceBumps` schedules no bump, so that a scheduled one always passes.
        let is_recent = last_bump.is_some_and(|at| Instant::now() < at + PAUSE / 2);
        (!(only_reason && is_recent)).then_some(Claim { sequence, only_reason })
    }

    fn bumps(&self) -> MutexGuard<'_, BTreeMap<Binding, Option<Instant>>> {
        self.bumps.lock()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Binding, AppliedPolicy>> {
        self.applied.lock()
    }
}

impl fmt::Debug for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("bindings", &self.lock().len()).finish_non_exhaustive()
    }
}

/// Whether `now` has credential values that `before` lacks. At the start a Secret may arrive late, and its policy is
/// already written.
fn has_new_values(before: &PolicyRevision, now: &PolicyRevision) -> bool {
    now.credentials.iter().any(|value| !before.credentials.contains(value))
}

/// Deletes only this version of the object.
fn preconditions(uid: &str, version: &str) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

fn parameters() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}
