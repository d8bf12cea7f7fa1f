//! Invalid limits, budgets, prices and tests of rules. Ten fields hold limits under the same rules, so their cases are
//! generated for each of these fields.

use std::sync::LazyLock;

use super::{BUDGET, CATALOG, Invalid, KEY, PROVIDER, RULE};

const ONE_TIME: &str = "a limit holds over one time: give either window (Minute, Hour, Day, Week, Month, Quarter, Year or Lifetime) or rolling (such as 1h)";
const NO_CALENDAR: &str = "timeZone says whose calendar a window follows: rolling and Lifetime follow none, remove it";
const NO_ANCHOR: &str =
    "anchorDay is the day on which a Week, Month, Quarter or Year begins: change the window, or remove it";
const WEEK: &str = "a week's anchorDay is 1 (Monday) to 7 (Sunday)";
const NO_TIME: &str = "rolling must be longer than zero, such as 1m or 24h";
const NOTHING: &str = "an amount must be more than zero: what may not be used at all is suspended, or denied in models";
const ROLLING: &str = "must be a duration: whole numbers with a unit (h, m or s), such as 90s, 1h or 24h; days, weeks and months are windows of the calendar, such as window: Month";
const MONEY: &str = "must be an amount of dollars in quotes, without `$`: less than 1000000000, with at most nine digits after the point, such as \"12.50\"";
const ONE_UNIT: &str = "a Budget is in money or in tokens: set either amount or tokens";
const EMPTY_LIST: &str = "must not be an empty list: leave it out, or list at least one";
const NO_SESSION_LIMIT: &str = "a session needs a limit: set budgets, requests, tokens or repeats";
const SHORT_IDLE: &str = "idle must be at least 10s, such as 30m: a session that ends at once has no limits";
const NO_RUN: &str = "this header names each request, not a run: choose another one, such as x-session-id";
const NO_SECRET: &str =
    "this header may carry a credential, as its name says: choose another one, such as x-session-id";
const MIN_OVER_MAX: &str = "minOutputTokens is larger than maxOutputTokens: make it smaller";
const NO_CAPS: &str = "minOutputTokens has no effect with capOutput: false: remove one of the two";
const NO_PRICE: &str = "a price needs inputPerMillion and outputPerMillion (\"0\" if free), or one of perImage, perMillionCharacters and perSecond";
const NO_BASE: &str = "prices for caches, reasoning, tiers and services need the base prices: set inputPerMillion and outputPerMillion, too";
const ONE_WAY: &str = "provider, anyOf and shares exclude each other: set only one of them";
const NOWHERE: &str =
    "a refused request has no provider: remove refused, or provider, anyOf, shares, model and fallbacks";
const NOTHING_EXPECTED: &str =
    "expect is empty: set at least one of provider, anyOf, shares, model, rule, fallbacks and refused";
const NO_AMOUNT: &str = "FailOpen needs maxPerPod: say how much each pod may use without the ledger";
const CLOSED: &str = "FailClosed lets nothing through: remove maxPerPod and maxDuration, or set policy: FailOpen";
const NO_DURATION: &str = "maxDuration must be longer than zero, such as 10m";
const NO_UNIT: &str = "name at least one of budget, tokens and requests: what is not named stays closed";
const REJECTED: &str = "action: Reject has no targets: remove targets, fallbacks and chain, or set action: Route";

/// The fields that hold limits: kind, the spec with `LIMIT` for the fields of the limit, its path.
const LIMITS: &[(&str, &str, &str)] = &[
    (BUDGET, "{amount: '1', LIMIT}", "spec"),
    (PROVIDER, "{type: Ollama, limits: {budgets: [{name: a, amount: '1', LIMIT}]}}", "spec.limits.budgets[0]"),
    (PROVIDER, "{type: Ollama, limits: {requests: [{name: a, max: 1, LIMIT}]}}", "spec.limits.requests[0]"),
    (PROVIDER, "{type: Ollama, limits: {tokens: [{name: a, max: 1, LIMIT}]}}", "spec.limits.tokens[0]"),
    (KEY, "{limits: {budgets: [{name: a, amount: '1', LIMIT}]}}", "spec.limits.budgets[0]"),
    (KEY, "{limits: {requests: [{name: a, max: 1, LIMIT}]}}", "spec.limits.requests[0]"),
    (KEY, "{limits: {tokens: [{name: a, max: 1, LIMIT}]}}", "spec.limits.tokens[0]"),
    (
        KEY,
        "{providers: [{name: p, limits: {budgets: [{name: a, amount: '1', LIMIT}]}}]}",
        "spec.providers[0].limits.budgets[0]",
    ),
    (
        KEY,
        "{providers: [{name: p, limits: {requests: [{name: a, max: 1, LIMIT}]}}]}",
        "spec.providers[0].limits.requests[0]",
    ),
    (
        KEY,
        "{providers: [{name: p, limits: {tokens: [{name: a, max: 1, LIMIT}]}}]}",
        "spec.providers[0].limits.tokens[0]",
    ),
];

