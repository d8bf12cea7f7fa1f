//! Generates `docs/translation.md` from the tables of fields.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_llm::chat::fields::{FieldHandling, FieldRow};
use outrigger_llm::{CallerFormat, Dialect, Format, embeddings, registry, rerank};

const HEAD: &str = "\
# What crosses between dialects

Read this page if your application speaks one API and a provider speaks another one, and you want to
know what happens to a field. Generated from the table in `crates/llm/src/format/*/fields.rs` by
`make docs`; do not edit it by hand.

- [From OpenAI](#from-openai)
- [From Anthropic](#from-anthropic)
- [From Gemini](#from-gemini)
- [From Bedrock](#from-bedrock)
- [From Cohere](#from-cohere)
- [From Ollama](#from-ollama)
- [From OpenAI Responses](#from-openai-responses)
- [From Ollama generate](#from-ollama-generate)
- [Embeddings](#embeddings)
- [Rerank](#rerank)
- [Citations in answers](#citations-in-answers)

If caller and provider speak the same dialect, the bytes of a request go on as they are
([semantics](semantics.md#4-what-is-changed-on-the-way)), and nothing here applies. For OpenAI
Responses that needs a provider that has this API, too ([providers](providers.md)). Otherwise each
field of the request is handled in one of four ways:

- **carried**: the field has the same meaning in the other dialect;
- **adapted**: the other dialect says it in another way; the note says how;
- **hint**: the field is left out, because it cannot change what the answer means. The header
  `x-outrigger-adapted` and the request's record name it;
- **refused**: leaving it out would change the answer. A candidate of that dialect is skipped
  (`unsupported: <field>`). If no other candidate is left, the caller gets a 400
  `unsupported_parameter`.

A field without a row is refused, because the gateway cannot know what it means. `[]` stands for any
index of a list. If the handling depends on the value, the note says which values pass.
";

const EMBEDDINGS: &str = "
## Embeddings

Callers and providers of OpenAI, Gemini (also at Vertex AI), Cohere and Ollama understand each other. The
gateway asks the provider for lists of numbers, and writes the vectors in the encoding that the
caller wants. Cohere takes 96 inputs in one request, Gemini 100, Vertex AI 250: a request with more is
not sent there. Anthropic's API and Bedrock's `Converse` have no embeddings.
";

const RERANK: &str = "
## Rerank

Servers of OpenAI's dialect have the operation that Jina AI made, at `/rerank`; OpenAI itself has none.
Such a request also goes to Cohere, and Cohere's goes to such servers: providers of type Together,
Fireworks, OpenRouter, vLLM, SGLang and OpenAICompatible.
";

const CITATIONS: &str = "
## Citations in answers

What an answer says about its sources reaches callers of other APIs, whole and streamed, as far as
they have a place for it.

| API | read from a provider | written for a caller |
|---|---|---|
| OpenAI | `annotations` with addresses; `search_results` and `citations` of Perplexity | `annotations`: only sources with an address |
| OpenAI Responses | | `annotations`, and `response.output_text.annotation.added`: only sources with an address |
| Anthropic | `citations` and `citations_delta` | the same: places in documents, or else `web_search_result_location` |
| Gemini | `citationMetadata` and `groundingMetadata`, without passages | `groundingMetadata`: of a stream in the last chunk, without passages |
| Bedrock | `citationsContent`, and `citation` of a delta | the same; of a whole answer only places in documents, because callers that asked for none look for text in `text` |
| Cohere | `citations` and `citation-start`: one for each source | the same; of a stream without the text of the passage |
| Ollama | | none: its answers have no place for them |

Anthropic, Bedrock and the streams of both cite a block of text as a whole: its passage is where the
citation begins. A citation that arrives after the text, when a tool call has begun, is left out of
the streams of Anthropic, Bedrock, Cohere and OpenAI Responses. What the gateway wrote into
`encrypted_index` shows it later that the citation is another provider's, and Anthropic is not sent
it. Citations in earlier turns are no part of what another provider is sent.
";

/// Compares a generated document with the committed one, or writes it.
fn is_current(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/{name} is stale: run `UPDATE=1 cargo test -p outrigger-llm --test translation_docs`"
    );
}

fn title(format: Format) -> &'static str {
    match format {
        Format::OpenAiChat => "OpenAI",
        Format::Anthropic => "Anthropic",
        Format::Gemini => "Gemini",
        Format::Bedrock => "Bedrock",
        Format::Cohere => "Cohere",
        Format::Ollama => "Ollama",
    }
}

fn word(handling: FieldHandling) -> &'static str {
    match handling {
        FieldHandling::Carried => "carried",
        FieldHandling::Adapted => "adapted",
        FieldHandling::Hint => "hint",
        FieldHandling::Refused => "**refused**",
    }
}

#[test]
fn translation() {
    let mut text = HEAD.to_owned();
    for caller in CallerFormat::all() {
        let others: Vec<Format> = Format::ALL.into_iter().filter(|other| !caller.is_native_to(*other)).collect();
        let name = match caller {
            CallerFormat::Common(format) => title(format),
            CallerFormat::OpenAiResponses => "OpenAI Responses",
            CallerFormat::OllamaGenerate => "Ollama generate",
        };
        write!(text, "\n## From {name}\n\n").unwrap();
        table(&mut text, &others, registry::fields(caller));
    }
    text.push_str(EMBEDDINGS);
    let embed = |dialect: &Dialect| dialect.has_embeddings();
    for caller in Dialect::ALL.into_iter().filter(embed) {
        let others: Vec<Format> =
            Dialect::ALL.into_iter().filter(embed).filter(|other| *other != caller).map(Dialect::format).collect();
        write!(text, "\n### Embeddings from {}\n\n", title(caller.format())).unwrap();
        table(&mut text, &others, embeddings::fields::of(caller));
    }
    text.push_str(RERANK);
    for caller in Dialect::ALL.into_iter().filter(|caller| !rerank::fields::of(*caller).is_empty()) {
        let others: Vec<Format> =
            [Format::OpenAiChat, Format::Cohere].into_iter().filter(|other| *other != caller.format()).collect();
        write!(text, "\n### Rerank from {}\n\n", title(caller.format())).unwrap();
        table(&mut text, &others, rerank::fields::of(caller));
    }
    text.push_str(CITATIONS);
    is_current("translation.md", &text);
}

fn table(text: &mut String, others: &[Format], fields: &[FieldRow]) {
    text.push_str("| field |");
    others.iter().for_each(|other| write!(text, " to {} |", title(*other)).unwrap());
    writeln!(text, " note |\n|---|{}---|", "---|".repeat(others.len())).unwrap();
    for field in fields {
        write!(text, "| `{}` |", field.path).unwrap();
        others.iter().for_each(|other| write!(text, " {} |", word(field.handling_by_format.towards(*other))).unwrap());
        match field.note {
            "" => text.push_str(" |\n"),
            note => writeln!(text, " {} |", note.replace('|', "\\|")).unwrap(),
        }
    }
}
