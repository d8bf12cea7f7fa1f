//! The ten policies, as objects.

/// Providers by name; `{}` is the upstream's address.
const PROVIDERS: [(&str, &str); 12] = [
    ("openai", "type: OpenAI, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("claude", "type: Anthropic, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("google", "type: Gemini, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    (
        "mistral",
        "type: Mistral, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}, {name: b, secretRef: {name: s}, weight: 0}]",
    ),
    ("router", "type: OpenRouter, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("local", "type: vLLM, endpoint: '{}'"),
    ("grid", "type: OpenAICompatible, endpoint: '{}', models: [{name: own, aliases: [best], upstreamName: sent}]"),
    (
        "closed",
        "type: OpenAI, endpoint: '{}', exclusive: true, models: [{name: gpt-4o}, {name: own}], credentials: [{name: main, secretRef: {name: s}}]",
    ),
    ("any", "type: OpenAI, endpoint: '{}', models: [{name: '*'}], credentials: [{name: main, secretRef: {name: s}}]"),
    (
        "part",
        "type: Groq, endpoint: '{}', models: [{name: 'gpt-*'}], credentials: [{name: main, secretRef: {name: s}}]",
    ),
    ("stage", "type: Mock, mock: {dialect: Anthropic}"),
    ("off", "type: OpenAI, endpoint: '{}', suspended: true, credentials: [{name: main, secretRef: {name: s}}]"),
];

/// The providers, and the keys and rules, of each policy.
pub(super) const POLICIES: [(&[&str], &str); 10] = [
    (&["openai"], ""),
    (&["openai", "claude", "google"], "kind: VirtualKey\nmetadata: {name: app}\nspec: {}"),
    (
        &["grid", "closed", "claude"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: grid, weight: 3}, {name: closed}, {name: claude, weight: 0}]}",
    ),
    (
        &["local", "grid", "stage", "router"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: local}, {name: grid}, {name: stage}, {name: router, weight: 2}]}",
    ),
    (&["router", "openai", "off"], "kind: VirtualKey\nmetadata: {name: app}\nspec: {extraFields: false}"),
    (
        &["openai", "claude", "local"],
        "kind: RoutingRule\nmetadata: {name: tier}\nspec: {when: 'headers[\"x-tier\"] == \"gold\"', targets: [{provider: claude, model: claude-haiku-4-5}], fallbacks: [openai, local/x, gpt-4o]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: large}\nspec: {when: 'input_tokens > 40 || \"Tools\" in needs', targets: [{provider: openai, weight: 2}, {provider: local}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: hidden}\nspec: {when: 'headers.exists(name, name == \"authorization\" || name.startsWith(\"x-outrigger\"))', targets: [{provider: local, model: never}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {}",
    ),
    (
        &["openai", "mistral", "google"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {models: {allow: ['gpt-*', 'mistral-*', own], deny: ['*-mini']}, providers: [{name: openai, models: ['gpt-4*']}, {name: mistral, credentials: [b]}]}",
    ),
    (
        &["openai", "claude", "any"],
        "kind: RoutingRule\nmetadata: {name: first}\nspec: {when: 'params[\"tier\"] == \"gold\"', chain: true, targets: [{provider: claude}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: second}\nspec: {when: 'provider == \"claude\" && request_type.startsWith(\"chat\")', targets: [{provider: any, model: x}, {provider: openai, model: gpt-4o}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: no}\nspec: {when: 'model.contains(\"bedrock\")', action: Reject, message: never}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: watch}\nspec: {mode: Shadow, when: 'model == \"own\"', targets: [{provider: openai}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {}",
    ),
    (
        &["openai", "grid", "claude"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {limits: {budgets: [{name: month, amount: '900000', window: Month}]}}",
    ),
    (
        &["any", "part", "grid", "openai"],
        "kind: VirtualKey\nmetadata: {name: default}\nspec: {}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: part}, {name: grid, models: ['*']}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: gone}\nspec: {suspended: true}",
    ),
];

/// The objects of a policy; `upstream` is the address of its providers.
pub(super) fn objects(upstream: &str, (providers, rest): &(&[&str], &str)) -> String {
    let mut all = vec!["apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {apiKey: k}".to_owned()];
    for (name, spec) in PROVIDERS.iter().filter(|(name, _)| providers.contains(name)) {
        let spec = spec.replace("{}", upstream);
        all.push(format!("apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec: {{withoutKey: Allow, {spec}}}"));
    }
    if !rest.is_empty() {
        all.push(format!("apiVersion: outrigger.dev/v1alpha1\n{rest}"));
    }
    all.join("\n---\n")
}