/// Invalid fields of a limit, the field at fault, and the message.
const PERIODS: &[(&str, &str, &str)] = &[
    ("", "", ONE_TIME),
    ("window: Day, rolling: 24h", "", ONE_TIME),
    ("rolling: 24h, timeZone: Europe/Paris", "", NO_CALENDAR),
    ("window: Lifetime, timeZone: Europe/Paris", "", NO_CALENDAR),
    ("rolling: 24h, anchorDay: 1", "", NO_ANCHOR),
    ("window: Day, anchorDay: 1", "", NO_ANCHOR),
    ("window: Lifetime, anchorDay: 1", "", NO_ANCHOR),
    ("window: Week, anchorDay: 8", "", WEEK),
    ("rolling: 0h0m", ".rolling", NO_TIME),
    ("rolling: 1mo", ".rolling", ROLLING),
    ("rolling: 1d", ".rolling", ROLLING),
    ("rolling: 1M", ".rolling", ROLLING),
    ("rolling: 1w", ".rolling", ROLLING),
    ("rolling: 1Y", ".rolling", ROLLING),
    ("rolling: 500ms", ".rolling", ROLLING),
    ("rolling: 1.5h", ".rolling", ROLLING),
    ("window: Month, anchorDay: 32", ".anchorDay", "must be at most 31"),
    ("window: Month, anchorDay: 0", ".anchorDay", "must be at least 1"),
    ("window: Day, timeZone: 'New York'", ".timeZone", "must be an IANA time zone, such as Europe/Paris"),
    (
        "window: month",
        ".window",
        "must be one of Minute, Hour, Day, Week, Month, Quarter, Year, Lifetime, did you mean `Month`?",
    ),
];

/// The fields that hold amounts: kind, the spec with `AMOUNT` for the amount, its path.
const AMOUNTS: &[(&str, &str, &str)] = &[
    (BUDGET, "{amount: AMOUNT, window: Day}", "spec.amount"),
    (
        PROVIDER,
        "{type: Ollama, limits: {budgets: [{name: a, amount: AMOUNT, window: Day}]}}",
        "spec.limits.budgets[0].amount",
    ),
    (KEY, "{limits: {budgets: [{name: a, amount: AMOUNT, window: Day}]}}", "spec.limits.budgets[0].amount"),
    (
        KEY,
        "{providers: [{name: p, limits: {budgets: [{name: a, amount: AMOUNT, window: Day}]}}]}",
        "spec.providers[0].limits.budgets[0].amount",
    ),
    (KEY, "{limits: {session: {budgets: [{name: a, amount: AMOUNT}]}}}", "spec.limits.session.budgets[0].amount"),
];

const WRONG_AMOUNTS: &[(&str, &str)] = &[
    ("'0.00'", NOTHING),
    ("'12,50'", MONEY),
    ("'1,000.00'", MONEY),
    ("$5", MONEY),
    ("'NaN'", MONEY),
    ("'999999999999999'", MONEY),
    ("'-5'", MONEY),
    ("'1e3'", MONEY),
    ("'0.0000000001'", MONEY),
    ("50.5", "must be a string, not a fraction: put it in quotes"),
    ("50", "must be a string, not a number: put it in quotes"),
];

/// The fields that hold prices: kind, the spec with `PRICE` for the price, its path.
const PRICES: &[(&str, &str, &str)] = &[
    (PROVIDER, "{type: Ollama, defaultPrice: PRICE}", "spec.defaultPrice"),
    (PROVIDER, "{type: Ollama, models: [{name: a, price: PRICE}]}", "spec.models[0].price"),
    (CATALOG, "{models: [{name: a, price: PRICE}]}", "spec.models[0].price"),
];

