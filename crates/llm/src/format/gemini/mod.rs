//! The Gemini dialect: `generateContent` and `streamGenerateContent`, as Google's Gemini API and
//! Vertex AI speak it.
//!
//! Google's servers take every field in camelCase and in snake_case; so does [`request::decode`].
//! Paths in errors and in [`fields`] are camelCase. Sources: the `google-genai` SDK (`types.py`,
//! `models.py`) and ai.google.dev.

pub mod embeddings;
pub(crate) mod errors;
pub mod fields;
mod finish;
pub(crate) mod listing;
pub(crate) mod marks;
pub mod model_names;
mod parts;
pub(crate) mod reader;
pub mod request;
pub mod response;
mod schema;
pub mod stream;
mod usage;
pub(crate) mod watch;

pub(crate) use reader::FieldReader;

#[cfg(test)]
mod tests;
