//! The Gemini dialect: `generateContent` and `streamGenerateContent` of Google's Gemini API and Vertex AI.
//!
//! Google's servers accept every field in camelCase and in snake_case, and so does [`request::decode`]. Paths in errors
//! and in [`fields`] are in camelCase. Sources: the `google-genai` SDK (`types.py`, `models.py`) and ai.google.dev.

mod citations;
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
