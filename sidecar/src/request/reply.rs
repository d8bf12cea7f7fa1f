//! The body of a response.

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// The body of a response, whole or streamed.
pub type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;
