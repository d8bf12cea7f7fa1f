//! OpenAI's responses API. Its answers and streams pass through; nothing is translated yet.

pub(crate) mod watch;
