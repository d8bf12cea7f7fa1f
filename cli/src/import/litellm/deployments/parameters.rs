//! `litellm_params`: a provider's settings and limits, and a deployment's share.

use serde_json::{Map, Value, json};

use super::super::super::headers;
use super::super::super::source::Node;
use super::super::models;
use super::Defaults;
use super::cloud::PARAMETERS;

/// Reads a provider's settings and limits, and the share.
pub(super) fn settings_of(
    params: &Node<'_>,
    kind: &str,
    defaults: &Defaults,
    settings: &mut Map<String, Value>,
    limits: &mut Map<String, Value>,
) -> f64 {
    const TAKEN: [&str; 9] = [
        "model",
        "api_key",
        "api_base",
        "base_url",
        "custom_llm_provider",
        "litellm_credential_name",
        "order",
        "api_version",
        "organization",
    ];
    let mut timeouts = Map::new();
    timeouts.extend(defaults.total.iter().map(|total| ("total".to_owned(), json!(total))));
    timeouts.extend(defaults.first_token.iter().map(|first| ("firstToken".to_owned(), json!(first))));
    let mut attempts = defaults.attempts;
    let mut shares: [Option<f64>; 3] = [None; 3];
    for (field, node) in params.fields() {
        match field {
            "weight" => shares[0] = node.number(),
            "rpm" | "tpm" => {
                let (at, list) = if field == "rpm" { (1, "requests") } else { (2, "tokens") };
                if let Some(most) = node.whole().filter(|most| *most > 0) {
                    shares[at] = node.number();
                    limits.insert(list.to_owned(), json!([{"name": "minute", "max": most, "rolling": "1m"}]));
                    node.doubtful(
                        "LiteLLM's default strategy uses it only as a weight; here it is a limit, beyond which the next deployment is used",
                    );
                }
            }
            "max_parallel_requests" => {
                if let Some(most) = node.whole().filter(|most| *most > 0) {
                    limits.insert("concurrentRequests".to_owned(), json!(most.min(1_000_000)));
                    node.doubtful("the most requests at once of one proxy, and of each gateway here");
                }
            }
            "timeout" => drop(seconds(&node).map(|total| timeouts.insert("total".to_owned(), json!(total)))),
            "stream_timeout" => {
                drop(seconds(&node).map(|first| timeouts.insert("firstToken".to_owned(), json!(first))))
            }
            "max_retries" | "num_retries" => attempts = retries(&node).or(attempts),
            "extra_headers" | "headers" => headers::into(&node, settings),
            _ if matches!(kind, "AzureOpenAI" | "VertexAI" | "Bedrock") && PARAMETERS.contains(&field) => {}
            "aws_profile_name" => node.lost("a profile of LiteLLM's machine: write its access key into a Secret"),
            "api_version" => node.idle("only Azure's API has versions of this kind"),
            "organization" => {
                node.lost("write the header openai-organization into spec.headers, if the key has several")
            }
            "tags" => node.lost("requests have no tags: write a RoutingRule that reads a header"),
            _ if TAKEN.contains(&field) || models::is_price(field) => {}
            "max_budget" | "budget_duration" => {
                node.lost("write spec.limits.budgets into the LLMProvider");
            }
            _ => node.lost("a parameter of each request: let the caller send it"),
        }
    }
    if !timeouts.is_empty() {
        settings.insert("timeouts".to_owned(), Value::Object(timeouts));
    }
    if let Some(attempts) = attempts {
        settings.insert("retry".to_owned(), json!({"maxAttempts": attempts}));
    }
    shares.into_iter().flatten().next().unwrap_or(1.0)
}

/// Seconds, which may be a fraction, as a duration such as `30s`.
pub(crate) fn seconds(node: &Node<'_>) -> Option<String> {
    let seconds = node.number()?;
    if !(0.001..=99_999.0).contains(&seconds) {
        node.lost("no time that a deadline can have");
        return None;
    }
    if seconds.fract() == 0.0 {
        return Some(format!("{seconds:.0}s"));
    }
    let (whole, millis) = (seconds.trunc(), (seconds.fract() * 1000.0).round().min(999.0));
    Some(if whole > 0.0 { format!("{whole:.0}s{millis:.0}ms") } else { format!("{millis:.0}ms") })
}

/// The number of attempts for a number of retries.
pub(crate) fn retries(node: &Node<'_>) -> Option<i64> {
    let retries = node.whole()?;
    if retries > 9 {
        node.doubtful("at most 10 attempts are made at a provider");
    }
    Some(retries.clamp(0, 9) + 1)
}

#[cfg(test)]
mod tests {
    use super::super::super::super::source::ImportSource;
    use super::*;

    #[test]
    fn deadlines() {
        for (seconds_, text) in
            [(30.0, Some("30s")), (0.5, Some("500ms")), (1.5, Some("1s500ms")), (0.0, None), (1e6, None)]
        {
            let source = ImportSource::new(json!(seconds_));
            assert_eq!(seconds(&source.root()).as_deref(), text);
        }
    }
}
