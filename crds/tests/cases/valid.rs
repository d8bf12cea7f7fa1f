//! Valid specs.

use super::{BUDGET, CATALOG, KEY, PROVIDER, RULE};

/// Valid specs: the smallest of each kind, all fields of each kind, and a case that passes each rule.
pub const VALID: &[(&str, &str)] = &[
    (PROVIDER, "{type: OpenAI, credentials: [{name: main, secretRef: {name: openai}}], withoutKey: Allow}"),
    (PROVIDER, "{type: Anthropic, credentials: [{name: login, from: Caller}], allowedNamespaces: {}}"),
    (
        PROVIDER,
        "{type: OpenAI, endpoint: 'https://a/b', credentials: [{name: login, from: Caller}], limits: {requests: [{name: r, max: 9, window: Day}]}}",
    ),
    (
        PROVIDER,
        r#"
        type: OpenAICompatible
        endpoint: https://llm.corp:8443/v1
        credentials:
        - {name: premium, secretRef: {name: openai.corp, key: tls.key}, weight: 70, models: ["gpt-4o", "o*"]}
        - {name: standard, secretRef: {name: openai-2}, weight: 0, suspended: true}
        clearTextCredentials: Allow
        credentialDelivery: Secret
        suspended: false
        withoutKey: Refuse
        models:
        - {name: gpt-4o, upstreamName: prod-gpt4o, aliases: [gpt4, "openai/gpt-4o"], contextWindow: 128000, maxOutputTokens: 16384, capabilities: [Tools, Vision]}
        - {name: "meta-llama/Llama-3-70b:free"}
        exclusive: true
        allowedNamespaces:
          from: Selector
          selector:
            matchLabels: {llm: allowed, example.com/empty: ""}
            matchExpressions: [{key: tier, operator: In, values: [a]}, {key: x.y/z, operator: DoesNotExist}]
        timeouts: {connect: 2s, firstToken: 30s, attempt: 1m, idle: 1m30s, total: 10m}
        account: acme-prod
        balance: Adaptive
        retry: {maxAttempts: 4}
        headers: {x-team: search, OpenAI-Beta: "a, b"}
        prewarm: true
        tls: {caRef: {kind: Secret, name: corp-ca, key: ca.pem}}
        "#,
    ),
    (
        PROVIDER,
        r#"
        type: Ollama
        models:
        - name: gpt-4o
          price:
            inputPerMillion: "2.5"
            cachedInputPerMillion: "1.25"
            cacheWritePerMillion: "3"
            cacheWrite1hPerMillion: "5"
            outputPerMillion: "10"
            reasoningPerMillion: "12"
            audioInputPerMillion: "40"
            audioOutputPerMillion: "80"
            tiers:
            - {above: 200000, inputPerMillion: "5", cachedInputPerMillion: "2.5", cacheWritePerMillion: "6", cacheWrite1hPerMillion: "10", outputPerMillion: "15"}
            - {above: 1000000000, inputPerMillion: "0", outputPerMillion: "0"}
            services:
            - {name: batch, inputPerMillion: "1.25", outputPerMillion: "5", cachedInputPerMillion: "0.000000001"}
            - {name: flex, inputPerMillion: "1.25", outputPerMillion: "5"}
            - {name: priority, inputPerMillion: "4.25", outputPerMillion: "999999999.999999999"}
        - {name: pictures, price: {perImage: "0.04"}}
        - {name: voice, price: {perMillionCharacters: "15"}}
        - {name: ear, price: {perSecond: "0.0001"}}
        defaultPrice: {inputPerMillion: "0", outputPerMillion: "0"}
        consumers: {requireBudget: true}
        limits:
          budgets: [{name: month, amount: "2000", window: Month}, {name: day, amount: "200", rolling: 24h}]
          requests: [{name: rpm, max: 5000, rolling: 1m}]
          tokens: [{name: tpm, max: 100000000000000, rolling: 1h30m5s}]
          concurrentRequests: 200
        "#,
    ),
    (PROVIDER, "{type: vLLM, endpoint: 'http://vllm.models:8000'}"),
    (PROVIDER, "{type: vLLM, endpoint: 'http://[fd00::1]:8000/v1/'}"),
    (PROVIDER, "{type: vLLM, endpoint: 'https://a', proxy: {url: 'http://proxy.corp:3128'}}"),
    (PROVIDER, "{type: Ollama}"),
    (KEY, "{limits: {session: {repeats: 3}}}"),
    (KEY, "{limits: {session: {repeats: 3, idle: 10s}}}"),
    (KEY, "{limits: {session: {repeats: 3, idle: 1m}}}"),
    (KEY, "{limits: {session: {repeats: 3, idle: 24h}}}"),
    (KEY, "{limits: {session: {header: x-bf-session-id, tokens: [{name: run, max: 100000}]}}}"),
    (
        KEY,
        "{limits: {session: {header: x-thread-id, required: true, idle: 30m, budgets: [{name: run, amount: '0.5'}], \
         requests: [{name: run, max: 60}, {name: more, max: 90}]}}}",
    ),
    (PROVIDER, "{type: Ollama, tls: {caRef: {name: corp-ca}}, allowedNamespaces: {}}"),
    (PROVIDER, "{type: Ollama, allowedNamespaces: {from: All}}"),
    (
        PROVIDER,
        "{type: Gemini, credentials: [{name: a, secretRef: {name: a}, weight: 1.0}], endpoint: null, tls: null}",
    ),
    (PROVIDER, "{type: Mock, mock: {}}"),
    (
        PROVIDER,
        "{type: AzureOpenAI, endpoint: 'https://r.openai.azure.com', azure: {entra: {tenantId: contoso.onmicrosoft.com, clientId: 11111111-2222-3333-4444-555555555555, authority: 'https://login.microsoftonline.us'}}}",
    ),
    (PROVIDER, "{type: VertexAI, vertex: {project: p1, location: global, workloadIdentity: {}}}"),
    (
        PROVIDER,
        "{type: VertexAI, vertex: {project: p1, location: eu, workloadIdentity: {audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster', serviceAccount: llm@p1.iam.gserviceaccount.com}}}",
    ),
    (
        PROVIDER,
        "{type: AzureOpenAI, endpoint: 'https://r.openai.azure.com', credentials: [{name: a, secretRef: {name: a}}]}",
    ),
    (
        PROVIDER,
        "{type: AzureOpenAI, endpoint: 'https://r.openai.azure.com/', credentials: [{name: a, secretRef: {name: a}}], azure: {apiVersion: 2025-04-01-preview}}",
    ),
    (
        PROVIDER,
        "{type: VertexAI, credentials: [{name: a, secretRef: {name: a}}], vertex: {project: 'corp.test:p-1', location: europe-west4, apiVersion: v1beta1}}",
    ),
    (PROVIDER, "{type: Bedrock, bedrock: {region: eu-central-1, workloadIdentity: {}}}"),
    (
        PROVIDER,
        "{type: Bedrock, bedrock: {region: us-gov-west-1, tokenEndpoint: 'https://sts.us-gov-west-1.amazonaws.com', workloadIdentity: {roleArn: 'arn:aws-us-gov:iam::123456789012:role/team/llm@gateway'}}}",
    ),
    (
        PROVIDER,
        "{type: Bedrock, endpoint: 'https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com', credentials: [{name: a, secretRef: {name: a}}], bedrock: {region: eu-central-1}}",
    ),
    (PROVIDER, "{type: Mock, mock: {reply: 'Hello from {{provider}}/{{model}}', echo: false}}"),
    (PROVIDER, "{type: Mock, mock: {echo: true, toolCalls: [{name: a}]}, timeouts: {total: 10ms}}"),
    (PROVIDER, "{type: Mock, mock: {reply: b, toolCalls: [{name: a}]}}"),
    (
        PROVIDER,
        r#"
        type: Mock
        mock:
          dialect: Gemini
          toolCalls: [{name: get_weather, arguments: {city: Paris, days: [1, 2.5, null], deep: {anything: true}}}, {name: done}]
          timing: {firstToken: 200ms, jitter: 100ms, perToken: 0s}
          faults:
          - {name: rate-limited, type: Status, percent: 100, status: 429, retryAfter: 10s, message: slow down, models: ["gpt-4o"]}
          - {name: flaky, type: CutAfterEvents, percent: 5, events: 0}
          - {name: slow, type: Slow, delay: 3s, percent: 0}
          - {name: wrong, type: ErrorEvent, events: 2, message: overloaded, allowFallbacks: false}
          - {name: broken, type: Malformed, events: 2}
          - {name: gone, type: Refused}
          - {name: reset, type: Reset}
          - {name: hang, type: Hang}
          - {name: empty, type: Empty}
        "#,
    ),
    (KEY, "{}"),
    (
        KEY,
        r#"
        providers:
        - {name: azure, providerRef: {name: azure, namespace: platform}, weight: 80, models: ["gpt-4o"]}
        - {name: openai, providerRef: {name: openai-eu}, credentials: [premium, standard]}
        - {name: openrouter, weight: 0, models: ["claude-*"]}
        balance: Weighted
        models: {allow: ["gpt-4o*", "claude-*"], deny: ["*-preview"]}
        extraFields: false
        aliases: [{sha256: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9}]
        limits: {concurrentRequests: 20}
        suspended: false
        expiresAt: "2027-06-01T00:00:00+02:00"
        allowedWorkloads: {serviceAccounts: [search-api, search.v2]}
        team: search
        customer: Acme_1
        "#,
    ),
    (
        KEY,
        r#"
        providers:
        - name: openai
          limits:
            budgets: [{name: month, amount: "50", window: Month}, {name: hour, amount: "1", rolling: 1h}]
            requests: [{name: hour, max: 1000, rolling: 1h}]
            tokens: [{name: hour, max: 1000000, rolling: 99999h}]
            concurrentRequests: 5
        limits:
          budgets:
          - {name: month, amount: "100", window: Month, timeZone: Europe/Paris, anchorDay: 31}
          - {name: week, amount: "0.000000001", window: Week, anchorDay: 7}
          - {name: quarter, amount: "999999999.999999999", window: Quarter, timeZone: UTC}
          - {name: year, amount: "1", window: Year, timeZone: America/Argentina/Buenos_Aires}
          - {name: ever, amount: "1", window: Lifetime}
          - {name: day, amount: "1", rolling: 24h}
          requests: [{name: minute, max: 1, window: Minute}, {name: second, max: 1, rolling: 1s}, {name: hour, max: 10, window: Hour, timeZone: Asia/Kolkata}]
          tokens: [{name: day, max: 10, window: Day, timeZone: Etc/GMT+5}, {name: hour, max: 1, rolling: 1h}]
          concurrentRequests: 20
          maxOutputTokens: 16384
          minOutputTokens: 16384
          capOutput: true
        budgetRefs: [{name: team-search}, {name: company, namespace: finance}]
        onLimit: Reject
        unpriced: Allow
        unmetered: Allow
        onHangUp: Drain
        "#,
    ),
    (KEY, "{limits: {maxOutputTokens: 5, capOutput: false}}"),
    (KEY, "{limits: {}}"),
    (BUDGET, "{amount: '500', window: Month}"),
    (
        BUDGET,
        "{amount: '5', window: Month, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '0.5'}, maxDuration: 1h}}",
    ),
    (BUDGET, "{tokens: 5, window: Month, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {tokens: 1}}}"),
    (
        KEY,
        "{onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '0.5', tokens: 5, requests: 1}, maxDuration: 1m30s}}",
    ),
    (KEY, "{onLedgerUnavailable: {}}"),
    (
        PROVIDER,
        "{type: Ollama, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '0.5'}, maxDuration: 1h30m}}",
    ),
    (BUDGET, "{tokens: 50000000, rolling: 24h}"),
    (
        BUDGET,
        r#"
        amount: "500"
        window: Month
        timeZone: Europe/Paris
        anchorDay: 15
        parentRef: {name: company, namespace: finance}
        allowedNamespaces:
          from: Selector
          selector:
            matchLabels: {team: search}
            matchExpressions: [{key: tier, operator: In, values: [a]}, {key: x, operator: Exists}]
        appliesTo:
          namespaces:
            matchLabels: {team: search}
            matchExpressions: [{key: tier, operator: In, values: [a]}, {key: x, operator: Exists}]
          virtualKeys:
            matchLabels: {tier: free}
            matchExpressions: [{key: tier, operator: NotIn, values: [a]}, {key: x, operator: DoesNotExist}]
          providers: [openai]
          models: ["gpt-5*"]
        thresholds:
        - {percent: 80, action: Notify}
        - {percent: 95, action: Downgrade, model: gpt-4o-mini}
        - {percent: 100, action: Reject}
        "#,
    ),
    (BUDGET, "{amount: '500', window: Lifetime, appliesTo: {}, allowedNamespaces: {from: All}}"),
    (
        CATALOG,
        r#"
        models:
        - name: acme/writer-2
          contextWindow: 200000
          maxOutputTokens: 8192
          capabilities: [Tools, Vision]
          price: {inputPerMillion: "3", outputPerMillion: "15"}
        - {name: acme/voice, price: {perMillionCharacters: "15", inputPerMillion: "1"}}
        "#,
    ),
    (RULE, "{targets: [{provider: openai}]}"),
    (RULE, "{action: Reject, message: not on Sundays, mode: Shadow}"),
    (
        RULE,
        r#"
        targets: [{provider: openai, model: gpt-4o, weight: 90}, {provider: openrouter, weight: 10}]
        chain: true
        mode: Enforce
        tests:
        - name: premium goes to Claude, mostly
          given:
            unhealthy: [azure]
            spent: {team-search: 95%, "limits.budgets[month]": 0%, "providers[openai].limits.requests[hour]": 100%}
            time: "2027-06-01T00:00:00+02:00"
            labels: {app: search, example.com/empty: ""}
            workload: search-api-7d9f-x2x
          request:
            key: search
            model: openai/gpt-4o
            requestType: chat_completion_stream
            headers: {X-Tier: premium, x-empty: ""}
            params: {a: b}
            fallbacks: []
            inputTokens: 8000
            needs: [Tools, Vision]
          expect: {shares: {openai: 90%, openrouter: 10%}, model: gpt-4o, rule: premium, fallbacks: [openrouter, openai/gpt-4o]}
        - {name: to one, request: {model: a}, expect: {provider: openai, fallbacks: []}}
        - {name: to any, request: {model: a}, expect: {anyOf: [openai, azure]}}
        - {name: to nobody, request: {model: a, fallbacks: [openai]}, expect: {refused: budget_exceeded, rule: ""}}
        - {name: by a rule of the operator's, request: {}, expect: {rule: outrigger-system/all}}
        "#,
    ),
    (
        RULE,
        r#"
        priority: 10
        scope: {virtualKeys: [search, batch]}
        when: headers["x-tier"] == "premium" && input_tokens < 8000
        targets:
        - {provider: openrouter, model: claude-3.7-sonnet, weight: 90}
        - {provider: openrouter, model: claude-3.7-sonnet, weight: 10, credential: premium}
        fallbacks: ["openrouter/gpt-4o", openai, "openrouter/anthropic/claude-haiku-4.5"]
        onError: Refuse
        "#,
    ),
    (RULE, "{scope: {team: search}, targets: [{provider: a, weight: 0}]}"),
    (RULE, "{scope: {customer: acme}, targets: [{provider: a}]}"),
    (RULE, "{scope: {}, targets: [{provider: a}]}"),
];
