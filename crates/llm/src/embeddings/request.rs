//! A request for embeddings and its answer, of no dialect.

use std::borrow::Cow;

use serde_json::Number;

use crate::chat::JsonObject;
use crate::usage::Usage;

/// A request for embeddings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingsRequest<'a> {
    /// At least one.
    pub inputs: Vec<EmbeddingInput<'a>>,
    /// The number of dimensions of each vector.
    pub dimensions: Option<u64>,
    pub form: AnswerForm,
    /// Other fields, by the paths of the caller's table: see [`super::fields`].
    pub fields: Vec<String>,
}

/// A text that becomes a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingInput<'a> {
    pub text: Cow<'a, str>,
    pub task: Option<Task>,
}

/// What a vector is for. Some models embed questions and documents differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Query,
    Document,
    Similarity,
    Classification,
    Clustering,
}

/// The form of the vectors in the caller's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerForm {
    /// A list of vectors, and not a single one.
    pub batch: bool,
    /// As lists of numbers.
    pub float: bool,
    /// As Base64 of little-endian 32-bit floats, which OpenAI's own SDKs request.
    pub base64: bool,
}

impl Default for AnswerForm {
    fn default() -> Self {
        AnswerForm { batch: true, float: true, base64: false }
    }
}

/// A request written for an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedEmbeddings {
    pub body: JsonObject,
    /// Whether Gemini gets it as a batch.
    pub batch: bool,
    /// The caller's fields that were omitted because they are hints.
    pub left_out: Vec<String>,
}

/// An answer with embeddings, in the order of the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingsAnswer {
    pub vectors: Vec<Vec<Number>>,
    pub usage: Usage,
}

impl<'a> EmbeddingsRequest<'a> {
    /// The task of all inputs; `Err` if they differ.
    pub(super) fn task(&self) -> Result<Option<Task>, ()> {
        let mut tasks = self.inputs.iter().map(|input| input.task);
        let first = tasks.next().flatten();
        if tasks.all(|task| task == first) { Ok(first) } else { Err(()) }
    }
}

impl<'a> From<&'a str> for EmbeddingInput<'a> {
    fn from(text: &'a str) -> Self {
        EmbeddingInput { text: Cow::Borrowed(text), task: None }
    }
}
