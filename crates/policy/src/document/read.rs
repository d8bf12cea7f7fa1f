//! Reads a document that another version may have written. Errors name the object that can't be read.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{BudgetDoc, CatalogueDoc, Document, FORMAT, FORMAT_SHARED, FORMATS, KeyDoc, ProviderDoc, RuleDoc};

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error(
        "the policy has format {found}, and this version reads {FORMAT} and {FORMAT_SHARED}: bring gateways and operator \
         within two minor versions of each other"
    )]
    Format { found: u32 },
    /// The first object that can't be read.
    #[error("{object}: {message}")]
    Object { object: String, message: String },
    #[error("{0}")]
    Json(String),
}

impl Document {
    /// Reads a document. Unknown fields are ignored; known fields must be valid.
    ///
    /// # Errors
    /// [`ReadError`], with the object if the problem is in one.
    pub fn read(json: &[u8]) -> Result<Self, ReadError> {
        serde_json::from_slice(json).map_err(|error| why(json, &error))
    }
}

/// The field that all formats have.
#[derive(Deserialize)]
struct Formatted {
    format: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DocumentHeader<'a> {
    #[serde(borrow)]
    providers: Vec<&'a RawValue>,
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
    #[serde(borrow)]
    rules: Vec<&'a RawValue>,
    #[serde(borrow)]
    budgets: Vec<&'a RawValue>,
    #[serde(borrow)]
    catalogues: Vec<&'a RawValue>,
}

fn why(json: &[u8], error: &serde_json::Error) -> ReadError {
    match serde_json::from_slice::<Formatted>(json) {
        Ok(Formatted { format }) if !FORMATS.contains(&format) => return ReadError::Format { found: format },
        _ => {}
    }
    let Ok(sketch) = serde_json::from_slice::<DocumentHeader<'_>>(json) else {
        return ReadError::Json(error.to_string());
    };
    first::<ProviderDoc>("LLMProvider", &sketch.providers)
        .or_else(|| first::<KeyDoc>("VirtualKey", &sketch.keys))
        .or_else(|| first::<RuleDoc>("RoutingRule", &sketch.rules))
        .or_else(|| first::<BudgetDoc>("Budget", &sketch.budgets))
        .or_else(|| first::<CatalogueDoc>("ModelCatalog", &sketch.catalogues))
        .unwrap_or_else(|| ReadError::Json(error.to_string()))
}

/// The first object of a kind that can't be read.
fn first<D: DeserializeOwned>(kind: &str, objects: &[&RawValue]) -> Option<ReadError> {
    #[derive(Deserialize)]
    struct NamedObject {
        #[serde(default)]
        namespace: String,
        #[serde(default)]
        name: String,
    }
    objects.iter().find_map(|object| {
        let message = serde_json::from_slice::<D>(object.get().as_bytes()).err()?.to_string();
        // A position in a part of the document would be misleading.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
        let object = match serde_json::from_slice::<NamedObject>(object.get().as_bytes()) {
            Ok(NamedObject { namespace, name }) => format!("{kind} {namespace}/{name}"),
            Err(_) => kind.to_owned(),
        };
        Some(ReadError::Object { object, message })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(json: &str) -> String {
        Document::read(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let json = r#"{"format":1,"sequence":3,"providers":[],"keys":[{"namespace":"a","name":"b","providers":[],
            "extraFields":true,"allowedWorkloads":[{"serviceAccount":"x"}]}],"mood":"good"}"#;
        let document = Document::read(json.as_bytes()).unwrap();
        assert_eq!((document.sequence, document.keys[0].name.as_str()), (3, "b"));
    }

    #[test]
    fn limits_are_per_gateway_unless_the_document_shares_them() {
        let own = Document { format: FORMAT, ..Document::default() };
        assert!(!serde_json::to_string(&own).unwrap().contains("ledger"), "older gateways get no new field");
        let shared = own.clone().shared();
        let json = serde_json::to_string(&shared).unwrap();
        assert!(json.starts_with(r#"{"format":2,"#) && json.contains(r#""ledger":"Shared""#), "{json}");
        assert_eq!(Document::read(json.as_bytes()), Ok(shared));
        // An unknown way of sharing must not be ignored.
        assert!(error_of(&json.replace("Shared", "Lent")).contains("unknown variant `Lent`"));
    }

    #[test]
    fn errors_name_the_object_that_cannot_be_read() {
        let broken = r#"{"format":1,"sequence":3,"providers":[],"keys":[
            {"namespace":"a","name":"b","providers":[],"extraFields":true},
            {"namespace":"a","name":"c","providers":[],"extraFields":true,"onHangUp":"Sing"}]}"#;
        let error_of_one = error_of(broken);
        assert!(error_of_one.starts_with("VirtualKey a/c: unknown variant `Sing`"), "{error_of_one}");
        assert!(!error_of_one.contains("line"), "{error_of_one}");
        // Another format is reported as such, whatever its fields are.
        assert!(error_of(r#"{"format":3,"providers":{"all":"new"}}"#).contains("format 3"));
        assert!(error_of(r#"{"format":3,"keys":[]}"#).contains("format 3"));
        assert!(error_of("{").contains("EOF"));
        assert!(error_of("{}").contains("missing field"));
    }
}
