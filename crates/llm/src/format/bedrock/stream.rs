//! The event stream of `ConverseStream`: decodes it from an upstream and encodes it for a caller.
//!
//! ```text
//! messageStart
//!   (contentBlockStart  only of tools
//!    contentBlockDelta…
//!    contentBlockStop)…
//! messageStop            the stop reason
//! metadata               usage
//! ```

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;

#[cfg(test)]
mod tests;
