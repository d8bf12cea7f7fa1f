//! Settings of LiteLLM without a counterpart, and whether that matters.

use serde_json::{Map, Value, json};

use super::super::report::{Fate, code};
use super::super::source::Node;

/// A field, its fate, and the message.
type SettingRow = (&'static str, Fate, &'static str);

pub(crate) const ROOT: &[SettingRow] = &[
    (
        "callback_settings",
        Fate::Lost,
        "nothing is called back: the last requests are on /decisions, numbers on /metrics",
    ),
    ("guardrails", Fate::Lost, "guardrails are not supported"),
    ("mcp_servers", Fate::Lost, "MCP tools are not supported"),
    ("mcp_tools", Fate::Lost, "MCP tools are not supported"),
    ("vector_store_registry", Fate::Lost, "vector stores are not supported"),
    ("prompts", Fate::Lost, "prompts are the application's"),
    ("files_settings", Fate::Lost, "files go to the provider that they belong to"),
    ("finetune_settings", Fate::Lost, "fine-tuning is not supported"),
    ("search_tools", Fate::Lost, "search tools are not supported"),
];

pub(crate) const LITELLM: &[SettingRow] = &[
    ("callbacks", Fate::Lost, "nothing is called back: the last requests are on /decisions, numbers on /metrics"),
    (
        "success_callback",
        Fate::Lost,
        "nothing is called back: the last requests are on /decisions, numbers on /metrics",
    ),
    (
        "failure_callback",
        Fate::Lost,
        "nothing is called back: the last requests are on /decisions, numbers on /metrics",
    ),
    ("service_callbacks", Fate::Lost, "nothing is called back: numbers are on /metrics"),
    ("cache", Fate::Lost, "answers are not cached"),
    ("cache_params", Fate::Lost, "answers are not cached"),
    ("content_policy_fallbacks", Fate::Lost, "a response that a filter refused is returned unchanged"),
    (
        "drop_params",
        Fate::Doubtful,
        "unsupported parameters are refused, and only hints are left out: a response never changes silently",
    ),
    ("modify_params", Fate::Doubtful, "a request is translated only if necessary, and x-outrigger-adapted reports it"),
    ("turn_off_message_logging", Fate::NotNeeded, "no content is recorded"),
    ("redact_user_api_key_info", Fate::NotNeeded, "no key is recorded"),
    ("redact_messages_in_exceptions", Fate::NotNeeded, "no content is recorded"),
    ("set_verbose", Fate::NotNeeded, "the gateway logs to stderr"),
    ("json_logs", Fate::NotNeeded, "the gateway logs to stderr"),
    ("allowed_fails", Fate::NotNeeded, "each gateway has a breaker for each credential"),
    ("cooldown_time", Fate::NotNeeded, "a provider rests as long as it requests"),
    ("force_ipv4", Fate::Lost, "addresses are tried as the system names them"),
    (
        "ssl_verify",
        Fate::Lost,
        "certificates are always verified: name the authority in spec.tls.caRef of the LLMProviders",
    ),
    ("enable_json_schema_validation", Fate::Lost, "answers are not checked against a schema"),
    ("key_generation_settings", Fate::Lost, "the cluster's RBAC decides who may create keys"),
    ("default_internal_user_params", Fate::Lost, "users are not supported, but keys are"),
    ("default_team_settings", Fate::Lost, "write a Budget for each team"),
    ("max_internal_user_budget", Fate::Lost, "users are not supported: write limits into the VirtualKeys"),
    ("internal_user_budget_duration", Fate::Lost, "users are not supported: write limits into the VirtualKeys"),
    ("max_end_user_budget", Fate::Lost, "users are not supported: write limits into the VirtualKeys"),
    ("upperbound_key_generate_params", Fate::Lost, "the cluster's RBAC decides who may create keys"),
    ("public_model_groups", Fate::NotNeeded, "Outrigger has no web interface"),
    ("langfuse_default_tags", Fate::Lost, "nothing is called back"),
    ("model_alias_map", Fate::Lost, "write the names into spec.models[].aliases of the LLMProviders"),
];

