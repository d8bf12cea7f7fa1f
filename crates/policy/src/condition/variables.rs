//! The variables of conditions.

/// A variable that a rule may read.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    /// Its type, as CEL names it.
    pub kind: &'static str,
    pub meaning: &'static str,
}

/// All variables. `check` and the documentation use this table too.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "model", kind: "string", meaning: "the model asked for, without a provider in front" },
    Variable { name: "provider", kind: "string", meaning: "the provider in front of the model's name, or \"\"" },
    Variable {
        name: "request_type", kind: "string", meaning: "chat_completion, chat_completion_stream, responses, …"
    },
    Variable { name: "headers", kind: "map(string, string)", meaning: "the caller's, lower-cased, no credentials" },
    Variable { name: "params", kind: "map(string, string)", meaning: "the query's, no credentials" },
    Variable { name: "virtual_key_id", kind: "string", meaning: "the key as namespace/name" },
    Variable { name: "virtual_key_name", kind: "string", meaning: "the key's name" },
    Variable { name: "team_id", kind: "string", meaning: "the key's team, or \"\"" },
    Variable { name: "team_name", kind: "string", meaning: "the key's team, or \"\"" },
    Variable { name: "customer_id", kind: "string", meaning: "the key's customer, or \"\"" },
    Variable { name: "customer_name", kind: "string", meaning: "the key's customer, or \"\"" },
    // Not `namespace`: that word is reserved in CEL.
    Variable { name: "virtual_key_namespace", kind: "string", meaning: "the key's namespace" },
    Variable { name: "budget_used", kind: "double", meaning: "money that is spent, in per cent of the fullest limit" },
    Variable { name: "tokens_used", kind: "double", meaning: "tokens that are used, in per cent of the fullest limit" },
    Variable { name: "request", kind: "double", meaning: "requests that were made, in per cent of the fullest limit" },
    Variable {
        name: "session_used",
        kind: "double",
        meaning: "money, tokens or requests of the session that are used, in per cent of the fullest limit",
    },
    Variable { name: "input_tokens", kind: "int", meaning: "tokens of the request, estimated" },
    Variable { name: "needs", kind: "list(string)", meaning: "what a model must be able to do: Tools, Vision, …" },
    Variable { name: "labels", kind: "map(string, string)", meaning: "the pod's labels" },
    Variable { name: "workload", kind: "string", meaning: "the pod's name, or \"\"" },
    Variable { name: "now", kind: "timestamp", meaning: "the time" },
];
