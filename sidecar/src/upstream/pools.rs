//! The connection pools of a policy. The next policy finds them by their destination.

use std::collections::HashMap;
use std::sync::Arc;

use super::Endpoint;
use super::pool::Pool;
use super::proxy::Proxy;

/// Where connections go, and the authorities that they trust. Providers with the same destination share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub endpoint: Endpoint,
    pub proxy: Option<Arc<Proxy>>,
    /// PEM; absent for the public authorities.
    pub authorities: Option<String>,
}

/// All pools by destination.
#[derive(Debug, Default)]
pub struct Pools(HashMap<Destination, Arc<Pool>>);

/// The pools of a policy that is being built: existing ones and new ones.
#[derive(Debug)]
pub struct Draft<'a> {
    existing: &'a Pools,
    pools: HashMap<Destination, (Arc<Pool>, bool)>,
}

impl Draft<'_> {
    /// The pool of a destination. It is kept warm if anybody who uses it wants that.
    ///
    /// # Errors
    /// When its authorities can't be used.
    pub fn get(&mut self, destination: Destination, warm: bool) -> Result<Arc<Pool>, super::TlsError> {
        if let Some((pool, wanted)) = self.pools.get_mut(&destination) {
            *wanted |= warm;
            return Ok(Arc::clone(pool));
        }
        let pool = match self.existing.0.get(&destination) {
            Some(pool) => Arc::clone(pool),
            None => {
                let Destination { endpoint, proxy, authorities } = destination.clone();
                Arc::new(Pool::new(endpoint, proxy, super::trust(authorities.as_deref())?))
            }
        };
        self.pools.insert(destination, (Arc::clone(&pool), warm));
        Ok(pool)
    }

    /// Completes the pools of the new policy. Unused pools are dropped, and end with their last request.
    pub fn complete(self) -> Pools {
        let settle = |(destination, (pool, warm)): (Destination, (Arc<Pool>, bool))| {
            pool.keep_warm(warm);
            (destination, pool)
        };
        Pools(self.pools.into_iter().map(settle).collect())
    }
}

impl Pools {
    /// Begins the pools of another policy. Nothing changes until they are complete.
    #[must_use]
    pub fn draft(&self) -> Draft<'_> {
        Draft { existing: self, pools: HashMap::new() }
    }

    /// All pools, to keep them warm.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Pool>> {
        self.0.values().cloned().collect()
    }
}