pub(crate) const ROUTER: &[SettingRow] = &[
    ("routing_strategy_args", Fate::NotNeeded, "settings of a strategy"),
    ("redis_host", Fate::NotNeeded, "gateways need no Redis"),
    ("redis_port", Fate::NotNeeded, "gateways need no Redis"),
    ("redis_password", Fate::NotNeeded, "gateways need no Redis"),
    ("redis_url", Fate::NotNeeded, "gateways need no Redis"),
    ("redis_db", Fate::NotNeeded, "gateways need no Redis"),
    ("enable_pre_call_checks", Fate::NotNeeded, "a candidate that can't take the request is passed over"),
    ("allowed_fails", Fate::NotNeeded, "each gateway has a breaker for each credential"),
    ("allowed_fails_policy", Fate::NotNeeded, "each gateway has a breaker for each credential"),
    ("cooldown_time", Fate::NotNeeded, "a provider rests as long as it requests"),
    ("disable_cooldowns", Fate::Lost, "what fails rests for a while"),
    ("retry_after", Fate::NotNeeded, "the gateway waits as long as the provider requests, or with jitter"),
    ("retry_policy", Fate::Lost, "whether to try again is decided by how an attempt failed; how often, by spec.retry"),
    (
        "model_group_retry_policy",
        Fate::Lost,
        "whether to try again is decided by how an attempt failed; how often, by spec.retry",
    ),
    ("content_policy_fallbacks", Fate::Lost, "a response that a filter refused is returned unchanged"),
    ("max_fallbacks", Fate::NotNeeded, "every fallback is tried within the request's time"),
    ("enable_tag_filtering", Fate::Lost, "requests have no tags: write a RoutingRule that reads a header"),
    ("tag_filtering_match_any", Fate::Lost, "requests have no tags: write a RoutingRule that reads a header"),
    ("cache_responses", Fate::Lost, "answers are not cached"),
    ("default_max_parallel_requests", Fate::Lost, "write limits.concurrentRequests into the LLMProviders"),
    ("default_priority", Fate::Lost, "requests have no priority"),
    ("polling_interval", Fate::NotNeeded, "requests have no priority"),
    ("set_verbose", Fate::NotNeeded, "the gateway logs to stderr"),
    ("debug_level", Fate::NotNeeded, "the gateway logs to stderr"),
    (
        "optional_pre_call_checks",
        Fate::NotNeeded,
        "a conversation stays where it was, and what can't take it is passed over",
    ),
    ("ignore_invalid_deployments", Fate::NotNeeded, "an invalid object is reported, and the others stay"),
    ("alerting_config", Fate::Lost, "alert on the metrics"),
];

pub(crate) const GENERAL: &[SettingRow] = &[
    ("store_model_in_db", Fate::NotNeeded, "the objects are the store"),
    ("database_connection_pool_limit", Fate::NotNeeded, "the gateway has no database"),
    ("database_connection_timeout", Fate::NotNeeded, "the gateway has no database"),
    ("allow_requests_on_db_unavailable", Fate::NotNeeded, "the gateway has no database"),
    ("proxy_batch_write_at", Fate::NotNeeded, "the gateway has no database"),
    ("disable_spend_logs", Fate::NotNeeded, "nothing is stored"),
    ("store_prompts_in_spend_logs", Fate::Lost, "no content is recorded"),
    ("maximum_spend_logs_retention_period", Fate::NotNeeded, "nothing is stored"),
    ("background_health_checks", Fate::NotNeeded, "health is learnt from requests"),
    ("health_check_interval", Fate::NotNeeded, "health is learnt from requests"),
    ("alerting", Fate::Lost, "alert on the metrics"),
    ("alerting_threshold", Fate::Lost, "alert on the metrics"),
    ("alert_types", Fate::Lost, "alert on the metrics"),
    ("alerting_args", Fate::Lost, "alert on the metrics"),
    ("max_parallel_requests", Fate::Lost, "write limits.concurrentRequests into the LLMProviders"),
    ("global_max_parallel_requests", Fate::Lost, "write limits.concurrentRequests into the VirtualKey"),
    ("max_request_size_mb", Fate::Doubtful, "a body is at most 32 MiB here"),
    ("max_response_size_mb", Fate::Lost, "answers are let through as they come"),
    ("enable_jwt_auth", Fate::Lost, "VirtualKeys identify callers"),
    ("litellm_jwtauth", Fate::Lost, "VirtualKeys identify callers"),
    ("custom_auth", Fate::Lost, "VirtualKeys identify callers"),
    ("ui_access_mode", Fate::NotNeeded, "Outrigger has no web interface"),
    ("allowed_routes", Fate::Lost, "docs/operations.md lists the supported paths"),
    ("allowed_ips", Fate::NotNeeded, "the gateway answers on localhost"),
    ("pass_through_endpoints", Fate::Lost, "docs/operations.md lists the supported paths"),
    ("key_management_system", Fate::NotNeeded, "keys of providers are in Secrets"),
    ("key_management_settings", Fate::NotNeeded, "keys of providers are in Secrets"),
    ("completion_model", Fate::Lost, "let callers name a model"),
    ("infer_model_from_keys", Fate::NotNeeded, "models are listed from the objects"),
    ("enforce_user_param", Fate::Lost, "write a RoutingRule with `action: Reject`, if a header can express it"),
    (
        "forward_client_headers_to_llm_api",
        Fate::Doubtful,
        "headers of callers go up where no translation is needed, but for credentials",
    ),
    ("use_redis_transaction_buffer", Fate::NotNeeded, "gateways need no Redis"),
];

pub(crate) fn report_all(section: &Node<'_>, table: &[SettingRow]) {
    for (field, fate, message) in table {
        if let Some(node) = section.get(field) {
            node.report(*fate, *message);
        }
    }
}

/// Sets how deployments are drawn, in a key.
pub(crate) fn strategy(node: &Node<'_>, key: &mut Map<String, Value>) {
    match node.text() {
        Some("simple-shuffle") => node.became("the weights of the RoutingRules"),
        Some(strategy @ ("latency-based-routing" | "least-busy")) => {
            key.insert("balance".to_owned(), json!("Adaptive"));
            node.doubtful(format!(
                "{} became `balance: Adaptive`: weights count, and less of what is slow at present",
                code(strategy)
            ));
        }
        Some(strategy @ ("usage-based-routing" | "usage-based-routing-v2")) => node.doubtful(format!(
            "{}: drawn by weight, and passed over once rpm or tpm is used up, which are limits here",
            code(strategy)
        )),
        Some(strategy) => node.lost(format!("{}: deployments are drawn by weight", code(strategy))),
        None => {}
    }
}
