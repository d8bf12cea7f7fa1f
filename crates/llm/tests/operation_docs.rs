//! Generates `docs/operations.md` from the table of operations.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_core::RequestType;
use outrigger_llm::Dialect;
use outrigger_llm::operation::{Meter, ModelLocation, Operation, OperationKind, TABLE};

const HEAD: &str = "\
# Operations

Read this page to see which paths a gateway answers, and which of them can go to a provider of
another dialect. Generated from the table in `crates/llm/src/operation/table.rs` by `make docs`; do not
edit it by hand.

Any other path is a 404 `unknown_path`, in JSON that lists these. The paths are under `/v1`
(Gemini's also under `/v1beta`, `/v1alpha` and `/v1beta1`) or have no version. Cohere's contain
their version, `/v2`, and Ollama's begin with `/api`. All also work below the prefixes of other
gateways: `/openai`, `/anthropic`, `/genai`, `/cohere`, `/ollama`, `/litellm`, `/langchain`,
`/pydanticai`. OpenAI's also work under `/openai/deployments/{model}`, which Azure's clients use.
Gemini's also work under `/projects/{project}/locations/{location}/publishers/google`, and
`rawPredict` under the same with `anthropic`, which Vertex AI's clients use; project and location are
ignored, because the provider's object determines them. Paths of Amazon Bedrock have no version. They
also work below `/bedrock`.

- **model**: where the name of the model is. In a path it may be percent-encoded, and may contain
  slashes.
- **usage**: the unit in which providers count it. Records contain only tokens.
- **crosses**: a provider of another dialect, or without this operation, can serve it. What does not
  cross goes to providers of the caller's own dialect.
  *Estimated here*: if the chosen provider has no such operation, the gateway answers with its own
  estimate, marked by the header `x-outrigger-estimated: true`.
- **in rules**: the value of `request_type`, without and with streaming.
";

fn title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Gemini",
        Dialect::Bedrock => "Bedrock",
        Dialect::Cohere => "Cohere",
        Dialect::Ollama => "Ollama",
    }
}

fn model(place: ModelLocation) -> &'static str {
    match place {
        ModelLocation::Field => "field `model`",
        ModelLocation::Path => "path",
        ModelLocation::Form => "form field `model`",
        ModelLocation::Nowhere => "",
    }
}

fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Tokens => "tokens",
        Meter::Images => "pictures",
        Meter::Characters => "characters",
        Meter::Searches => "searches",
        Meter::Seconds => "seconds",
        Meter::Free => "",
    }
}

fn crosses(operation: &Operation) -> &'static str {
    match operation.kind {
        kind if kind.is_answered_here() => "answered here",
        OperationKind::Embeddings => "between OpenAI, Gemini, Cohere and Ollama",
        OperationKind::Rerank => "between OpenAI and Cohere",
        OperationKind::CountTokens => "estimated here",
        _ if operation.is_conversation() => "yes",
        _ => "",
    }
}

fn in_rules((plain, streaming): (RequestType, RequestType)) -> String {
    if plain == streaming { format!("`{plain}`") } else { format!("`{plain}`, `{streaming}`") }
}

#[test]
fn operations() {
    let mut text = HEAD.to_owned();
    for dialect in Dialect::ALL {
        write!(text, "\n## {}\n\n", title(dialect)).unwrap();
        text.push_str(
            "| operation | asked by | model | streams | usage | crosses | in rules |\n|---|---|---|---|---|---|---|\n",
        );
        for operation in TABLE.iter().filter(|operation| operation.dialect == dialect) {
            let cells = [
                operation.name.to_owned(),
                format!("`{} /{}`", operation.method, operation.path.replace('*', "{model}")),
                model(operation.model).to_owned(),
                if operation.streams { "yes" } else { "" }.to_owned(),
                meter(operation.meter).to_owned(),
                crosses(operation).to_owned(),
                in_rules(operation.request_type),
            ];
            let cells: Vec<String> = cells
                .into_iter()
                .map(|cell| if cell.is_empty() { " ".to_owned() } else { format!(" {cell} ") })
                .collect();
            writeln!(text, "|{}|", cells.join("|")).unwrap();
        }
    }
    text.push_str(
        "\nThe gateway answers the list of models, and a request for one model, from the policy, without asking\n\
         anybody. The dialect of the answer depends on the request's headers: Anthropic's with\n\
         `anthropic-version`, Gemini's with `x-goog-api-key` or `?key=`, Bedrock's and Ollama's by their\n\
         paths, Cohere's with the headers of its SDKs, else\n\
         OpenAI's.\n\
         \n\
         `InvokeModel` takes the bodies of Claude, which have an `anthropic_version`. The bodies of other\n\
         models are refused: use `Converse`. A caller of Bedrock may sign its requests with any access key:\n\
         the id of the key is read like an API key, so it may be the token or the name of a VirtualKey. The\n\
         gateway can't check the signature, because it has no secret of the caller's. It passes no part of\n\
         it on.\n",
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/operations.md is stale: run `UPDATE=1 cargo test -p outrigger-llm --test operation_docs`"
    );
}