const WRONG_PRICES: &[(&str, &str, &str)] = &[
    ("{}", "", NO_PRICE),
    ("{inputPerMillion: '1'}", "", NO_PRICE),
    ("{outputPerMillion: '1'}", "", NO_PRICE),
    ("{perImage: '0.04', cachedInputPerMillion: '1'}", "", NO_BASE),
    ("{perSecond: '0.04', tiers: [{above: 1, inputPerMillion: '1', outputPerMillion: '1'}]}", "", NO_BASE),
    ("{perSecond: '0.04', services: [{name: batch, inputPerMillion: '1', outputPerMillion: '1'}]}", "", NO_BASE),
    (
        "{inputPerMillion: 2.5, outputPerMillion: '1'}",
        ".inputPerMillion",
        "must be a string, not a fraction: put it in quotes",
    ),
    ("{inputPerMillion: '2,5', outputPerMillion: '1'}", ".inputPerMillion", MONEY),
    (
        "{inputPerMillion: '1', outputPerMillion: '1', tiers: [{above: 1, inputPerMillion: '1'}]}",
        ".tiers[0].outputPerMillion",
        "is required",
    ),
    (
        "{inputPerMillion: '1', outputPerMillion: '1', tiers: [{above: 1, inputPerMillion: '1', outputPerMillion: '1'}, {above: 1, inputPerMillion: '2', outputPerMillion: '2'}]}",
        ".tiers[1].above",
        "must be unique in the list: PATH.tiers[0] has the same above",
    ),
    (
        "{inputPerMillion: '1', outputPerMillion: '1', services: [{name: Batch, inputPerMillion: '1', outputPerMillion: '1'}]}",
        ".services[0].name",
        "must be one of batch, flex, priority, did you mean `batch`?",
    ),
];

/// A generated case with one finding.
fn invalid(kind: &'static str, spec: String, path: String, message: String) -> Invalid {
    (kind, spec.leak(), vec![(&*path.leak(), &*message.leak())].leak())
}

/// Every limit, amount and price in every field.
pub static GENERATED: LazyLock<Vec<Invalid>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (kind, spec, path) in LIMITS {
        for (fields, field, message) in PERIODS {
            let message = (*message).to_owned();
            all.push(invalid(kind, spec.replace("LIMIT", fields), format!("{path}{field}"), message));
        }
    }
    for (kind, spec, path) in AMOUNTS {
        for (amount, message) in WRONG_AMOUNTS {
            all.push(invalid(kind, spec.replace("AMOUNT", amount), (*path).to_owned(), (*message).to_owned()));
        }
    }
    for (kind, spec, path) in PRICES {
        for (price, field, message) in WRONG_PRICES {
            let message = message.replace("PATH", path);
            all.push(invalid(kind, spec.replace("PRICE", price), format!("{path}{field}"), message));
        }
    }
    for (kind, spec) in UNAVAILABLE {
        for (said, field, message) in WRONG_OPENINGS {
            let (spec, path) = (spec.replace("OPEN", said), format!("spec.onLedgerUnavailable{field}"));
            all.push(invalid(kind, spec, path, (*message).to_owned()));
        }
    }
    all
});

/// Objects that say what gateways do without the ledger, with `OPEN` for what they say.
const UNAVAILABLE: &[(&str, &str)] = &[
    (BUDGET, "{amount: '1', window: Day, onLedgerUnavailable: {OPEN}}"),
    (KEY, "{onLedgerUnavailable: {OPEN}}"),
    (PROVIDER, "{type: Ollama, onLedgerUnavailable: {OPEN}}"),
];

/// What they say that is wrong, the field at fault, and why.
const WRONG_OPENINGS: &[(&str, &str, &str)] = &[
    ("policy: FailOpen", "", NO_AMOUNT),
    ("maxPerPod: {budget: '1'}", "", CLOSED),
    ("policy: FailClosed, maxDuration: 1m", "", CLOSED),
    ("policy: FailOpen, maxPerPod: {budget: '0'}", ".maxPerPod.budget", NOTHING),
    ("policy: FailOpen, maxPerPod: {budget: '1'}, maxDuration: 0m", ".maxDuration", NO_DURATION),
];

