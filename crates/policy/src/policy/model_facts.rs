//! Facts about a provider's models, and their precedence: the provider's own entry, then a `ModelCatalog` of its
//! namespace, then one that applies everywhere, then the built-in catalogue. Each fact is looked up separately: if an
//! entry has no price, the next source is used.

use outrigger_core::Capabilities;

use crate::catalogue::model::{Model, ModelNames};
use crate::catalogue::{CatalogueEntry, lookup_in, resold};
use crate::index::ProviderIndex;
use crate::policy::{Policy, Provider};
use crate::prices::Price;

impl Policy {
    /// The price of a model at a provider: from the first source that has one, else the provider's default. `model` is
    /// any of its names. `None` where callers pay by themselves.
    #[must_use]
    pub fn price(&self, provider: ProviderIndex, model: &str) -> Option<&Price> {
        let own = self.providers.get(provider).filter(|own| !own.caller_credential)?;
        self.known(provider, model, |model| model.price.as_ref(), |entry| entry.price).or(own.default_price.as_ref())
    }

    /// The tokens that fit into a model's context.
    #[must_use]
    pub fn context_window(&self, provider: ProviderIndex, model: &str) -> Option<u32> {
        let some = |tokens: u32| Some(tokens).filter(|tokens| *tokens > 0);
        self.known(provider, model, |model| model.context_window.and_then(some), |entry| some(entry.context_window))
    }

    /// The most output tokens of a model.
    #[must_use]
    pub fn max_output_tokens(&self, provider: ProviderIndex, model: &str) -> Option<u32> {
        let some = |tokens: u32| Some(tokens).filter(|tokens| *tokens > 0);
        let built_in = |entry: &CatalogueEntry| some(entry.max_output_tokens);
        self.known(provider, model, |model| model.max_output_tokens.and_then(some), built_in)
    }

    /// The capabilities of a model.
    #[must_use]
    pub fn capabilities(&self, provider: ProviderIndex, model: &str) -> Option<Capabilities> {
        self.known(provider, model, |model| model.capabilities, |entry| entry.capabilities)
    }

    /// The first source that has the fact, in order of precedence. Sources that users write are searched by the users'
    /// name for the model first, then by the provider's. The built-in catalogue is searched in the opposite order,
    /// because the provider bills.
    fn known<'p, T>(
        &'p self,
        provider: ProviderIndex,
        name: &str,
        fact_of: impl Fn(&'p Model) -> Option<T>,
        built_in: impl Fn(&CatalogueEntry) -> Option<T>,
    ) -> Option<T> {
        let at: &Provider = self.providers.get(provider)?;
        let entry = at.model(name);
        if let Some(answer) = entry.or_else(|| at.pattern(name)).and_then(&fact_of) {
            return Some(answer);
        }
        let own = entry.map_or(name, |model| &*model.name);
        let upstream = entry.and_then(|model| model.upstream_name.as_deref()).unwrap_or(own);
        let in_catalogue = |(models, names): &'p (Vec<Model>, ModelNames)| {
            [own, upstream, name].into_iter().find_map(|name| fact_of(models.get(names.position(name)?)?))
        };
        self.catalogues.of(provider).find_map(in_catalogue).or_else(|| {
            let region = at.bedrock.as_ref().map_or("", |bedrock| &bedrock.region);
            let fact = |name: &str| {
                let entries = [resold::entry(&at.kind, name), lookup_in(&at.kind, region, name)];
                entries.iter().flatten().find_map(&built_in)
            };
            [upstream, own, name].into_iter().find_map(fact)
        })
    }
}
