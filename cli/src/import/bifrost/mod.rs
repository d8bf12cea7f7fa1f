//! Imports Bifrost's config.json.
//!
//! ```text
//! providers -> LLMProvider    governance.teams, customers, model_configs -> Budget
//! governance.virtual_keys -> VirtualKey    governance.routing_rules -> RoutingRule
//! ```

mod cloud;
mod credentials;
mod expression;
mod keys;
mod known_providers;
mod limits;
mod lists;
mod models;
mod network;
mod owners;
mod providers;
mod rules;

use super::Work;
use super::report::{Fate, code};
use super::source::Node;
use limits::StandaloneLimits;
pub(crate) use lists::Empty;

/// Fields without a counterpart, and whether that matters.
const UNMAPPED: [(&str, Fate, &str); 27] = [
    ("$schema", Fate::NotNeeded, "names the file's format"),
    ("source_of_truth", Fate::NotNeeded, "the objects are"),
    ("encryption_key", Fate::NotNeeded, "nothing is stored that would be encrypted: keys stay in Secrets"),
    ("env_label", Fate::NotNeeded, "Outrigger has no web interface"),
    ("auth_config", Fate::NotNeeded, "Outrigger has no web interface"),
    ("server", Fate::NotNeeded, "the gateway has its own limits"),
    (
        "framework",
        Fate::Lost,
        "prices are those of the built-in catalogue, of a ModelCatalog, or of spec.models[].price",
    ),
    ("config_store", Fate::NotNeeded, "the objects are the store"),
    ("logs_store", Fate::Lost, "requests appear on /decisions and /metrics of the admin port, and are not stored"),
    ("vector_store", Fate::Lost, "answers are not cached"),
    ("mcp", Fate::Lost, "MCP tools are not supported"),
    ("alerting", Fate::Lost, "alert on the metrics, or set thresholds of a Budget"),
    ("webhooks", Fate::Lost, "nothing is called when something happens: alert on the metrics"),
    ("websocket", Fate::Lost, "WebSockets are not supported"),
    ("guardrails_config", Fate::Lost, "guardrails are not supported"),
    ("audit_logs", Fate::Lost, "the history of the objects shows who changed what"),
    ("cluster_config", Fate::NotNeeded, "gateways do not know each other"),
    (
        "load_balancer_config",
        Fate::Lost,
        "write `balance: Adaptive` into keys or providers that shall avoid what is slow",
    ),
    ("large_payload_optimization", Fate::NotNeeded, "large bodies are always streamed to providers"),
    ("scim_config", Fate::Lost, "directories are not supported"),
    ("access_profiles", Fate::Lost, "write what a profile allows into the keys"),
    ("feature_flags", Fate::NotNeeded, "switches of Bifrost itself"),
    ("circuit_breaker_config", Fate::NotNeeded, "each gateway has a breaker for each credential"),
    ("compat", Fate::NotNeeded, "translation between APIs is always on"),
    ("logging", Fate::NotNeeded, "the gateway logs to stderr"),
    ("metrics", Fate::NotNeeded, "/metrics is always available"),
    ("telemetry", Fate::NotNeeded, "/metrics is always available"),
];

/// The same for `client`.
const CLIENT: [(&str, Fate, &str); 30] = [
    ("allow_direct_keys", Fate::Lost, "a caller's own key is never sent to a provider"),
    ("allowed_headers", Fate::NotNeeded, "the gateway answers on localhost, and to no browser"),
    ("allowed_origins", Fate::NotNeeded, "the gateway answers on localhost, and to no browser"),
    ("async_job_result_ttl", Fate::Lost, "asynchronous jobs are not supported"),
    ("compat", Fate::NotNeeded, "translation between APIs is always on"),
    ("disable_content_logging", Fate::NotNeeded, "no content is recorded"),
    ("disable_db_pings_in_health", Fate::NotNeeded, "the gateway has no database"),
    ("drop_excess_requests", Fate::NotNeeded, "a request over the bounds is refused at once"),
    ("dual_credential_conflict_behavior", Fate::NotNeeded, "x-outrigger-key and x-bf-vk count before any other header"),
    ("dump_errors_in_console_logs", Fate::NotNeeded, "errors are on stderr and /decisions"),
    ("enable_litellm_fallbacks", Fate::NotNeeded, "translation between APIs is always on"),
    ("enable_logging", Fate::NotNeeded, "the last requests are on /decisions"),
    ("header_filter_config", Fate::Lost, "x-bf-eh-* headers go up without a list"),
    ("hide_deleted_virtual_keys_in_filters", Fate::NotNeeded, "Outrigger has no web interface"),
    ("initial_pool_size", Fate::NotNeeded, "the gateway sizes its pools itself"),
    ("log_retention_days", Fate::NotNeeded, "nothing is stored"),
    ("logging_headers", Fate::Lost, "headers are not recorded"),
    ("max_request_body_size_mb", Fate::Doubtful, "a body is at most 32 MiB here"),
    ("oauth2_server_config", Fate::Lost, "MCP tools are not supported"),
    ("prometheus_labels", Fate::Lost, "metrics have the labels of docs/metrics.md"),
    ("required_headers", Fate::Lost, "write a RoutingRule with `action: Reject` for requests without them"),
    ("routing_chain_max_depth", Fate::Doubtful, "a chain of rules is followed at most 10 times"),
    ("webhook_config", Fate::Lost, "nothing is called when something happens: alert on the metrics"),
    ("whitelisted_routes", Fate::NotNeeded, "health and metrics are on the admin port"),
    ("allow_per_request_content_storage_override", Fate::NotNeeded, "no content is recorded"),
    ("allow_per_request_raw_override", Fate::NotNeeded, "what was sent and received is not handed out"),
    ("mcp_agent_depth", Fate::NotNeeded, "MCP tools are not supported"),
    ("mcp_tool_execution_timeout", Fate::NotNeeded, "MCP tools are not supported"),
    ("mcp_code_mode_binding_level", Fate::NotNeeded, "MCP tools are not supported"),
    ("mcp_tool_sync_interval", Fate::NotNeeded, "MCP tools are not supported"),
];

