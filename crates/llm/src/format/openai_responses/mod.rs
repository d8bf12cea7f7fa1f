//! OpenAI's Responses API, as callers write it. Servers that have this API get the caller's bytes; for all others a
//! request becomes a conversation, and the answer is written as a response.
//!
//! | file | holds |
//! |---|---|
//! | `request`, `items`, `content`, `tools` | a request, from its body to its input items and tools |
//! | `fields` | how each field is handled towards other formats |
//! | `reasoning` | thoughts as reasoning items |
//! | `named_tools` | the names of tools that only this API has, as the functions that other formats have |
//! | `settings` | what an answer repeats of its request |
//! | `output` | the items of an answer |
//! | `response`, `stream` | answers, whole and as events |
//! | `watch` | answers and streams that pass through |

pub(crate) mod content;
pub mod errors;
pub mod fields;
pub(crate) mod items;
pub mod marks;
pub(crate) mod named_tools;
mod output;
pub(crate) mod reasoning;
pub mod request;
pub mod response;
pub(crate) mod settings;
pub mod stream;
pub(crate) mod tools;
mod usage;
pub(crate) mod watch;
