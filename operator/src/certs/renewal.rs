//! The loop that renews certificates, and what the rest of the operator sees of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use kube::Client;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::bundle::CaBundle;
use super::current::ServedCertificate;
use super::folder::{self, CertificateFolderError};
use super::issue::IssueError;
use super::rotation::{CertificateStep, Renewals, next, perform};
use super::store::{CertificateStoreError, ObservedSecret, Store};
use super::stored::StoredCertificates;
use super::webhooks::Webhooks;
use super::x509::CertificateError;
use crate::names::CERTIFICATES;
use crate::settings::OperatorSettings;

/// How often the loop checks the time, the files and the webhook configurations, which the chart may have replaced.
const CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// The most steps in a row. More would be a loop.
const STEPS_MAX: usize = 8;

/// How far the next authority has spread. Only the leader knows; the other replicas return false.
pub trait Spread: Send + Sync {
    /// Whether every policy's ConfigMap has the authority. [`super::fingerprints`] computes the fingerprints of a
    /// `ca.crt`.
    fn written(&self, fingerprint: &str) -> bool;
    /// Whether every live gateway reports that it trusts the authority.
    fn trusted(&self, fingerprint: &str) -> bool;
}

/// The certificate that the listener serves, and the authorities that clients must trust.
#[derive(Debug)]
pub struct ServingCertificates {
    served: Arc<ServedCertificate>,
    bundle: watch::Sender<Option<Arc<CaBundle>>>,
}

impl Default for ServingCertificates {
    fn default() -> Self {
        ServingCertificates { served: Arc::default(), bundle: watch::Sender::new(None) }
    }
}

/// Why a check failed. The next one may succeed.
#[derive(Debug, Error)]
enum RenewalError {
    #[error(transparent)]
    Store(#[from] CertificateStoreError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Folder(#[from] CertificateFolderError),
    #[error("the certificate can't be served: {0}")]
    Show(#[from] CertificateError),
    #[error("the files were not read: {0}")]
    Reading(#[from] tokio::task::JoinError),
}

impl ServingCertificates {
    /// The certificate for the listener.
    #[must_use]
    pub fn served(&self) -> Arc<ServedCertificate> {
        Arc::clone(&self.served)
    }

    /// The authorities that gateways and webhooks must trust; `None` until they are loaded.
    #[must_use]
    pub fn bundle(&self) -> watch::Receiver<Option<Arc<CaBundle>>> {
        self.bundle.subscribe()
    }

    /// Whether there is a certificate to serve.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.served.expires().is_some()
    }

    /// Renews or reloads certificates as long as the future is polled. Errors are logged and retried.
    pub async fn run(&self, client: Client, settings: &OperatorSettings, spread: &dyn Spread) {
        match &settings.certificates {
            Some(folder) => self.follow_folder(folder, &settings.service).await,
            None => self.renew_own(client, settings, spread).await,
        }
    }

    async fn follow_folder(&self, folder: &Path, names: &[String]) {
        let mut checks = checks();
        loop {
            checks.tick().await;
            if let Err(error) = self.reload(folder.to_owned(), names.to_vec()).await {
                tracing::warn!(%error, "cannot use the folder's certificate; keeping the previous one");
            }
        }
    }

    async fn reload(&self, folder: PathBuf, names: Vec<String>) -> Result<(), RenewalError> {
        let (pair, bundle) = tokio::task::spawn_blocking(move || folder::read(&folder, &names)).await??;
        self.served.serve(&pair)?;
        self.publish(bundle);
        Ok(())
    }

    async fn renew_own(&self, client: Client, settings: &OperatorSettings, spread: &dyn Spread) {
        let store = Store::new(client.clone(), &settings.namespace);
        let webhooks = settings.webhooks.as_deref().map(|name| Webhooks::new(client, name));
        let renewer = Renewer { certificates: self, store, webhooks, names: &settings.service, spread };
        let (mut checks, mut changes) = (checks(), renewer.store.changes());
        let (mut last, mut renewals) = (None, Renewals::default());
        loop {
            tokio::select! {
                _ = checks.tick() => {}
                Some(()) = changes.next() => {}
            }
            if let Err(error) = renewer.check(&mut last, &mut renewals).await {
                tracing::warn!(%error, "could not renew certificates; keeping the current ones");
            }
        }
    }

    fn publish(&self, bundle: CaBundle) {
        self.bundle.send_if_modified(|current| {
            let changed = current.as_deref() != Some(&bundle);
            if changed {
                *current = Some(Arc::new(bundle));
            }
            changed
        });
    }
}

fn checks() -> tokio::time::Interval {
    let mut checks = tokio::time::interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks
}

struct Renewer<'a> {
    certificates: &'a ServingCertificates,
    store: Store,
    webhooks: Option<Webhooks>,
    names: &'a [String],
    spread: &'a dyn Spread,
}

impl Renewer<'_> {
    /// Takes steps until none is left. The stored certificates are served and published before the next step.
    async fn check(&self, last: &mut Option<StoredCertificates>, renewals: &mut Renewals) -> Result<(), RenewalError> {
        let mut observed = self.store.read().await?;
        for _ in 0..STEPS_MAX {
            let found = observed.stored();
            let Some(stored) = found.clone().or_else(|| last.clone()) else {
                observed = self.step(&observed, CertificateStep::Begin, &StoredCertificates::default()).await?;
                continue;
            };
            // Somebody deleted the Secret. The certificates that everybody trusts are written again, and no client
            // notices.
            if found.is_none() {
                observed = self.write(&observed, &stored, "wrote the Secret again after it was deleted").await?;
                continue;
            }
            if let Some(leaf) = &stored.leaf {
                self.certificates.served.serve(leaf)?;
            }
            let bundle = stored.bundle();
            self.certificates.publish(bundle.clone());
            let applied = self.applied(&bundle).await;
            let step = next(&stored, Timestamp::now(), self.names, &SpreadProgress { spread: self.spread, applied });
            *last = Some(stored.clone());
            match step {
                CertificateStep::Keep { .. } => return Ok(()),
                CertificateStep::Early { from } => {
                    tracing::warn!(
                        %from,
                        "the authority in the Secret {CERTIFICATES} is not valid yet, and is used anyway: set this node's \
                         clock. If it is right, scale the operator to 0, delete the Secret, and scale it up again"
                    );
                    return Ok(());
                }
                step if !renewals.allow(step, Instant::now()) => {
                    tracing::warn!("another replica renews the certificate for other names, or by another clock");
                    return Ok(());
                }
                _ => {}
            }
            observed = self.step(&observed, step, &stored).await?;
            renewals.record(step, Instant::now());
        }
        Ok(())
    }