/// The same for `governance`.
const GOVERNANCE: [(&str, Fate, &str); 5] = [
    ("auth_config", Fate::NotNeeded, "Outrigger has no web interface"),
    (
        "business_units",
        Fate::Lost,
        "a key has a team and a customer: use one of them for the unit, with its own Budget",
    ),
    ("roles", Fate::Lost, "the cluster's RBAC decides who may change objects"),
    (
        "pricing_overrides",
        Fate::Lost,
        "write prices into spec.models[].price of the LLMProvider, or into a ModelCatalog",
    ),
    ("complexity_analyzer_config", Fate::Lost, "complexity_tier is not supported: rules can use input_tokens"),
];

/// `version` is the meaning of an empty list, if the command line gives it.
pub(crate) fn import(work: &mut Work<'_>, version: Option<Empty>) {
    let root = work.source.root();
    let empty = Empty::of(&root, version);
    let governance = root.get("governance");
    let pool = StandaloneLimits::of(governance.as_ref());
    let without_key = !key_required(&root);
    let providers = providers::import(work, &root, &pool, empty, without_key);
    if let Some(governance) = &governance {
        let owners = owners::import(work, governance, &pool);
        let around =
            keys::KeyContext { providers: &providers, owners: &owners, pool: &pool, empty, key_required: !without_key };
        let named = keys::import(work, governance, &around);
        if without_key {
            report_requests_without_key(governance, &named);
        }
        models::import(work, governance, &pool, &providers, &named);
        rules::import(work, governance, &rules::RuleContext { providers: &providers, owners: &owners, keys: &named });
        report_unmapped(governance, &GOVERNANCE);
    }
    pool.rest();
    super::report_unpriced(work, "governance.budgets");
    if let Some(client) = root.get("client") {
        report_unmapped(&client, &CLIENT);
    }
    plugins(&root);
    report_unmapped(&root, &UNMAPPED);
}

fn report_unmapped(node: &Node<'_>, table: &[(&str, Fate, &str)]) {
    for (field, fate, message) in table {
        if let Some(node) = node.get(field) {
            node.report(*fate, *message);
        }
    }
}

/// Whether a request without a virtual key is refused. In Bifrost it is not, unless the file says so.
fn key_required(root: &Node<'_>) -> bool {
    let mut required = false;
    let flags = ["enforce_auth_on_inference", "enforce_governance_header", "enforce_scim_auth"];
    for flag in flags.into_iter().filter_map(|field| root.get("client").and_then(|client| client.get(field))) {
        required |= flag.flag() == Some(true);
        flag.became("`withoutKey` of the LLMProviders and VirtualKeys");
    }
    for plugin in root.get("plugins").map(|node| node.items()).unwrap_or_default() {
        if let Some(flag) = plugin.get("config").and_then(|config| config.get("is_vk_mandatory")) {
            required |= flag.flag() == Some(true);
            flag.became("`withoutKey` of the LLMProviders and VirtualKeys");
        }
    }
    if !required && root.get("providers").is_some() {
        root.source().report(
            Fate::Doubtful,
            "client.enforce_auth_on_inference",
            "absent or false, so that requests without a virtual key may use every provider: `withoutKey: Allow`. Take it out of the \
             LLMProviders if keys are meant to be needed",
        );
    }
    required
}

/// Reports how requests without a key differ from Bifrost, if the file requires no key and has some.
fn report_requests_without_key(governance: &Node<'_>, keys: &[keys::Named]) {
    let message = match keys {
        [] => return,
        [only] => format!(
            "requests without a key are served here as VirtualKey {}, the only one, and count against it: `withoutKey: Refuse` in it refuses \
             them",
            code(&only.name)
        ),
        _ => "if there are several VirtualKeys and none is called `default`, requests without a key are refused: add that one, or start \
              with `--key`"
            .to_owned(),
    };
    if let Some(node) = governance.get("virtual_keys") {
        node.doubtful(message);
    }
}

fn plugins(root: &Node<'_>) {
    for plugin in root.get("plugins").map(|node| node.items()).unwrap_or_default() {
        let name = plugin.get("name").and_then(|node| node.text()).unwrap_or_default();
        let enabled = plugin.get("enabled").and_then(|node| node.flag()) != Some(false);
        match name {
            _ if !enabled => plugin.idle("it is not enabled"),
            "governance" => {
                for field in ["version", "path", "order", "placement"] {
                    if let Some(node) = plugin.get(field) {
                        node.mark_handled();
                    }
                }
                for (field, node) in plugin.get("config").map(|node| node.fields()).unwrap_or_default() {
                    match field {
                        "is_vk_mandatory" => {}
                        "required_headers" => {
                            node.lost("write a RoutingRule with `action: Reject` for requests without them")
                        }
                        _ => {}
                    }
                }
                plugin.became("part of the gateway");
            }
            "telemetry" | "prometheus" => plugin.idle("/metrics is always available"),
            "logging" => plugin.idle("the last requests are on /decisions"),
            _ => plugin.lost("the gateway has no plugins"),
        }
    }
}
