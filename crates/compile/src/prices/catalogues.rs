//! ModelCatalogs: facts about models, in addition to those in providers.

use std::collections::HashMap;

use outrigger_crds::CatalogModel;
use outrigger_policy::{CatalogueDoc, ModelDoc};

use super::capabilities;
use crate::findings::finding::Finding;
use crate::objects::number::count;
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::prices;
use crate::read::source::Object;

/// Ordered by precedence: catalogues of a namespace, then those that apply everywhere; each ordered by name.
pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    operator_namespace: &str,
    findings: &mut Vec<Finding>,
) -> Vec<CatalogueDoc> {
    let mut priced: HashMap<(&str, &str), &Object> = HashMap::new();
    let mut catalogues: Vec<CatalogueDoc> = Vec::new();
    for ReadObject { object, typed } in sorted.catalogs.values() {
        for (index, model) in typed.spec.models.iter().enumerate() {
            if let Some(first) = priced.get(&(object.namespace.as_str(), model.name.as_str())) {
                let message = format!("{} lists `{}`, too, and takes precedence: keep one", first.label(), model.name);
                findings.push(object.warning(&format!("spec.models[{index}].name"), message));
            } else {
                priced.insert((&object.namespace, &model.name), object);
            }
        }
        catalogues.push(CatalogueDoc {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            everywhere: object.namespace == operator_namespace,
            models: typed.spec.models.iter().map(model).collect(),
        });
    }
    catalogues.sort_by_key(|catalogue| catalogue.everywhere);
    catalogues
}

fn model(model: &CatalogModel) -> ModelDoc {
    ModelDoc {
        name: model.name.clone(),
        context_window: model.context_window.map(count),
        max_output_tokens: model.max_output_tokens.map(count),
        capabilities: capabilities(&model.capabilities),
        price: model.price.as_ref().map(prices::compile),
        ..ModelDoc::default()
    }
}