    async fn step(
        &self,
        observed: &ObservedSecret,
        step: CertificateStep,
        stored: &StoredCertificates,
    ) -> Result<ObservedSecret, RenewalError> {
        let next = perform(step, stored, Timestamp::now(), self.names)?;
        Ok(self.write(observed, &next, word(step)).await?)
    }

    /// Returns the Secret after the write, which may be another replica's.
    async fn write(
        &self,
        observed: &ObservedSecret,
        stored: &StoredCertificates,
        what: &str,
    ) -> Result<ObservedSecret, CertificateStoreError> {
        match self.store.write(observed, stored).await {
            Err(CertificateStoreError::Conflict) => self.store.read().await,
            Err(error) => Err(error),
            Ok(observed) => {
                tracing::info!("certificates: {what}");
                Ok(observed)
            }
        }
    }

    /// Writes the bundle to the webhooks, and returns whether every webhook has it.
    async fn applied(&self, bundle: &CaBundle) -> bool {
        let Some(webhooks) = &self.webhooks else { return true };
        match webhooks.apply(bundle).await {
            Ok(applied) => applied,
            Err(error) => {
                tracing::warn!(%error, "the API server may not trust the webhooks");
                false
            }
        }
    }
}

fn word(step: CertificateStep) -> &'static str {
    match step {
        CertificateStep::Keep { .. } | CertificateStep::Early { .. } => "nothing to do",
        CertificateStep::Begin => "created a new authority",
        CertificateStep::RenewLeaf => "renewed the certificate",
        CertificateStep::Announce => "adding the next authority to every bundle",
        CertificateStep::Spread => "the next authority is in every bundle",
        CertificateStep::Promote => "the next authority signs from now on",
        CertificateStep::Retire => "removed the previous authority from every bundle",
    }
}

/// An authority has not spread while the webhooks lack it.
struct SpreadProgress<'a> {
    spread: &'a dyn Spread,
    applied: bool,
}

impl Spread for SpreadProgress<'_> {
    fn written(&self, fingerprint: &str) -> bool {
        self.applied && self.spread.written(fingerprint)
    }

    fn trusted(&self, fingerprint: &str) -> bool {
        self.applied && self.spread.trusted(fingerprint)
    }
}
