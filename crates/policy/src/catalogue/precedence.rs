//! What is known of a provider's models, and who is believed: the provider's own entry, then a `ModelCatalog` of its
//! namespace, then one that tells everywhere, then the built-in catalogue. Each is asked for each figure: an entry
//! that says nothing of prices leaves that to the next.

use outrigger_core::Capabilities;

use crate::catalogue::model::{Model, ModelNames};
use crate::catalogue::{CatalogueEntry, lookup, resold};
use crate::index::ProviderIndex;
use crate::policy::{Policy, Provider};
use crate::prices::Price;

impl Policy {
    /// What a model costs at a provider: by what is known of it, else the provider's default. `model` is any of its
    /// names.
    #[must_use]
    pub fn price(&self, provider: ProviderIndex, model: &str) -> Option<&Price> {
        self.known(provider, model, |model| model.price.as_ref(), |entry| entry.price)
            .or_else(|| self.providers.get(provider)?.default_price.as_ref())
    }

    /// Tokens that fit into a model's context.
    #[must_use]
    pub fn context_window(&self, provider: ProviderIndex, model: &str) -> Option<u32> {
        let some = |tokens: u32| Some(tokens).filter(|tokens| *tokens > 0);
        self.known(provider, model, |model| model.context_window.and_then(some), |entry| some(entry.context_window))
    }

    /// The most tokens that a model answers with.
    #[must_use]
    pub fn max_output_tokens(&self, provider: ProviderIndex, model: &str) -> Option<u32> {
        let some = |tokens: u32| Some(tokens).filter(|tokens| *tokens > 0);
        let built_in = |entry: &CatalogueEntry| some(entry.max_output_tokens);
        self.known(provider, model, |model| model.max_output_tokens.and_then(some), built_in)
    }

    /// What a model can do.
    #[must_use]
    pub fn capabilities(&self, provider: ProviderIndex, model: &str) -> Option<Capabilities> {
        self.known(provider, model, |model| model.capabilities, |entry| Some(entry.capabilities))
    }

    /// The first answer by precedence. What users wrote is asked by their name for the model before the provider's;
    /// the built-in catalogue the other way around, since it is the provider that bills.
    fn known<'p, T>(
        &'p self,
        provider: ProviderIndex,
        name: &str,
        said: impl Fn(&'p Model) -> Option<T>,
        built_in: impl Fn(&'static CatalogueEntry) -> Option<T>,
    ) -> Option<T> {
        let at: &Provider = self.providers.get(provider)?;
        let entry = at.model(name);
        if let Some(answer) = entry.or_else(|| at.pattern(name)).and_then(&said) {
            return Some(answer);
        }
        let own = entry.map_or(name, |model| &*model.name);
        let upstream = entry.and_then(|model| model.upstream_name.as_deref()).unwrap_or(own);
        let in_catalogue = |(models, names): &'p (Vec<Model>, ModelNames)| {
            [own, upstream, name].into_iter().find_map(|name| said(models.get(names.place(name)?)?))
        };
        self.catalogues.of(provider).find_map(in_catalogue).or_else(|| {
            let entry = |name: &str| lookup(&at.kind, name).or_else(|| resold::entry(&at.kind, name));
            [upstream, own, name].into_iter().find_map(|name| built_in(entry(name)?))
        })
    }
}
