//! From a policy's list to filters: which types there are, and how one of each is built.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use outrigger_policy::{FilterDoc, Printable};
use serde_json::Value;
use thiserror::Error;

use super::{Filter, Filters};

/// Builds a filter from its settings, or says what is wrong with them.
type BuildFilter = dyn Fn(&Value) -> Result<Arc<dyn Filter>, String> + Send + Sync;

/// The types of filters that a gateway knows. None by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct FilterTypes(BTreeMap<&'static str, Arc<BuildFilter>>);

/// Why a policy's list can't be built.
#[derive(Debug, Error)]
#[error("filters[{index}]: {problem}")]
pub struct FilterError {
    /// The place in the list.
    pub index: usize,
    pub problem: String,
}

impl FilterTypes {
    /// With one more, by the name that policies have for it. `build` is called for each place in the list of each policy:
    /// what outlives a policy, such as what a cache holds, it keeps itself.
    #[must_use]
    pub fn with(
        mut self,
        name: &'static str,
        build: impl Fn(&Value) -> Result<Arc<dyn Filter>, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name, Arc::new(build));
        self
    }

    /// The filters of a policy, in its order.
    ///
    /// # Errors
    /// [`FilterError`]: a type that is not known, or settings that its type can't use.
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
