//! A model as described in a provider's entry or a catalogue, and an index of models by name.

use std::sync::Arc;

use hashbrown::HashMap;
use outrigger_core::Capabilities;

use crate::document::ModelDoc;
use crate::prices::Price;
use crate::text::glob::is_pattern;

#[derive(Debug)]
pub struct Model {
    pub name: Arc<str>,
    pub aliases: Vec<String>,
    pub upstream_name: Option<Arc<str>>,
    pub context_window: Option<u32>,
    pub max_output_tokens: Option<u32>,
    pub capabilities: Option<Capabilities>,
    pub price: Option<Price>,
}

impl Model {
    pub(crate) fn of(doc: &ModelDoc) -> Model {
        Model {
            name: Arc::from(doc.name.as_str()),
            aliases: doc.aliases.clone(),
            upstream_name: doc.upstream_name.as_deref().map(Arc::from),
            context_window: doc.context_window,
            max_output_tokens: doc.max_output_tokens,
            capabilities: doc.capabilities.as_ref().map(|words| {
                // Capabilities of newer versions are ignored: this version never asks for them.
                let known = words.iter().filter_map(|word| Capabilities::from_name(word));
                known.fold(Capabilities::default(), |all, one| all | one)
            }),
            price: doc.price.clone(),
        }
    }
}

/// Models by name and alias. A name takes precedence over an alias, and an earlier model over a later one. Each request
/// makes some twenty lookups; the standard library's hasher would cost two percent of a request.
#[derive(Debug, Default)]
pub(crate) struct ModelNames(HashMap<Box<str>, usize>);

impl ModelNames {
    pub fn of(models: &[Model]) -> ModelNames {
        let mut names = HashMap::with_capacity(models.len());
        for (position, model) in models.iter().enumerate().filter(|(_, model)| !is_pattern(&model.name)) {
            names.entry(Box::from(&*model.name)).or_insert(position);
        }
        for (position, model) in models.iter().enumerate() {
            for alias in &model.aliases {
                names.entry(Box::from(alias.as_str())).or_insert(position);
            }
        }
        ModelNames(names)
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}
