//! Server-sent events: a reader that takes every legal framing, split anywhere.
//!
//! Fed with chunks as they come from a socket, it gives whole events together with the bytes that
//! they stood in, so that a relay can pass those on untouched. CR, LF and CRLF end lines; a byte
//! order mark may stand first; comments and unknown fields are kept in the bytes and otherwise
//! ignored; `data` lines are joined with a line feed.

/// One dispatched event, or a block without data (comments, pings) that must be passed on as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; empty when absent.
    pub name: String,
    /// The `data:` lines, joined by line feeds. `None` when the block had no data line.
    pub data: Option<String>,
    /// The bytes of the block as they came, its ending blank line included.
    pub raw: Vec<u8>,
}

/// Reads a stream, chunk by chunk. Holds at most one unfinished block.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// How far `buffer` was searched for the end of the block.
    searched: usize,
}
