//! How a stream is cut into events.

pub mod json_array;
pub mod sse;
