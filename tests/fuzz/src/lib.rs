//! The fuzz targets: one function for each reader of foreign bytes. A function panics if the reader does, or if the
//! reader breaks a promise.
//!
//! `fuzz/` gives these functions to libFuzzer (`make fuzz READER=sse`). `tests/seeds.rs` calls them with the inputs in
//! `fuzz/seeds/` and with variations of those, as ordinary tests.

mod aws_chunks;
mod aws_event_stream;
mod json_lines;
mod lines;
mod passthrough;
mod scanner;
mod sse;
mod translation;
mod vectors;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Also the name of its folder in `fuzz/seeds/` and of its file in `fuzz/fuzz_targets/`.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All fuzz targets.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "sse", run: sse::events },
    FuzzTarget { name: "openai_request", run: translation::openai_request },
    FuzzTarget { name: "anthropic_request", run: translation::anthropic_request },
    FuzzTarget { name: "gemini_request", run: translation::gemini_request },
    FuzzTarget { name: "bedrock_request", run: translation::bedrock_request },
    FuzzTarget { name: "cohere_request", run: translation::cohere_request },
    FuzzTarget { name: "ollama_request", run: translation::ollama_request },
    FuzzTarget { name: "ollama_generate_request", run: translation::ollama_generate_request },
    FuzzTarget { name: "responses_request", run: translation::responses_request },
    FuzzTarget { name: "openai_response", run: translation::openai_response },
    FuzzTarget { name: "anthropic_response", run: translation::anthropic_response },
    FuzzTarget { name: "gemini_response", run: translation::gemini_response },
    FuzzTarget { name: "bedrock_response", run: translation::bedrock_response },
    FuzzTarget { name: "cohere_response", run: translation::cohere_response },
    FuzzTarget { name: "ollama_response", run: translation::ollama_response },
    FuzzTarget { name: "openai_stream", run: translation::openai_stream },
    FuzzTarget { name: "anthropic_stream", run: translation::anthropic_stream },
    FuzzTarget { name: "gemini_stream", run: translation::gemini_stream },
    FuzzTarget { name: "bedrock_stream", run: translation::bedrock_stream },
    FuzzTarget { name: "cohere_stream", run: translation::cohere_stream },
    FuzzTarget { name: "ollama_stream", run: translation::ollama_stream },
    FuzzTarget { name: "embeddings", run: vectors::embeddings },
    FuzzTarget { name: "rerank", run: vectors::rerank },
    FuzzTarget { name: "aws_event_stream", run: aws_event_stream::events },
    FuzzTarget { name: "aws_chunks", run: aws_chunks::events },
    FuzzTarget { name: "marks", run: passthrough::marks },
    FuzzTarget { name: "json_lines", run: json_lines::events },
    FuzzTarget { name: "scanner", run: scanner::body },
    FuzzTarget { name: "sync_lines", run: lines::both },
];

/// Runs one of [`TARGETS`].
///
/// # Panics
/// If there is no such target, or if the input breaks a promise.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "no target is named {name}");
    target.iter().for_each(|target| (target.run)(input));
}

/// Splits the input into chunks; the first byte decides their size. The result of a reader must not depend on it.
fn chunks(input: &[u8]) -> std::slice::Chunks<'_, u8> {
    let size = input.first().map_or(1, |byte| usize::from(byte % 16) + 1);
    input.chunks(size)
}