/// Each case has one mistake.
pub const BROKEN: &[Invalid] = &[
    // Limits.
    (KEY, "{limits: {minOutputTokens: 2, maxOutputTokens: 1}}", &[("spec.limits", MIN_OVER_MAX)]),
    (KEY, "{limits: {minOutputTokens: 2, capOutput: false}}", &[("spec.limits", NO_CAPS)]),
    (KEY, "{limits: {budgets: []}}", &[("spec.limits.budgets", EMPTY_LIST)]),
    (KEY, "{limits: {tokens: [{name: a, window: Day}]}}", &[("spec.limits.tokens[0].max", "is required")]),
    (
        KEY,
        "{limits: {tokens: [{name: a, max: 0, window: Day}]}}",
        &[("spec.limits.tokens[0].max", "must be at least 1")],
    ),
    (
        KEY,
        "{limits: {requests: [{name: a, max: '9', window: Day}]}}",
        &[("spec.limits.requests[0].max", "must be a whole number, not a string: remove the quotes")],
    ),
    (
        KEY,
        "{limits: {requests: [{name: a, max: 1, window: Day}, {name: a, max: 2, window: Hour}]}}",
        &[("spec.limits.requests[1].name", "must be unique in the list: spec.limits.requests[0] has the same name")],
    ),
    (
        KEY,
        "{limits: {budgets: [{name: a, amonut: '1', window: Day}]}}",
        &[
            ("spec.limits.budgets[0].amount", "is required"),
            ("spec.limits.budgets[0].amonut", "unknown field `amonut`, did you mean `amount`?"),
        ],
    ),
    (
        KEY,
        "{providers: [{name: a, limits: {maxOutputTokens: 9}}]}",
        &[("spec.providers[0].limits.maxOutputTokens", "unknown field `maxOutputTokens`")],
    ),
    // Sessions.
    (KEY, "{limits: {session: {}}}", &[("spec.limits.session", NO_SESSION_LIMIT)]),
    (
        KEY,
        "{limits: {session: {header: x-run, idle: 5m, required: true}}}",
        &[("spec.limits.session", NO_SESSION_LIMIT)],
    ),
    (KEY, "{limits: {session: {repeats: 0}}}", &[("spec.limits.session.repeats", "must be at least 1")]),
    (KEY, "{limits: {session: {budgets: []}}}", &[("spec.limits.session.budgets", EMPTY_LIST)]),
    (
        KEY,
        "{limits: {session: {budgets: [{name: run, amount: '1', window: Day}]}}}",
        &[("spec.limits.session.budgets[0].window", "unknown field `window`")],
    ),
    (
        KEY,
        "{limits: {session: {requests: [{name: run, max: 1}, {name: run, max: 2}]}}}",
        &[(
            "spec.limits.session.requests[1].name",
            "must be unique in the list: spec.limits.session.requests[0] has the same name",
        )],
    ),
    (
        KEY,
        "{limits: {session: {repeats: 3, idle: 1d}}}",
        &[(
            "spec.limits.session.idle",
            "must be a duration: whole numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms; at most 99999h; a day is 24h",
        )],
    ),
    (
        KEY,
        "{limits: {session: {repeats: 3, idle: 9999999h}}}",
        &[(
            "spec.limits.session.idle",
            "must be a duration: whole numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms; at most 99999h; a day is 24h",
        )],
    ),
    (KEY, "{limits: {session: {repeats: 3, idle: 1ms}}}", &[("spec.limits.session.idle", SHORT_IDLE)]),
    (KEY, "{limits: {session: {repeats: 3, idle: 9s999ms}}}", &[("spec.limits.session.idle", SHORT_IDLE)]),
    (KEY, "{limits: {session: {repeats: 3, idle: 00m09s}}}", &[("spec.limits.session.idle", SHORT_IDLE)]),
    (
        KEY,
        "{limits: {session: {requests: 0}}}",
        &[("spec.limits.session.requests", "must be a list, not a number: write a list such as [{max: …, name: …}]")],
    ),
    (KEY, "{limits: {session: {repeats: 3, idle: 0m}}}", &[("spec.limits.session.idle", SHORT_IDLE)]),
    (
        KEY,
        "{limits: {session: {repeats: 3, header: X-Run}}}",
        &[(
            "spec.limits.session.header",
            "must be a header's name in lower case: letters, digits and `-`, such as x-session-id",
        )],
    ),
    (KEY, "{limits: {session: {repeats: 3, header: authorization}}}", &[("spec.limits.session.header", NO_SECRET)]),
    (KEY, "{limits: {session: {repeats: 3, header: x-api-key}}}", &[("spec.limits.session.header", NO_SECRET)]),
    (KEY, "{limits: {session: {repeats: 3, header: x-auth-token}}}", &[("spec.limits.session.header", NO_SECRET)]),
    (KEY, "{limits: {session: {repeats: 3, header: cookie}}}", &[("spec.limits.session.header", NO_SECRET)]),
    (KEY, "{limits: {session: {repeats: 3, header: x-request-id}}}", &[("spec.limits.session.header", NO_RUN)]),
    (KEY, "{limits: {session: {repeats: 3, header: idempotency-key}}}", &[("spec.limits.session.header", NO_RUN)]),
    (KEY, "{limits: {session: {repeats: 3, header: x-b3-traceid}}}", &[("spec.limits.session.header", NO_RUN)]),
    (
        KEY,
        "{limits: {session: {repeats: 3, header: content-type}}}",
        &[(
            "spec.limits.session.header",
            "this header has a meaning of its own: choose another one, such as x-session-id",
        )],
    ),
    (
        KEY,
        "{limits: {session: {repeats: 3, header: x-outrigger-provider}}}",
        &[(
            "spec.limits.session.header",
            "only x-outrigger-session and x-bf-session-id of the gateway's own headers can name a session",
        )],
    ),
    // Fields of later versions are unknown fields.
    (KEY, "{records: {content: Full}}", &[("spec.records", "unknown field `records`")]),
    (
        KEY,
        "{limits: {onLedgerUnavailable: {mode: FailOpen}}}",
        &[("spec.limits.onLedgerUnavailable", "unknown field `onLedgerUnavailable`")],
    ),
    (KEY, "{budgetRefs: []}", &[("spec.budgetRefs", EMPTY_LIST)]),
    (KEY, "{budgetRefs: [team]}", &[("spec.budgetRefs[0]", "must be a mapping, not a string: write {name: team}")]),
    (KEY, "{providers: [openai]}", &[("spec.providers[0]", "must be a mapping, not a string: write {name: openai}")]),
    (
        BUDGET,
        "{amount: '1', window: 1mo}",
        &[("spec.window", "must be one of Minute, Hour, Day, Week, Month, Quarter, Year, Lifetime: write Month")],
    ),
    (BUDGET, "{amount: '1', rolling: 60}", &[("spec.rolling", "must be a string, not a number: write 60s")]),
    (
        KEY,
        "{limits: {requests: [{name: a, amount: 5, window: Day}]}}",
        &[
            ("spec.limits.requests[0].max", "is required"),
            ("spec.limits.requests[0].amount", "unknown field `amount`, did you mean `max`?"),
        ],
    ),
    (
        PROVIDER,
        "{type: Ollama, defaultPrice: {input: '1', perImage: '1'}}",
        &[("spec.defaultPrice.input", "unknown field `input`, did you mean `inputPerMillion`?")],
    ),
    (
        KEY,
        "{onLimit: Nextprovider}",
        &[("spec.onLimit", "must be one of NextProvider, Reject, did you mean `NextProvider`?")],
    ),
    (KEY, "{unpriced: allow}", &[("spec.unpriced", "must be one of Refuse, Allow, did you mean `Allow`?")]),
    (KEY, "{unmetered: Deny}", &[("spec.unmetered", "must be one of Refuse, Allow")]),
    (KEY, "{onHangUp: Stop}", &[("spec.onHangUp", "must be one of Cancel, Drain")]),
    (
        PROVIDER,
        "{type: Ollama, consumers: {requiresBudget: true}}",
        &[("spec.consumers.requiresBudget", "unknown field `requiresBudget`, did you mean `requireBudget`?")],
    ),
    // Budgets.
    (BUDGET, "{window: Day}", &[("spec", ONE_UNIT)]),
    (BUDGET, "{amount: '1', tokens: 1, window: Day}", &[("spec", ONE_UNIT)]),
    (BUDGET, "{tokens: 0, window: Day}", &[("spec.tokens", "must be at least 1")]),
    (
        BUDGET,
        "{amount: '1', window: Day, thresholds: [{percent: 90, action: Downgrade}]}",
        &[("spec.thresholds[0]", "action Downgrade needs a model: set the cheaper model")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, thresholds: [{percent: 90, action: Notify, model: a}]}",
        &[("spec.thresholds[0]", "model is only for action Downgrade: change the action, or remove model")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, thresholds: [{percent: 101, action: Notify}]}",
        &[("spec.thresholds[0].percent", "must be at most 100")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, thresholds: [{percent: 0, action: Notify}]}",
        &[("spec.thresholds[0].percent", "must be at least 1")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, thresholds: [{percent: 80, action: Warn}]}",
        &[("spec.thresholds[0].action", "must be one of Notify, Downgrade, Reject")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, allowedNamespaces: {from: Selector}}",
        &[("spec.allowedNamespaces", "from: Selector needs a selector: set selector, or set from: Same or from: All")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, allowedNamespaces: {selector: {}}}",
        &[("spec.allowedNamespaces", "selector is only for from: Selector: set from: Selector, or remove selector")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: In}], matchLabels: {'a b': c}}}}",
        &[
            (
                "spec.allowedNamespaces.selector.matchExpressions[0]",
                "operators In and NotIn need values: list at least one",
            ),
            (
                "spec.allowedNamespaces.selector.matchLabels",
                "a label's key must be a name such as `team` or `example.com/team`",
            ),
        ],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        &[(
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "operators Exists and DoesNotExist have no values: remove values",
        )],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, appliesTo: {namespaces: {matchExpressions: [{key: a, operator: In}], matchLabels: {'a b': c}}}}",
        &[
            ("spec.appliesTo.namespaces.matchExpressions[0]", "operators In and NotIn need values: list at least one"),
            (
                "spec.appliesTo.namespaces.matchLabels",
                "a label's key must be a name such as `team` or `example.com/team`",
            ),
        ],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, appliesTo: {namespaces: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        &[(
            "spec.appliesTo.namespaces.matchExpressions[0]",
            "operators Exists and DoesNotExist have no values: remove values",
        )],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, appliesTo: {virtualKeys: {matchExpressions: [{key: a, operator: In}], matchLabels: {'a b': c}}}}",
        &[
            ("spec.appliesTo.virtualKeys.matchExpressions[0]", "operators In and NotIn need values: list at least one"),
            (
                "spec.appliesTo.virtualKeys.matchLabels",
                "a label's key must be a name such as `team` or `example.com/team`",
            ),
        ],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, appliesTo: {virtualKeys: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        &[(
            "spec.appliesTo.virtualKeys.matchExpressions[0]",
            "operators Exists and DoesNotExist have no values: remove values",
        )],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, appliesTo: {virtualKeys: [search]}}",
        &[("spec.appliesTo.virtualKeys", "must be a mapping, not a list")],
    ),
    // Catalogues.
    (CATALOG, "{}", &[("spec.models", "is required")]),
    (CATALOG, "{models: []}", &[("spec.models", EMPTY_LIST)]),
    (
        CATALOG,
        "{models: [{name: a}, {name: a}]}",
        &[("spec.models[1].name", "must be unique in the list: spec.models[0] has the same name")],
    ),
    (
        CATALOG,
        "{models: [{name: a, capabilities: [tools]}]}",
        &[(
            "spec.models[0].capabilities[0]",
            "must be one of Tools, Vision, Audio, Files, Reasoning, StructuredOutputs, PromptCaching, Embeddings, did you mean `Tools`?",
        )],
    ),
    // Rules.
    (RULE, "{}", &[("spec", "action: Route needs targets: list at least one, or set action: Reject")]),
    (RULE, "{action: Reject, message: no, targets: [{provider: a}]}", &[("spec", REJECTED)]),
    (RULE, "{action: Reject, message: no, fallbacks: [a]}", &[("spec", REJECTED)]),
    (RULE, "{action: Reject, message: no, chain: true}", &[("spec", REJECTED)]),
    (RULE, "{action: Reject}", &[("spec", "action: Reject needs message: set the error message for the caller")]),
    (
        RULE,
        "{targets: [{provider: a}], message: no}",
        &[("spec", "message is only for action: Reject: set that action, or remove message")],
    ),
    (RULE, "{action: reject, message: no}", &[("spec.action", "must be one of Route, Reject, did you mean `Reject`?")]),
    (
        RULE,
        "{targets: [{provider: a}], mode: shadow}",
        &[("spec.mode", "must be one of Enforce, Shadow, did you mean `Shadow`?")],
    ),
    (RULE, "{targets: [{provider: a, weight: -1}]}", &[("spec.targets[0].weight", "must be at least 0")]),
    // Tests of rules.
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {}}]}",
        &[("spec.tests[0].expect", NOTHING_EXPECTED)],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {provider: a, anyOf: [a, b]}}]}",
        &[("spec.tests[0].expect", ONE_WAY)],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {anyOf: [a, b], shares: {a: 100%}}}]}",
        &[("spec.tests[0].expect", ONE_WAY)],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {refused: model_blocked, model: a}}]}",
        &[("spec.tests[0].expect", NOWHERE)],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {refused: model_blocked, fallbacks: []}}]}",
        &[("spec.tests[0].expect", NOWHERE)],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, expect: {provider: a}}]}",
        &[("spec.tests[0].request", "is required")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {provider: a}}, {name: a, request: {}, expect: {provider: a}}]}",
        &[("spec.tests[1].name", "must be unique in the list: spec.tests[0] has the same name")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, given: {spent: {team: 95}}, request: {}, expect: {provider: a}}]}",
        &[("spec.tests[0].given.spent.team", "must be a string, not a number: write 95%")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, given: {spent: {team: '95'}}, request: {}, expect: {provider: a}}]}",
        &[("spec.tests[0].given.spent.team", "must be a percentage, such as 95%")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {requestType: chat}, expect: {provider: a}}]}",
        &[(
            "spec.tests[0].request.requestType",
            "must be one of chat_completion, chat_completion_stream, text_completion, responses, responses_stream, embedding, moderation, rerank, speech, transcription, image_generation, count_tokens, list_models",
        )],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {rule: 'A rule'}}]}",
        &[("spec.tests[0].expect.rule", "must be an object's name, or namespace/name, or \"\" for none")],
    ),
    (
        RULE,
        "{targets: [{provider: a}], tests: [{name: a, request: {}, expect: {refused: Budget Exceeded}}]}",
        &[("spec.tests[0].expect.refused", "must be a word in lower case, such as budget_exceeded")],
    ),
    (
        KEY,
        "{onLedgerUnavailable: {policy: FailOpen, maxPerPod: {requests: 0}}}",
        &[("spec.onLedgerUnavailable.maxPerPod.requests", "must be at least 1")],
    ),
    (
        KEY,
        "{onLedgerUnavailable: {policy: failopen, maxPerPod: {requests: 1}}}",
        &[("spec.onLedgerUnavailable.policy", "must be one of FailClosed, FailOpen, did you mean `FailOpen`?")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {tokens: 1}}}",
        &[("spec", "this Budget is money: maxPerPod has budget, and nothing else")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '1', requests: 1}}}",
        &[("spec", "this Budget is money: maxPerPod has budget, and nothing else")],
    ),
    (
        BUDGET,
        "{tokens: 1, window: Day, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {budget: '1'}}}",
        &[("spec", "this Budget is tokens: maxPerPod has tokens, and nothing else")],
    ),
    (
        BUDGET,
        "{amount: '1', window: Day, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {}}}",
        &[
            ("spec", "this Budget is money: maxPerPod has budget, and nothing else"),
            ("spec.onLedgerUnavailable.maxPerPod", NO_UNIT),
        ],
    ),
    (
        KEY,
        "{onLedgerUnavailable: {policy: FailOpen, maxPerPod: {}}}",
        &[("spec.onLedgerUnavailable.maxPerPod", NO_UNIT)],
    ),
    (
        PROVIDER,
        "{type: Ollama, onLedgerUnavailable: {policy: FailOpen, maxPerPod: {}}}",
        &[("spec.onLedgerUnavailable.maxPerPod", NO_UNIT)],
    ),
];
