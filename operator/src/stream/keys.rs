//! The public keys by which the cluster signs tokens. They are kept while the API server cannot be reached.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::cluster::{ClusterError, TokenAuthority};

/// Keys are rotated within days, and withdrawn ones should not be trusted for long.
const FRESH: Duration = Duration::from_secs(300);
/// Any client can name a key that does not exist.
const PAUSE: Duration = Duration::from_secs(10);
const KEYS_MAX: usize = 64;

/// The published keys of the cluster.
#[derive(Clone, Debug)]
pub struct PublishedKeys {
    pub issuer: String,
    keys: HashMap<String, IssuerKey>,
}

/// A key, and the one algorithm that it is for.
#[derive(Clone)]
pub struct IssuerKey {
    pub key: DecodingKey,
    pub algorithm: Algorithm,
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl PublishedKeys {
    /// From the discovery document and the set of keys. Keys of an unknown kind, and those beyond the maximum, are
    /// omitted: the API server, which has them all, reviews their tokens.
    ///
    /// # Errors
    /// [`ClusterError::Unreadable`].
    pub fn read(discovery: &str, jwks: &str) -> Result<Self, ClusterError> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
        }
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<serde_json::Value>,
        }
        let Discovery { issuer } =
            serde_json::from_str(discovery).map_err(|_| ClusterError::Unreadable("the discovery document"))?;
        let KeySet { keys } = serde_json::from_str(jwks).map_err(|_| ClusterError::Unreadable("the set of keys"))?;
        let keys = keys.into_iter().take(KEYS_MAX).filter_map(key).collect();
        Ok(PublishedKeys { issuer, keys })
    }

    #[must_use]
    pub fn key(&self, id: &str) -> Option<&IssuerKey> {
        self.keys.get(id)
    }
}

fn key(value: serde_json::Value) -> Option<(String, IssuerKey)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    // Never from the token: the key determines the algorithm.
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => match jwk.common.key_algorithm {
            None | Some(KeyAlgorithm::RS256) => Algorithm::RS256,
            Some(KeyAlgorithm::RS384) => Algorithm::RS384,
            Some(KeyAlgorithm::RS512) => Algorithm::RS512,
            Some(_) => return None,
        },
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        _ => return None,
    };
    Some((jwk.common.key_id.clone()?, IssuerKey { key: DecodingKey::from_jwk(&jwk).ok()?, algorithm }))
}

/// The last available ones.
#[derive(Debug)]
pub struct IssuerKeys {
    cluster: Arc<dyn TokenAuthority>,
    current: ArcSwapOption<PublishedKeys>,
    last_fetch: Mutex<Option<LastFetch>>,
}

#[derive(Clone, Copy, Debug)]
struct LastFetch {
    at: Instant,
    answered: bool,
}

impl IssuerKeys {
    #[must_use]
    pub fn new(cluster: Arc<dyn TokenAuthority>) -> Self {
        IssuerKeys { cluster, current: ArcSwapOption::empty(), last_fetch: Mutex::new(None) }
    }

    /// The set with this key. Fetches it again if the key is missing, but not often. `None` if there is no such key, or
    /// none that can be used here, or if the cluster's keys were recently unavailable.
    pub async fn find(&self, id: &str) -> Option<Arc<PublishedKeys>> {
        if let Some(published) = self.held(id) {
            return Some(published);
        }
        self.fetch().await;
        self.held(id)
    }

    /// Fetches again every few minutes, and more often while there is no answer.
    pub async fn keep_fresh(&self) {
        loop {
            let pause = if self.fetch().await { FRESH } else { PAUSE };
            tokio::time::sleep(pause).await;
        }
    }

    fn held(&self, id: &str) -> Option<Arc<PublishedKeys>> {
        self.current.load_full().filter(|published| published.key(id).is_some())
    }

    /// Whether the cluster answered the last request, which was made now or a moment ago.
    async fn fetch(&self) -> bool {
        // Held during the request: concurrent callers share the answer.
        let mut last = self.last_fetch.lock().await;
        if let Some(LastFetch { at, answered }) = *last
            && at.elapsed() < PAUSE
        {
            return answered;
        }
        let answer = self.cluster.published().await;
        *last = Some(LastFetch { at: Instant::now(), answered: answer.is_ok() });
        match answer {
            Ok(published) => {
                self.current.store(Some(Arc::new(published)));
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the cluster's keys for tokens can't be read; the known ones stay in use");
                false
            }
        }
    }
}
