//! How a stream is cut into events.

/// The framing of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
}

pub mod json_array;
pub mod sse;
