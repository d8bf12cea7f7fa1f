//! `docs/operations.md` is written from the operation table, so that it can't be wrong about it.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_core::RequestType;
use outrigger_llm::Dialect;
use outrigger_llm::operation::{Kind, Meter, ModelPlace, Operation, TABLE};

const HEAD: &str = "\
# Operations

Written from the table in `crates/llm/src/operation.rs`; `make docs` writes it anew. Not edited by hand.

What can be asked of a gateway. Any other path is a 404 `unknown_path` in JSON that lists these. Paths stand under `/v1` (Gemini's under
`/v1beta`, `/v1alpha` and `/v1beta1` too) or without a version, and below the prefixes that other gateways have:
`/openai`, `/anthropic`, `/genai`, `/litellm`, `/langchain`, `/pydanticai`; and OpenAI's under
`/openai/deployments/{model}`, as Azure's clients ask.

- **model**: where the model's name stands. In a path it may be percent-encoded, and may hold slashes.
- **usage**: what providers count it in. Only tokens stand in records.
- **crosses**: can be served by a provider of another dialect. What does not cross goes to providers of the caller's own.
- **in rules**: the value of `request_type`, without and with streaming.
";

fn title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Gemini",
    }
}

fn model(place: ModelPlace) -> &'static str {
    match place {
        ModelPlace::Field => "field `model`",
        ModelPlace::Path => "path",
        ModelPlace::Form => "form field `model`",
        ModelPlace::Nowhere => "",
    }
}

fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Tokens => "tokens",
        Meter::Images => "pictures",
        Meter::Characters => "characters",
        Meter::Seconds => "seconds",
        Meter::Free => "",
    }
}

fn crosses(operation: &Operation) -> &'static str {
    match operation.kind {
        Kind::ListModels | Kind::GetModel => "answered here",
        Kind::Embeddings => "between OpenAI and Gemini",
        _ if operation.kind == Kind::Chat => "yes",
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
        "\nThe list of models, and one of them, are answered from the policy without asking anybody, in the dialect that the\n\
         request's headers tell: `anthropic-version`, or `x-goog-api-key` and `?key=`; else OpenAI's.\n",
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
