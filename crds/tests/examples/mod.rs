//! The examples of each kind in `docs/api.md`.

pub const EXAMPLES: &[(&str, &str)] = &[
    (
        "LLMProvider",
        r#"apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: openai, namespace: platform}
spec:
  type: OpenAI
  credentials:
  - {name: premium, secretRef: {name: openai}, weight: 70}
  - {name: standard, secretRef: {name: openai-2}, weight: 30}
  models:
  - name: gpt-4o                        # the name for callers
    upstreamName: prod-gpt4o            # the name that is sent to the provider
    price: {inputPerMillion: "2.50", cachedInputPerMillion: "1.25", outputPerMillion: "10.00"}
  limits:                               # for all who use it together
    requests: [{name: rpm, max: 5000, rolling: 1m}]
    budgets: [{name: month, amount: "2000.00", window: Month}]
  allowedNamespaces: {from: Selector, selector: {matchLabels: {llm: allowed}}}
  consumers: {requireBudget: true}
"#,
    ),
    (
        "VirtualKey",
        r#"apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: search, namespace: search}
spec:
  providers:
  - name: openai                        # the name for callers and rules
    providerRef: {name: openai, namespace: platform}
    weight: 80
    limits:                             # of this key at this provider; when they are used up, the next provider is tried
      tokens: [{name: hour, max: 1000000, rolling: 1h}]
  - {name: local, weight: 20}
  models: {allow: ["gpt-4o*", "llama*"], deny: ["*-preview"]}
  limits:                               # of this key, at all providers together
    budgets:
    - {name: month, amount: "100.00", window: Month, timeZone: Europe/Paris}
    - {name: day, amount: "10.00", rolling: 24h}
    requests: [{name: minute, max: 60, rolling: 1m}]
    concurrentRequests: 20
    maxOutputTokens: 16384
  budgetRefs: [{name: team-search}]     # shared with other keys
"#,
    ),
    (
        "RoutingRule",
        r#"apiVersion: outrigger.dev/v1alpha1
kind: RoutingRule
metadata: {name: premium, namespace: search}
spec:
  scope: {virtualKeys: [search]}
  when: headers["x-tier"] == "premium"
  targets:
  - {provider: anthropic, model: claude-sonnet-4-5, weight: 90}
  - {provider: openai, model: gpt-4o, weight: 10}
  fallbacks: [openai/gpt-4o-mini]
  tests:                                # outrigger check runs them
  - name: premium goes to Claude, mostly
    request: {model: gpt-4o, headers: {x-tier: premium}}
    expect: {shares: {anthropic: 90%, openai: 10%}, rule: premium}
  - name: and to OpenAI when Anthropic is down
    given: {unhealthy: [anthropic]}
    request: {model: gpt-4o, headers: {x-tier: premium}}
    expect: {provider: openai, model: gpt-4o}
  - name: requests are refused when the team's budget is used up
    given: {spent: {team-search: 100%}}
    request: {model: gpt-4o, headers: {x-tier: premium}}
    expect: {refused: budget_exceeded}
---
apiVersion: outrigger.dev/v1alpha1
kind: RoutingRule
metadata: {name: no-pictures, namespace: search}
spec:
  when: request_type == "image_generation"
  action: Reject
  message: pictures are made elsewhere
"#,
    ),
    (
        "Budget",
        r#"apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: team-search, namespace: search}
spec:
  amount: "500.00"                      # dollars; or tokens: 50000000
  window: Month                         # by the calendar; or rolling: 24h
  timeZone: Europe/Paris
  parentRef: {name: company, namespace: finance}
  thresholds:
  - {percent: 80, action: Notify}
  - {percent: 95, action: Downgrade, model: gpt-4o-mini}
---
apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: free-tier, namespace: outrigger-system}
spec:
  tokens: 50000000
  rolling: 24h
  appliesTo:                            # these requests count, whether or not their key refers to it
    namespaces: {}                      # {} selects all; only allowed in the operator's namespace
    virtualKeys: {matchLabels: {tier: free}}
"#,
    ),
    (
        "ModelCatalog",
        r#"apiVersion: outrigger.dev/v1alpha1
kind: ModelCatalog
metadata: {name: prices, namespace: platform}
spec:
  models:
  - name: acme/writer-2
    contextWindow: 200000
    maxOutputTokens: 8192
    capabilities: [Tools, Vision]
    price:
      inputPerMillion: "1.25"
      outputPerMillion: "10.00"
      tiers: [{above: 200000, inputPerMillion: "2.50", outputPerMillion: "15.00"}]
      services: [{name: batch, inputPerMillion: "0.625", outputPerMillion: "5.00"}]
  - {name: acme/painter, price: {perImage: "0.04"}}
"#,
    ),
];
