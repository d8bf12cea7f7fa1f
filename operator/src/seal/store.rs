//! Reads the Secret of the seal's key, or creates it.

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

/// The Secret's entry with the key.
const AT: &str = "key";
/// The prefix of entries with previous keys, which stay as long as pods know only those.
const BEFORE: &str = "previous";
/// The entry that records that all gateways with this key verify signatures. Written when the Secret is created.
const GATEWAYS: &str = "gateways";
const VERIFY: &str = "verify";

/// Why the key could not be loaded.
#[derive(Debug, Error)]
pub enum SealError {
    #[error("Secret {SEAL} could not be {verb}: {error}")]
    Call { verb: &'static str, error: CallError },
    #[error(
        "Secret {SEAL} has no `{AT}` of {KEY} bytes, or a `{BEFORE}…` of another length: repair it, or delete it, so that a \
         new one is created, and recreate all pods with a gateway"
    )]
    Broken,
    #[error("no random numbers are available")]
    Random,
}

/// Loads the key that all replicas share.
///
/// # Errors
/// [`SealError`]. A retry may succeed.
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
        // Another replica created it first.
        Err(error) if error.is_conflict() => read(&timed(secrets.get(SEAL)).await.map_err(failed("read"))?),
        Err(error) => Err(failed("created")(error)),
    }
}

fn read(secret: &Secret) -> Result<Seal, SealError> {
    let data = secret.data.as_ref().ok_or(SealError::Broken)?;
    let key = data.get(AT).ok_or(SealError::Broken)?;
    let before: Vec<&[u8]> =
        data.iter().filter(|(name, _)| name.starts_with(BEFORE)).map(|(_, key)| key.0.as_slice()).collect();
    let required = data.get(GATEWAYS).is_some_and(|word| word.0.trim_ascii() == VERIFY.as_bytes());
    Seal::with(&key.0, &before, required).ok_or(SealError::Broken)
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
        data: Some(BTreeMap::from([
            (AT.to_owned(), ByteString(key)),
            (GATEWAYS.to_owned(), ByteString(VERIFY.as_bytes().to_vec())),
        ])),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[(&str, &[u8])]) -> Result<(usize, bool), String> {
        let data = data.iter().map(|(name, value)| ((*name).to_owned(), ByteString(value.to_vec()))).collect();
        let seal = read(&Secret { data: Some(data), ..Secret::default() }).map_err(|error| error.to_string())?;
        Ok((seal.verifying().keys.len(), seal.verifying().required))
    }

    #[test]
    fn the_secret_has_a_key_previous_keys_and_the_gateways_entry() {
        assert_eq!(of(&[("key", &[1; 32])]), Ok((1, false)), "written by a version whose gateways did not verify");
        assert_eq!(of(&[("key", &[1; 32]), ("gateways", b"verify\n")]), Ok((1, true)));
        let several: [(&str, &[u8]); 3] = [("key", &[1; 32]), ("previous", &[2; 32]), ("previous-2", &[3; 32])];
        assert_eq!(of(&several), Ok((3, false)));
        let broken: [&[(&str, &[u8])]; 4] =
            [&[], &[("key", &[1; 31])], &[("previous", &[1; 32])], &[("key", &[1; 32]), ("previous", b"x")]];
        for broken in broken {
            assert!(of(broken).is_err_and(|error| error.contains("Secret outrigger-seal")));
        }
        let made = secret(vec![1; 32]);
        assert!(read(&made).unwrap().verifying().required, "a new Secret");
    }
}
