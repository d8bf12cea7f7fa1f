//! The key's Secret: read, or made where there is none.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use rustls::crypto::ring;
use thiserror::Error;

use super::{KEY, Seal};
use crate::api::{CallError, timed};
use crate::names::{FIELD_MANAGER, MANAGED_BY, MANAGED_BY_VALUE, SEAL};

/// Where the key lies in the Secret.
const AT: &str = "key";

/// Why there is no key.
#[derive(Debug, Error)]
pub enum SealError {
    #[error("Secret {SEAL} could not be {verb}: {error}")]
    Call { verb: &'static str, error: CallError },
    #[error("Secret {SEAL} has no `{AT}` of {KEY} bytes: delete it, and another is made")]
    Broken,
    #[error("this machine gives no random numbers")]
    Random,
}

/// The key that all replicas have.
///
/// # Errors
/// [`SealError`]; nothing is wrong with trying again.
pub async fn load(client: Client, namespace: &str) -> Result<Seal, SealError> {
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let failed = |verb| move |error| SealError::Call { verb, error };
    if let Some(found) = timed(secrets.get_opt(SEAL)).await.map_err(failed("read"))? {
        return read(&found);
    }
    let mut key = vec![0; KEY];
    ring::default_provider().secure_random.fill(&mut key).map_err(|_| SealError::Random)?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match timed(secrets.create(&parameters, &secret(key))).await {
        Ok(made) => read(&made),
        // Whoever led a moment ago was quicker.
        Err(error) if error.is_conflict() => read(&timed(secrets.get(SEAL)).await.map_err(failed("read"))?),
        Err(error) => Err(failed("created")(error)),
    }
}

fn read(secret: &Secret) -> Result<Seal, SealError> {
    let key = secret.data.as_ref().and_then(|data| data.get(AT));
    key.and_then(|key| Seal::of(&key.0)).ok_or(SealError::Broken)
}

fn secret(key: Vec<u8>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SEAL.to_owned()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        immutable: Some(true),
        data: Some(BTreeMap::from([(AT.to_owned(), ByteString(key))])),
        ..Secret::default()
    }
}
