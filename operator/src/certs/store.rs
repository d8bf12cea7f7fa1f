//! Reads, watches and writes the Secret with the certificates. A write fails if somebody else has written since.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use thiserror::Error;

use super::stored::StoredCertificates;
use crate::api;
use crate::names;

const TIME: Duration = Duration::from_secs(10);

/// Why the Secret could not be read or written.
#[derive(Debug, Error)]
pub enum CertificateStoreError {
    /// Another writer came first. The caller must read again.
    #[error("another replica has written the Secret")]
    Conflict,
    #[error("Secret {}: no answer within {} s", names::CERTIFICATES, TIME.as_secs())]
    Late,
    #[error("Secret {}: {why}", names::CERTIFICATES)]
    Refused { why: String },
}

/// The Secret as last read. `None` if it does not exist.
pub struct ObservedSecret(Option<Secret>);

impl ObservedSecret {
    /// The certificates in the Secret; `None` if it does not exist.
    pub fn stored(&self) -> Option<StoredCertificates> {
        let data = self.0.as_ref()?.data.clone().unwrap_or_default();
        Some(StoredCertificates::read(&data.into_iter().map(|(name, value)| (name, value.0)).collect()))
    }
}

/// Does not show the data.
impl fmt::Debug for ObservedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObservedSecret").field(&self.0.as_ref().map(|secret| &secret.metadata.resource_version)).finish()
    }
}

#[derive(Clone)]
pub struct Store(Api<Secret>);

impl Store {
    pub fn new(client: Client, namespace: &str) -> Self {
        Store(Api::namespaced(client, namespace))
    }

    /// Yields each time that the Secret may have changed. Never ends.
    pub fn changes(&self) -> BoxStream<'static, ()> {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", names::CERTIFICATES));
        let events = watcher(self.0.clone(), config).default_backoff();
        let warn = |error: &watcher::Error| tracing::warn!(%error, "cannot watch the certificates' Secret");
        events.inspect_err(warn).map(|_| ()).boxed()
    }

    pub async fn read(&self) -> Result<ObservedSecret, CertificateStoreError> {
        timed(self.0.get_opt(names::CERTIFICATES)).await.map(ObservedSecret)
    }

    /// Writes the Secret, unless it has changed since `observed`.
    pub async fn write(
        &self,
        observed: &ObservedSecret,
        stored: &StoredCertificates,
    ) -> Result<ObservedSecret, CertificateStoreError> {
        let data: BTreeMap<_, _> = stored.write().into_iter().map(|(name, value)| (name, ByteString(value))).collect();
        let written = match &observed.0 {
            // Labels and annotations may be somebody else's, and stay.
            Some(secret) => {
                let secret = Secret { data: Some(data), ..secret.clone() };
                timed(self.0.replace(names::CERTIFICATES, &parameters(), &secret)).await
            }
            None => timed(self.0.create(&parameters(), &secret(data))).await,
        };
        written.map(|secret| ObservedSecret(Some(secret)))
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn secret(data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(names::CERTIFICATES.to_owned()),
            labels: Some([(names::MANAGED_BY.to_owned(), names::MANAGED_BY_VALUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

async fn timed<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CertificateStoreError> {
    match tokio::time::timeout(TIME, call).await {
        Err(_) => Err(CertificateStoreError::Late),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if api::error::is_conflict(&error) => Err(CertificateStoreError::Conflict),
        Ok(Err(error)) => Err(CertificateStoreError::Refused { why: api::error::message(&error) }),
    }
}
