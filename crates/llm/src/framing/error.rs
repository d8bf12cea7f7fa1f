//! Why a stream can't be read any further.

/// Why a stream can't be read any further. It should be abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("an event without an end")]
    Endless,
    #[error("a message is too long")]
    TooLong,
    #[error("the lengths in a message contradict each other")]
    Lengths,
    #[error("the checksum of a message's lengths is wrong")]
    PreludeChecksum,
    #[error("the checksum of a message is wrong")]
    Checksum,
    #[error("the headers of a message are not valid")]
    Headers,
    #[error("a chunk contains no event")]
    Chunk,
}
