//! What goes back to a caller.

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// An answer's body: whole, or as it comes.
pub type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;
