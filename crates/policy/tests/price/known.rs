//! Precedence of the sources of facts about a model.

use outrigger_core::Capabilities;
use outrigger_policy::{CatalogueDoc, Document, FORMAT, ModelDoc, Policy, Price, ProviderDoc};
use outrigger_policy::{ProviderIndex, catalogue};

/// A price that is recognized by its input, in dollars per million.
fn usd(input: u64) -> Price {
    Price { input: input * 1_000_000_000, ..Price::default() }
}

fn model(name: &str, price: Option<u64>) -> ModelDoc {
    ModelDoc { name: name.into(), price: price.map(usd), ..ModelDoc::default() }
}

fn provider(kind: &str, models: Vec<ModelDoc>) -> ProviderDoc {
    ProviderDoc { namespace: "t".into(), name: "p".into(), kind: kind.into(), models, ..ProviderDoc::default() }
}

fn catalogue(namespace: &str, everywhere: bool, models: Vec<ModelDoc>) -> CatalogueDoc {
    CatalogueDoc { namespace: namespace.into(), name: "c".into(), everywhere, models }
}

fn policy(provider: ProviderDoc, catalogues: Vec<CatalogueDoc>) -> Policy {
    let document = Document { format: FORMAT, providers: vec![provider], catalogues, ..Document::default() };
    Policy::build(document).unwrap()
}

/// In whole dollars per million of input.
fn dollars(policy: &Policy, model: &str) -> Option<u64> {
    policy.price(ProviderIndex::from(0), model).map(|price| price.input / 1_000_000_000)
}

#[test]
fn the_most_specific_price_takes_precedence() {
    let own = |price| provider("Anthropic", vec![model("claude-haiku-4-5", price)]);
    let near = |price| catalogue("t", false, vec![model("claude-haiku-4-5", price)]);
    let far = |namespace, everywhere, price| catalogue(namespace, everywhere, vec![model("claude-haiku-4-5", price)]);
    let cases = [
        ("the provider's own", policy(own(Some(2)), vec![near(Some(3)), far("op", true, Some(4))]), 2),
        ("its namespace's", policy(own(None), vec![far("op", true, Some(4)), near(Some(3))]), 3),
        ("the first of its namespace", policy(own(None), vec![near(None), near(Some(3)), near(Some(5))]), 3),
        ("everybody's", policy(own(None), vec![near(None), far("op", true, Some(4))]), 4),
        ("not another namespace's", policy(own(None), vec![far("u", false, Some(4))]), 1),
        ("the built-in", policy(own(None), vec![]), 1),
        ("a catalogue of other models", policy(own(None), vec![catalogue("t", false, vec![model("x", Some(9))])]), 1),
    ];
    for (whose, policy, expected) in cases {
        assert_eq!(dollars(&policy, "claude-haiku-4-5"), Some(expected), "{whose}");
    }
}

#[test]
fn the_default_price_applies_to_models_without_another_price() {
    let with_default = |kind| ProviderDoc { default_price: Some(usd(7)), ..provider(kind, vec![]) };
    let policy = policy(with_default("Anthropic"), vec![]);
    assert_eq!(dollars(&policy, "claude-haiku-4-5"), Some(1));
    assert_eq!(dollars(&policy, "claude-of-tomorrow"), Some(7));
    let policy = self::policy(with_default("vLLM"), vec![catalogue("t", false, vec![model("qwen", Some(3))])]);
    assert_eq!((dollars(&policy, "qwen"), dollars(&policy, "llama")), (Some(3), Some(7)));
    // The table has only the price of a song, which can't be used.
    let policy = self::policy(with_default("Gemini"), vec![]);
    assert!(catalogue::lookup("Gemini", "lyria-3.5").is_some());
    assert_eq!(dollars(&policy, "lyria-3.5"), Some(7));
}

#[test]
fn without_a_source_there_is_no_price() {
    for kind in ["OpenAICompatible", "vLLM", "Ollama", "OpenRouter", "Azure", "Bedrock", "Mock"] {
        assert_eq!(dollars(&policy(provider(kind, vec![]), vec![]), "gpt-4o"), None, "{kind}");
    }
    let policy = policy(provider("Mock", vec![model("m", Some(5))]), vec![]);
    assert_eq!((dollars(&policy, "m"), dollars(&policy, "n")), (Some(5), None));
    assert_eq!(policy.price(ProviderIndex::from(1), "m"), None, "there is no such provider");
}

