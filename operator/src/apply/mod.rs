//! Writes what gateways obey: a ConfigMap for each binding, and a Secret where credentials may be stored there.
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
pub mod owner;
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
use secret::is_as;
pub use secret::secret;

/// How often somebody may be quicker before it is left for later.
const TRIES: usize = 5;

/// Writes, and remembers what was written.
pub struct Applier {
    client: Client,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    /// What gateways shall trust.
    authorities: watch::Receiver<Option<Arc<CaBundle>>>,
    /// Where the operator's own certificate lies, in a Secret that a policy's could be named as.
    own_namespace: String,
    /// Since this replica leads.
    seal: RwLock<Option<Seal>>,
    applied: Mutex<BTreeMap<Binding, AppliedPolicy>>,
    /// Whose ConfigMap this replica wrote, and when it last followed what a gateway claimed.
    made: Mutex<BTreeMap<Binding, Option<Instant>>>,
}

/// What gateways say they have.
#[derive(Clone, Copy)]
struct Claim {
    sequence: u64,
    /// It is the only reason to write.
    alone: bool,
}

struct AppliedPolicy {
    written: WrittenRevision,
    /// The digest that the Secret was written for, since this replica leads.
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
            made: Mutex::default(),
        }
    }

    /// This replica leads, and knows what is of the operator's writing.
    pub fn begin(&self, seal: Seal) {
        *self.seal.write() = Some(seal);
    }

    /// The policy that was written for a binding, as it stands in the cluster; `None`: there is none, or it is not the
    /// operator's own writing.
    ///
    /// # Errors
    /// [`ApplyError`], to be tried again.
    pub async fn policy(&self, binding: &Binding) -> Result<Option<Document>, ApplyError> {
        let Some(object) = self.get(binding).await? else { return Ok(None) };
        if !GeneratedConfigMap::of(&object).is_sealed(&self.seal()?, binding) {
            return Ok(None);
        }
        let text = object.data.as_ref().and_then(|data| data.get(POLICY_FILE));
        Ok(text.and_then(|text| Document::read(text.as_bytes()).ok()))
    }

    /// What was written for a binding last, or found to be written.
    #[must_use]
    pub fn written(&self, binding: &Binding) -> Option<WrittenRevision> {
        self.lock().get(binding).map(|applied| applied.written.clone())
    }

    /// The sequence of each binding that has one.
    #[must_use]
    pub fn sequences(&self) -> BTreeMap<Binding, u64> {
        self.lock().iter().map(|(binding, applied)| (binding.clone(), applied.written.sequence)).collect()
    }

    /// Somebody may have changed a binding's Secret, which nothing tells: with the next [`Applier::apply`] it is written again.
    pub fn doubt_secret(&self, binding: &Binding) {
        if let Some(applied) = self.lock().get_mut(binding) {
            applied.secret = None;
        }
    }

    /// Makes the cluster hold this, and pushes it. `true`: it is another one than before.
    ///
    /// # Errors
    /// [`ApplyError`], to be tried again.
    pub async fn apply(&self, revision: &Arc<PolicyRevision>) -> Result<bool, ApplyError> {
        let binding = &revision.binding;
        let before = self.lock().get(binding).map(|applied| applied.written.clone());
        let same = before.filter(|before| before.revision.digest == revision.digest);
        let anew = same.as_ref().is_some_and(|before| knows_more(&before.revision, revision));
        // What is revoked is revoked by the policy, whatever becomes of the Secret.
        let forgotten = self.forget_secret(revision).await;
        let sequence = self.config_map(revision, anew, forgotten.is_err()).await?;
        let is_new = same.is_none_or(|before| before.sequence != sequence);
        if is_new {
            let written = WrittenRevision { revision: Arc::clone(revision), sequence };
            self.hub.publish(&written);
            self.remember(written);
        }
        forgotten?;
        self.secret(revision).await?;
        Ok(is_new)
    }

    /// Takes away what was made for a binding that nobody needs.
    ///
    /// # Errors
    /// [`ApplyError`], to be tried again.
    pub async fn remove(&self, binding: &Binding) -> Result<(), ApplyError> {
        self.lock().remove(binding);
        self.made().remove(binding);
        self.hub.withdraw(binding);
        let Some(existing) = self.caches.generated.get(binding) else { return Ok(()) };
        if existing.has_secret {
            self.remove_secret(binding).await?;
        }
        self.delete_config_map(binding, &existing).await?;
        self.caches.generated.put(binding.clone(), None);
        Ok(())
    }

    /// Not one that was made anew, or written, by another since.
    async fn delete_config_map(&self, binding: &Binding, existing: &GeneratedConfigMap) -> Result<(), ApplyError> {
        let parameters = exactly(&existing.uid, &existing.resource_version);
        let deleted = timed(self.config_maps(binding).delete(&binding.object_name(), &parameters)).await;
        self.count("ConfigMap", &deleted);
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(failed("ConfigMap", binding, "deleted", error)),
        }
    }

    /// The sequence of the ConfigMap as it stands then.
    async fn config_map(&self, revision: &PolicyRevision, anew: bool, secret_left: bool) -> Result<u64, ApplyError> {
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
                let claim = self.claim(revision, anew, existing.as_ref());
                let highest = claim.map(|claim| claim.sequence);
                let seal = self.seal()?;
                let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
                let authorities = &authorities.pem;
                let owners = &owners;
                let desired =
                    DesiredConfigMap { revision, authorities, owners, highest, now, seal: &seal, anew, secret_left };
                (decide(desired, existing.as_ref()), claim.is_some_and(|claim| claim.alone))
            };
            let Some(write) = write else {
                return Ok(existing.as_ref().and_then(|existing| existing.sequence).unwrap_or_default());
            };
            // Whoever made it immutable must not keep what is revoked in force: only another one can take its place.
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
                    let mut made = self.made();
                    let followed = made.entry(binding.clone()).or_default();
                    if follows {
                        *followed = Some(Instant::now());
                    }
                    drop(made);
                    self.caches.generated.put(binding.clone(), Some(existing));
                    return Ok(write.sequence);
                }
                Err(error) if error.is_conflict() => {
                    self.metrics.conflict("ConfigMap");
                    existing = self.read(binding).await?;
                }
                // It was there when it was read: nobody may put one in its place that is older.
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

    /// Before the ConfigMap that no longer speaks of it: what could not be taken away is tried again by whoever leads.
    async fn forget_secret(&self, revision: &PolicyRevision) -> Result<(), ApplyError> {
        let existing = self.caches.generated.get(&revision.binding);
        match existing.as_ref().is_some_and(|existing| existing.has_secret) && !has_secret(revision, existing.as_ref())
        {
            true => self.remove_secret(&revision.binding).await,
            false => Ok(()),
        }
    }

    /// After the ConfigMap, which says that there is one: whoever leads next knows of it, and writes it again at first.
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
        if !existing.as_ref().is_some_and(|existing| is_as(existing, &object)) {
            // As with the ConfigMap: nobody may keep a value in force by this.
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
        let parameters = exactly(&uid, &version);
        let deleted = timed(self.secrets(binding).delete(&binding.object_name(), &parameters)).await;
        self.count("Secret", &deleted);
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(failed("Secret", binding, "deleted", error)),
        }
    }

    /// The binding's Secret, which must be the operator's own making.
    async fn read_secret(&self, binding: &Binding) -> Result<Option<Secret>, ApplyError> {
        self.spare_own(binding)?;
        let found = timed(self.secrets(binding).get_opt(&binding.object_name())).await;
        let found = found.map_err(|error| failed("Secret", binding, "read", error))?;
        match found.as_ref().is_some_and(|found| !is_ours(&found.metadata) && !is_managed(&found.metadata)) {
            true => Err(foreign("Secret", binding)),
            false => Ok(found),
        }
    }

    fn spare_own(&self, binding: &Binding) -> Result<(), ApplyError> {
        let name = binding.object_name();
        match binding.namespace == self.own_namespace && [CERTIFICATES, SEAL].contains(&name.as_str()) {
            true => Err(ApplyError::OwnSecret(name)),
            false => Ok(()),
        }
    }

    fn remember(&self, written: WrittenRevision) {
        let mut all = self.lock();
        // Another digest, or more values: either way the Secret is another one.
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

    /// Gateways obey what this replica wrote, or say that they do: whatever bears the name of their policy now, and whoever
    /// made it, may not stand in the way of the next.
    fn serves(&self, binding: &Binding) -> bool {
        self.made().contains_key(binding) || self.hub.highest(binding).is_some()
    }

    /// The sequence that the next must be above, of those that gateways say they have. Where nothing else has changed, it is
    /// followed once in a while: one that lies may raise it with each answer.
    fn claim(&self, revision: &PolicyRevision, anew: bool, existing: Option<&GeneratedConfigMap>) -> Option<Claim> {
        let sequence = self.hub.highest(&revision.binding)?;
        let same = existing.filter(|existing| !anew && existing.digest == revision.digest);
        let alone = same.and_then(|existing| existing.sequence).is_some_and(|existing| existing < sequence);
        let followed = self.made().get(&revision.binding).copied().flatten();
        // Half of the time for which it is not asked for: whoever asks then is let through.
        let rests = followed.is_some_and(|at| Instant::now() < at + PAUSE / 2);
        (!(alone && rests)).then_some(Claim { sequence, alone })
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<Binding, Option<Instant>>> {
        self.made.lock()
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

/// At the start a Secret may be told late, and the version that it has is known from before.
fn knows_more(before: &PolicyRevision, now: &PolicyRevision) -> bool {
    now.credentials.iter().any(|value| !before.credentials.contains(value))
}

/// Deletes this one alone, as it was seen.
fn exactly(uid: &str, version: &str) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

fn parameters() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}
