//! Generates `docs/providers.md` from the table of provider types, and compares README.md with the table.
#![allow(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read, variable};
use outrigger_llm::Dialect;
use outrigger_llm::provider::{AcceptedFields, ChatQuirks, ProviderType, StreamUsage, TYPES, ToolCallIds};
use outrigger_policy::catalogue;

const HEAD: &str = "\
# Providers

Read this page to add an `LLMProvider`, and to see what the gateway knows about its type. Generated
from the table in `crates/llm/src/provider/table.rs` by `make docs`; do not edit it by hand.

- [All types](#all-types)
- [What is changed after a failover](#what-is-changed-after-a-failover)
- [Objects to copy](#objects-to-copy)

Callers of each API can use each of these types for conversations: if the provider speaks another
API, the gateway translates ([translation](translation.md)). Embeddings are translated between the
APIs of OpenAI, Gemini, Cohere and Ollama, and rerank between those of OpenAI and Cohere. Other
operations, such as images and speech, go only to providers of the caller's own API, and work if the
provider has them.

*Responses*: the type has OpenAI's Responses API itself. Others get such requests as conversations
([what that means](semantics.md#openai-responses)).

## All types

*Key*: the environment variables from which `outrigger run` without a folder makes a provider. In a
cluster, the key is in a Secret. *Models*: how many models the built-in catalogue knows with their
prices; *any* means that other names are accepted too. Prices of other models: `spec.models`,
`spec.defaultPrice` or a `ModelCatalog`.

| type | API | Responses | default endpoint | key | models |
|---|---|---|---|---|---|
";

const CHANGES: &str = "
## What is changed after a failover

Providers of OpenAI's API differ in what they accept. The first candidate gets the caller's body as
it is. If another candidate is tried instead of it, its type decides what is changed, so that the
failover does not end with a refused field. The same is done to conversations that are translated
from another API.

- What has no effect on the answer's meaning is left out (a *hint* in [translation](translation.md)).
  The header `x-outrigger-adapted` and the record name it.
- If an answer without a field would be another one (`n: 2`, log probabilities, a schema), the
  candidate is passed over.
- A type that is not listed here gets the body as it is.

";

/// Where one gets a key.
const KEY_PAGES: &[(&str, &str)] = &[
    ("OpenAI", "platform.openai.com/api-keys"),
    ("Anthropic", "console.anthropic.com/settings/keys"),
    ("Gemini", "aistudio.google.com/apikey"),
    (
        "AzureOpenAI",
        "the page of the resource at portal.azure.com; or set `azure.entra`, see [access tokens](semantics.md#access-tokens)",
    ),
    (
        "VertexAI",
        "console.cloud.google.com: an API key, or the JSON key of a service account; or set `vertex.workloadIdentity`, see [access tokens](semantics.md#access-tokens)",
    ),
    (
        "Bedrock",
        "console.aws.amazon.com: an access key, or an API key of Bedrock; or set `bedrock.workloadIdentity`, see [access tokens](semantics.md#access-tokens)",
    ),
    ("Mistral", "console.mistral.ai/api-keys"),
    ("Groq", "console.groq.com/keys"),
    ("Cerebras", "cloud.cerebras.ai"),
    ("OpenRouter", "openrouter.ai/settings/keys"),
    ("DeepSeek", "platform.deepseek.com/api_keys"),
    ("xAI", "console.x.ai"),
    ("Together", "api.together.ai/settings/api-keys"),
    ("Fireworks", "app.fireworks.ai/settings/users/api-keys"),
    ("Perplexity", "www.perplexity.ai/account/api/keys"),
    ("Nebius", "tokenfactory.nebius.com"),
    ("HuggingFace", "huggingface.co/settings/tokens (with the right to call inference providers)"),
    ("Cohere", "dashboard.cohere.com/api-keys"),
];

/// What an object needs besides its type and its key.
const NEEDS: &[(&str, &str)] = &[
    (
        "AzureOpenAI",
        "  endpoint: https://my-resource.openai.azure.com\n  credentials: [{name: main, secretRef: {name: azure}}]\n",
    ),
    (
        "VertexAI",
        "  vertex: {project: my-project, location: europe-west4}\n  credentials: [{name: main, secretRef: {name: vertex}}]\n",
    ),
    ("Bedrock", "  bedrock: {region: eu-central-1}\n  credentials: [{name: main, secretRef: {name: bedrock}}]\n"),
    ("vLLM", "  endpoint: http://vllm.models:8000/v1\n"),
    ("SGLang", "  endpoint: http://sglang.models:30000/v1\n"),
    ("OpenAICompatible", "  endpoint: https://llm.example.com/v1\n"),
    ("Mock", "  mock: {}\n"),
];

fn of(kind: &ProviderType, list: &[(&'static str, &'static str)]) -> Option<&'static str> {
    list.iter().find(|(name, _)| *name == kind.name).map(|(_, text)| *text)
}

fn names(list: &[&str]) -> String {
    list.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn api(kind: &ProviderType) -> String {
    let name = |dialect: Dialect| match dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Gemini",
        Dialect::Bedrock => "Bedrock",
        Dialect::Cohere => "Cohere",
        Dialect::Ollama => "Ollama",
    };
    let mut text = kind.api.map_or("as `mock.dialect` says", |api| name(api.dialect)).to_owned();
    if let Some(own) = kind.own {
        write!(text, "; {0} for callers of {0}'s API", name(own.dialect)).unwrap();
    }
    for (word, api) in kind.by_model {
        write!(text, "; {} for models that begin with `{word}`", name(api.dialect)).unwrap();
    }
    text
}

fn table(text: &mut String) {
    for kind in TYPES {
        let endpoint = kind.endpoint.map_or("none".to_owned(), |endpoint| format!("`{endpoint}`"));
        let key = match (kind.variables, kind.keyless) {
            ([], true) => "not needed".to_owned(),
            ([], false) => "in a Secret".to_owned(),
            (variables, _) => names(variables),
        };
        let models = catalogue::models(kind.name).len();
        let any = outrigger_policy::accepts_any_name(kind.name);
        let models = match (models, any) {
            (0, true) => "any".to_owned(),
            (0, false) => "those in `spec.models`".to_owned(),
            (models, true) => format!("{models}, any"),
            (models, false) => models.to_string(),
        };
        let responses = if kind.responses { "yes" } else { "" };
        writeln!(text, "| `{}` | {} | {responses} | {endpoint} | {key} | {models} |", kind.name, api(kind)).unwrap();
    }
}

/// What is changed for a type, in words.
fn changes(kind: &ProviderType) -> Vec<String> {
    let ChatQuirks {
        developer,
        system_first,
        alternates,
        user_after_tool,
        one_string,
        thinking_parts,
        tool_call_ids,
        tool_name,
        schema_without,
        json_schema,
        stops,
        efforts,
        temperature_tenths,
        renamed,
        fields,
        messages,
    } = *kind.quirks.chat;
    let mut changes = Vec::new();
    let mut say = |holds: bool, text: String| changes.extend(holds.then_some(text));
    let usual = ChatQuirks::ANY;
    if let [only] = kind.quirks.caps {
        say(true, format!("the limit of output becomes `{}`", only.key()));
    }
    say(!developer, "`developer` messages become `system` messages".to_owned());
    say(system_first, "system messages become one, before the others".to_owned());
    say(alternates, "consecutive messages of a role become one".to_owned());
    say(!user_after_tool, "the assistant says `OK.` between a tool's result and the user".to_owned());
    say(!one_string.is_empty(), format!("content of {} becomes one string", names(one_string)));
    say(thinking_parts, "`thinking` parts of the content stay; for others they are left out".to_owned());
    if let ToolCallIds::Exactly(length) = tool_call_ids {
        say(true, format!("ids of tool calls become {length} letters and digits"));
    }
    if let Some(longest) = tool_name {
        say(true, format!("passed over if a tool's name is not of 1 to {longest} letters, digits, `_` and `-`"));
    }
    say(!schema_without.is_empty(), format!("{} are taken out of schemas", names(schema_without)));
    say(!json_schema, "passed over if the answer shall follow a schema".to_owned());
    if let Some(most) = stops {
        say(true, format!("passed over if there are more than {most} stop sequences"));
    }
    say(!efforts.is_empty(), format!("`reasoning_effort` becomes the closest of {}", names(efforts)));
    let temperature = temperature_tenths as f64 / 10.0;
    say(temperature_tenths != usual.temperature_tenths, format!("`temperature` becomes at most {temperature}"));
    for (from, to) in renamed {
        say(true, format!("`{from}` becomes `{to}`"));
    }
    if let AcceptedFields::Only(fields) = fields {
        say(true, format!("only these fields are sent, besides the limit of output: {}", names(fields)));
    }
    say(!messages.is_empty(), "fields of messages that the provider does not know are left out".to_owned());
    let usage = kind.quirks.stream_usage == StreamUsage::Always;
    say(usage, "`stream_options` is left out: it reports usage unasked".to_owned());
    changes
}

fn object(kind: &ProviderType) -> String {
    let name = kind.name.to_lowercase();
    let credentials = match kind.variables.first() {
        Some(_) => format!("  credentials: [{{name: main, secretRef: {{name: {}}}}}]\n", secret(kind)),
        None => String::new(),
    };
    let needs = of(kind, NEEDS).unwrap_or_default();
    let kind = kind.name;
    format!(
        "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec:\n  type: {kind}\n{needs}{credentials}"
    )
}

/// The Secret that `outrigger run DIR` takes from the first variable.
fn secret(kind: &ProviderType) -> String {
    let variable = kind.variables.first().copied().unwrap_or_default();
    variable.strip_suffix("_API_KEY").unwrap_or(variable).to_lowercase().replace('_', "-")
}

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Wraps an item of a list at 100 columns.
fn item(text: &mut String, item: &str) {
    let mut column = 1;
    text.push('-');
    for word in item.split(' ') {
        if column + 1 + word.chars().count() > 100 {
            text.push_str("\n ");
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.chars().count();
    }
    text.push('\n');
}

#[test]
fn the_document_is_current() {
    let mut text = HEAD.to_owned();
    table(&mut text);
    text.push_str(CHANGES);
    let openai = |kind: &&ProviderType| kind.api.is_some_and(|api| api.dialect == Dialect::OpenAi);
    for kind in TYPES.iter().filter(openai) {
        let changes = changes(kind);
        if changes.is_empty() {
            continue;
        }
        write!(text, "### {}\n\n", kind.name).unwrap();
        changes.iter().for_each(|change| item(&mut text, change));
        text.push('\n');
    }
    text.push_str(
        "## Objects to copy\n\nThe name of a Secret is that of the variable: `outrigger run DIR` reads `MISTRAL_API_KEY` for \
         the\nkey `apiKey` of the Secret `mistral`. More fields: [LLMProvider](api.md).\n",
    );
    for kind in TYPES {
        write!(text, "\n```yaml\n{}```\n", object(kind)).unwrap();
        match (of(kind, KEY_PAGES), kind.variables.first()) {
            (Some(at), Some(variable)) => write!(text, "\nKey: `{variable}`, from {at}.\n").unwrap(),
            (Some(at), None) => write!(text, "\nKey: from {at}.\n").unwrap(),
            (None, _) => {}
        }
    }
    let file = page("docs/providers.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap_or_default() == text, "docs/providers.md is not current: run `make docs`");
}

/// Each object is accepted, and finds its key in the variable that is named below it.
#[test]
fn every_object_can_be_copied() {
    for kind in TYPES {
        let source = read("providers.md", &object(kind));
        assert!(source.findings.is_empty(), "{}: {:?}", kind.name, source.findings);
        let in_secret = ["AZURE_API_KEY", "VERTEX_API_KEY", "BEDROCK_API_KEY"];
        let known = |name: &str| kind.variables.first() == Some(&name) || in_secret.contains(&name);
        let environment = |name: &str| known(name).then(|| "x".to_owned());
        let compiled = compile(&Inputs {
            objects: &source.objects,
            unread: false,
            environment: &environment,
            keys: &[],
            without_value: Severity::Error,
            sequence: 1,
            operator_namespace: OPERATOR_NAMESPACE,
        });
        let broken: Vec<_> = compiled.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(broken.is_empty(), "{}: {broken:?}", kind.name);
        assert_eq!(compiled.document.providers.len(), 1, "{}", kind.name);
        assert_eq!(of(kind, KEY_PAGES).is_some(), !kind.keyless, "{}: say where one gets a key", kind.name);
        if let Some(first) = kind.variables.first() {
            assert_eq!(variable(&secret(kind), "apiKey"), *first);
        }
    }
}

/// README.md lists all types near its top, and the variables of `outrigger run`.
#[test]
fn the_readme_lists_every_type() {
    let readme = fs::read_to_string(page("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let (last, others) = TYPES.split_last().unwrap();
    let others: Vec<&str> = others.iter().map(|kind| kind.name).collect();
    let list = format!("[Providers](docs/providers.md): {} and {}.", others.join(", "), last.name);
    let at = words.find(&list);
    assert!(at.is_some_and(|at| at < 2_000), "near the top of README.md there is no: {list}");
    for kind in TYPES {
        if let Some(first) = kind.variables.first() {
            assert!(words.contains(&format!("`{first}`")), "README.md does not name {first}");
        }
    }
}
