//! The catalogues that users write, and which of them apply to a provider.

use typed_index_collections::TiVec;

use crate::catalogue::model::{Model, ModelNames};
use crate::document::{CatalogueDoc, Document};
use crate::index::ProviderIndex;

/// The catalogues of a policy.
#[derive(Debug)]
pub(crate) struct Catalogues {
    all: Vec<(Vec<Model>, ModelNames)>,
    /// By provider: indexes of `all`, in order of precedence.
    of: TiVec<ProviderIndex, Vec<usize>>,
}

impl Catalogues {
    pub fn build(document: &Document) -> Catalogues {
        let all = document.catalogues.iter().map(|doc| {
            let models: Vec<Model> = doc.models.iter().map(Model::of).collect();
            let names = ModelNames::of(&models);
            (models, names)
        });
        let positions = |wanted: &dyn Fn(&CatalogueDoc) -> bool| {
            let found = document.catalogues.iter().enumerate().filter(|(_, doc)| wanted(doc));
            found.map(|(position, _)| position).collect::<Vec<_>>()
        };
        let of = document.providers.iter().map(|provider| {
            let near = |doc: &CatalogueDoc| doc.namespace == provider.namespace;
            let mut told_by = positions(&near);
            told_by.extend(positions(&|doc| doc.everywhere && !near(doc)));
            told_by
        });
        Catalogues { all: all.collect(), of: of.collect() }
    }

    pub fn of(&self, provider: ProviderIndex) -> impl Iterator<Item = &(Vec<Model>, ModelNames)> {
        self.of.get(provider).into_iter().flatten().filter_map(|position| self.all.get(*position))
    }
}