#[test]
fn a_model_is_found_by_each_of_its_names() {
    let renamed = |name: &str, upstream: &str, alias: &str| ModelDoc {
        upstream_name: Some(upstream.into()),
        aliases: vec![alias.into()],
        ..model(name, None)
    };
    // A deployment: the table does not contain its own name.
    let policy = policy(provider("Anthropic", vec![renamed("small", "claude-haiku-4-5", "tiny")]), vec![]);
    for name in ["small", "tiny", "claude-haiku-4-5"] {
        assert_eq!(dollars(&policy, name), Some(1), "{name}");
    }
    // The provider bills the name that it is sent.
    let policy =
        self::policy(provider("Anthropic", vec![renamed("claude-sonnet-4-5", "claude-haiku-4-5", "s")]), vec![]);
    assert_eq!(dollars(&policy, "claude-sonnet-4-5"), Some(1));
    // A name that only the provider knows.
    let policy = self::policy(provider("Anthropic", vec![renamed("claude-haiku-4-5", "ft-17", "s")]), vec![]);
    assert_eq!(dollars(&policy, "s"), Some(1));
    // A user's catalogue: first by the users' name.
    let models = vec![model("claude-haiku-4-5", Some(4)), model("small", Some(3))];
    let policy = self::policy(
        provider("Anthropic", vec![renamed("small", "claude-haiku-4-5", "tiny")]),
        vec![catalogue("t", false, models)],
    );
    assert_eq!((dollars(&policy, "tiny"), dollars(&policy, "claude-haiku-4-5")), (Some(3), Some(4)));
    // An alias in a catalogue, and a name that takes precedence over it.
    let named = ModelDoc { aliases: vec!["a".into(), "b".into()], ..model("x", Some(5)) };
    let models = vec![named, model("a", Some(6))];
    let policy = self::policy(provider("vLLM", vec![]), vec![catalogue("t", false, models)]);
    assert_eq!((dollars(&policy, "x"), dollars(&policy, "a"), dollars(&policy, "b")), (Some(5), Some(6), Some(5)));
}

#[test]
fn each_fact_is_looked_up_separately() {
    let own = ModelDoc { max_output_tokens: Some(10), ..model("claude-haiku-4-5", None) };
    let near = ModelDoc {
        max_output_tokens: Some(20),
        capabilities: Some(vec!["Tools".into()]),
        ..model("claude-haiku-4-5", None)
    };
    let policy = policy(provider("Anthropic", vec![own]), vec![catalogue("t", false, vec![near])]);
    let model = "claude-haiku-4-5";
    assert_eq!(policy.max_output_tokens(ProviderIndex::from(0), model), Some(10), "the provider's");
    assert_eq!(policy.capabilities(ProviderIndex::from(0), model), Some(Capabilities::TOOLS), "its namespace's");
    assert_eq!(policy.context_window(ProviderIndex::from(0), model), Some(200_000), "the built-in");
    assert_eq!(policy.max_output_tokens(ProviderIndex::from(0), "unheard-of"), None);
    assert_eq!(policy.context_window(ProviderIndex::from(0), "unheard-of"), None);
    // In the table, 0 means unknown.
    let policy = self::policy(provider("OpenAI", vec![]), vec![]);
    assert_eq!(policy.max_output_tokens(ProviderIndex::from(0), "text-embedding-3-small"), None);
    assert_eq!(policy.context_window(ProviderIndex::from(0), "whisper-1"), None);
    assert!(
        policy.capabilities(ProviderIndex::from(0), "whisper-1").is_some_and(|can| can.contains(Capabilities::AUDIO))
    );
}

#[test]
fn hundreds_of_models_are_distinguished() {
    let models: Vec<ModelDoc> = (0..500).map(|number| model(&format!("m{number}"), Some(number))).collect();
    let policy = policy(provider("vLLM", models.clone()), vec![]);
    let catalogued = self::policy(provider("vLLM", vec![]), vec![catalogue("op", true, models)]);
    for policy in [policy, catalogued] {
        for number in 0..500 {
            assert_eq!(dollars(&policy, &format!("m{number}")), Some(number));
        }
        assert_eq!(dollars(&policy, "m500"), None);
    }
}
