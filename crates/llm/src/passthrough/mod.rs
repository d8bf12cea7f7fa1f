//! Bodies and streams in the caller's own format: read, edited in a few places, never rebuilt.

pub mod adapt;
pub mod caching;
pub mod content;
pub mod needs;
pub mod observation;
pub mod other_answers;
pub mod scan;
pub mod strip_marks;
pub mod summary;
pub mod tool_calls;
pub mod watch;
