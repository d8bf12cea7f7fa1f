//! One folder for each wire format: its requests, answers, streams, fields, usage and errors.
//!
//! Only [`crate::registry`] names all of them.

pub mod anthropic;
pub mod bedrock;
mod block_queue;
pub mod cohere;
pub mod gemini;
pub(crate) mod marks;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
pub(crate) mod turns;
