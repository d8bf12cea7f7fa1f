//! Builds filters from a policy's list.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use outrigger_policy::{FilterDoc, Printable};
use serde_json::Value;
use thiserror::Error;

use super::{Filter, Filters};

/// Builds a filter from its settings, or returns what is wrong with them.
type BuildFilter = dyn Fn(&Value) -> Result<Arc<dyn Filter>, String> + Send + Sync;

/// The types of filters that a gateway supports. None by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct FilterTypes(BTreeMap<&'static str, Arc<BuildFilter>>);

/// Why a filter of a policy's list cannot be built.
#[derive(Debug, Error)]
#[error("filters[{index}]: {problem}")]
pub struct FilterError {
    /// The index in the list.
    pub index: usize,
    pub problem: String,
}

impl FilterTypes {
    /// Adds a type under the name that policies use. `build` is called for each entry of each policy's list. State that
    /// outlives a policy, such as the content of a cache, belongs to `build` itself.
    #[must_use]
    pub fn with(
        mut self,
        name: &'static str,
        build: impl Fn(&Value) -> Result<Arc<dyn Filter>, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name, Arc::new(build));
        self
    }

    /// Builds the filters of a policy, in its order.
    ///
    /// # Errors
    /// [`FilterError`]: an unknown type, or settings that its type rejects.
    pub(crate) fn build(&self, listed: &[FilterDoc]) -> Result<Filters, FilterError> {
        let one = |(index, doc): (usize, &FilterDoc)| {
            let built = match self.0.get(&*doc.kind) {
                Some(build) => build(&doc.settings),
                None => Err(format!("this gateway has no filter of type `{}`", Printable(&doc.kind))),
            };
            built.map_err(|problem| FilterError { index, problem })
        };
        Ok(Filters::new(listed.iter().enumerate().map(one).collect::<Result<_, _>>()?))
    }
}

impl fmt::Debug for FilterTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
