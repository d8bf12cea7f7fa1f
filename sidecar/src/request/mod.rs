//! The request as it was received, and building blocks of its answer.

pub(crate) mod answer_events;
pub(crate) mod body;
pub(crate) mod client_timeouts;
pub(crate) mod context;
pub(crate) mod conversation;
pub(crate) mod headers;
pub(crate) mod parse;
pub mod parsed_request;
pub(crate) mod query;
pub(crate) mod reframing;
pub mod refusal;
pub(crate) mod reply;
pub(crate) mod serialize;
pub mod session;
pub(crate) mod translation;
pub(crate) mod whole_body;
