//! A request to rerank documents and its answer, of no dialect.

use std::borrow::Cow;

use serde_json::{Number, json};

use crate::chat::JsonObject;
use crate::usage::Usage;

/// A request to rerank documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RerankRequest<'a> {
    pub query: &'a str,
    /// At least one.
    pub documents: Vec<Cow<'a, str>>,
    /// The number of results that the caller wants. Absent: all.
    pub top_n: Option<u64>,
    /// Whether the answer repeats the documents.
    pub returns_documents: bool,
    /// Other fields, by the paths of the caller's table: see [`super::fields`].
    pub fields: Vec<String>,
}

/// An answer, the most relevant document first.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankAnswer {
    pub results: Vec<Ranked>,
    pub usage: Usage,
}

/// A document of the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its place among the request's documents.
    pub index: u64,
    pub score: Number,
}

impl RerankRequest<'_> {
    /// The body, which both forms write in the same way. The gateway repeats the documents itself.
    pub(super) fn encode(&self, model: &str) -> JsonObject {
        let mut body = JsonObject::new();
        body.insert("model".to_owned(), json!(model));
        body.insert("query".to_owned(), json!(self.query));
        body.insert("documents".to_owned(), self.documents.iter().map(|text| json!(text)).collect());
        if let Some(top_n) = self.top_n {
            body.insert("top_n".to_owned(), json!(top_n));
        }
        body
    }
}
