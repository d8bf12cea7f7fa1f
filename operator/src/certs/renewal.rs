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
use super::rotation::{CertificateStep, Renewals, next, take};
use super::store::{CertificateStoreError, ObservedSecret, Store};
use super::stored::StoredCertificates;
use super::webhooks::Webhooks;
use super::x509::CertificateError;
use crate::names::CERTIFICATES;
use crate::settings::OperatorSettings;

/// How often time is looked at, files are, and webhook configurations are: the chart may have made them anew.
const LOOK: Duration = Duration::from_secs(15);
/// Steps in a row: more would be going round in circles.
const STEPS_MAX: usize = 8;

/// How far an authority has got. Only the leader knows; the others say no.
pub trait Spread: Send + Sync {
    /// Every policy's ConfigMap has it. [`super::fingerprints`] tells of a `ca.crt`.
    fn written(&self, fingerprint: &str) -> bool;
    /// Every live gateway says that it trusts it.
    fn trusted(&self, fingerprint: &str) -> bool;
}

/// What the listener shows, and by whom it is trusted.
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

/// Why a look came to nothing. The next may.
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
    /// For the listener.
    #[must_use]
    pub fn served(&self) -> Arc<ServedCertificate> {
        Arc::clone(&self.served)
    }

    /// The authorities that gateways and webhooks must trust; `None` as long as nothing is known.
    #[must_use]
    pub fn bundle(&self) -> watch::Receiver<Option<Arc<CaBundle>>> {
        self.bundle.subscribe()
    }

    /// There is something to serve with.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.served.expires().is_some()
    }

    /// Keeps them, for as long as it is polled. Failing is told, and tried again.
    pub async fn keep(&self, client: Client, settings: &OperatorSettings, spread: &dyn Spread) {
        match &settings.certificates {
            Some(folder) => self.follow(folder, &settings.service).await,
            None => self.own(client, settings, spread).await,
        }
    }

    async fn follow(&self, folder: &Path, names: &[String]) {
        let mut looks = looks();
        loop {
            looks.tick().await;
            if let Err(error) = self.look_at(folder.to_owned(), names.to_vec()).await {
                tracing::warn!(%error, "cannot use the folder's certificate; keeping the previous one");
            }
        }
    }

    async fn look_at(&self, folder: PathBuf, names: Vec<String>) -> Result<(), RenewalError> {
        let (pair, bundle) = tokio::task::spawn_blocking(move || folder::read(&folder, &names)).await??;
        self.served.show(&pair)?;
        self.publish(bundle);
        Ok(())
    }

    async fn own(&self, client: Client, settings: &OperatorSettings, spread: &dyn Spread) {
        let store = Store::new(client.clone(), &settings.namespace);
        let webhooks = settings.webhooks.as_deref().map(|name| Webhooks::new(client, name));
        let keeper = Renewer { certificates: self, store, webhooks, names: &settings.service, spread };
        let (mut looks, mut changes) = (looks(), keeper.store.changes());
        let (mut last, mut renewals) = (None, Renewals::default());
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                Some(()) = changes.next() => {}
            }
            if let Err(error) = keeper.look(&mut last, &mut renewals).await {
                tracing::warn!(%error, "could not renew certificates; keeping the current ones");
            }
        }
    }

    fn publish(&self, bundle: CaBundle) {
        self.bundle.send_if_modified(|current| {
            let news = current.as_deref() != Some(&bundle);
            if news {
                *current = Some(Arc::new(bundle));
            }
            news
        });
    }
}

fn looks() -> tokio::time::Interval {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

struct Renewer<'a> {
    certificates: &'a ServingCertificates,
    store: Store,
    webhooks: Option<Webhooks>,
    names: &'a [String],
    spread: &'a dyn Spread,
}

impl Renewer<'_> {
    /// Takes steps until there is none to take. What is held is served first, and told before the next step is looked for.
    async fn look(&self, last: &mut Option<StoredCertificates>, renewals: &mut Renewals) -> Result<(), RenewalError> {
        let mut seen = self.store.read().await?;
        for _ in 0..STEPS_MAX {
            let found = seen.held();
            let Some(held) = found.clone().or_else(|| last.clone()) else {
                seen = self.step(&seen, CertificateStep::Begin, &StoredCertificates::default()).await?;
                continue;
            };
            // Somebody deleted the Secret: what is trusted everywhere is written again, and no client notices.
            if found.is_none() {
                seen = self.write(&seen, &held, "wrote the Secret again after it was deleted").await?;
                continue;
            }
            if let Some(leaf) = &held.leaf {
                self.certificates.served.show(leaf)?;
            }
            let bundle = held.bundle();
            self.certificates.publish(bundle.clone());
            let applied = self.applied(&bundle).await;
            let step = next(&held, Timestamp::now(), self.names, &SpreadProgress { spread: self.spread, applied });
            *last = Some(held.clone());
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
            seen = self.step(&seen, step, &held).await?;
            renewals.took(step, Instant::now());
        }
        Ok(())
    }

    async fn step(
        &self,
        seen: &ObservedSecret,
        step: CertificateStep,
        held: &StoredCertificates,
    ) -> Result<ObservedSecret, RenewalError> {
        let taken = take(step, held, Timestamp::now(), self.names)?;
        Ok(self.write(seen, &taken, word(step)).await?)
    }

    /// What is there afterwards, which may be another replica's.
    async fn write(
        &self,
        seen: &ObservedSecret,
        held: &StoredCertificates,
        what: &str,
    ) -> Result<ObservedSecret, CertificateStoreError> {
        match self.store.write(seen, held).await {
            Err(CertificateStoreError::Conflict) => self.store.read().await,
            Err(error) => Err(error),
            Ok(seen) => {
                tracing::info!("certificates: {what}");
                Ok(seen)
            }
        }
    }

    /// Whether every webhook has the bundle.
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

/// Nothing has spread as long as the webhooks have it not.
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
