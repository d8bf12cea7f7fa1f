//! `additionalModelRequestFields`: what Converse has no field for, in the words of each family of models.
//!
//! | family | thinking | `top_k` |
//! |---|---|---|
//! | Claude | `thinking`, or `reasoning_config`: `{"type": "enabled", "budget_tokens": n}` | `top_k` |
//! | Nova | `reasoningConfig`: `{"type": "enabled", "maxReasoningEffort": "low"}` | `inferenceConfig.topK` |
//! | GPT-OSS | `reasoning_effort` | |
//! | Mistral | | `top_k` |
//! | Command | | `k` |

use serde_json::{Number, Value, json};

use crate::chat::{ChatRequest, Effort, JsonObject, Thinking};
use crate::format::anthropic::shape::{self, NotedPlaces, Path, Shaped, given, text_if, text_of};

/// Decodes the fields that other dialects have too, and records the others.
pub(super) fn decode(
    fields: &JsonObject,
    at: &Path<'_>,
    request: &mut ChatRequest,
    places: &mut NotedPlaces,
) -> Shaped<()> {
    let mut effort = None;
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let at = at.key(key);
        match key.as_str() {
            "thinking" | "reasoning_config" => request.thinking = budget(shape::object(value, &at)?, &at, places)?,
            "reasoningConfig" => request.thinking = nova(shape::object(value, &at)?, &at, places)?,
            "reasoning_effort" => effort = Some(effort_of(shape::text(value, &at)?, &at)?),
            "output_config" => {
                let config = shape::object(value, &at)?;
                places.note_rest(config, &["effort"], &at);
                let at = at.key("effort");
                effort = text_if(config, "effort", &Path::Root)?.map(|word| effort_of(word, &at)).transpose()?;
            }
            "top_k" | "k" => {
                request.top_k = Some(shape::number(value, &at)?);
                places.note(&at);
            }
            "inferenceConfig" => {
                let config = shape::object(value, &at)?;
                places.note_rest(config, &[], &at);
                if let Some(top_k) = given(config, "topK") {
                    request.top_k = Some(shape::number(top_k, &at.key("topK"))?);
                }
            }
            _ => places.note(&at),
        }
    }
    if let Some(effort) = effort
        && matches!(request.thinking, None | Some(Thinking::Adaptive))
    {
        request.thinking = Some(Thinking::Effort(effort));
    }
    Ok(())
}

fn effort_of(word: &str, at: &Path<'_>) -> Shaped<Effort> {
    Effort::parse(word).ok_or_else(|| at.invalid("must be minimal, low, medium, high, xhigh or max"))
}

fn budget(config: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Option<Thinking>> {
    places.note_rest(config, &["type", "budget_tokens"], at);
    Ok(match text_of(config, "type", at)? {
        "enabled" => {
            let at = at.key("budget_tokens");
            let budget = given(config, "budget_tokens").ok_or_else(|| at.invalid("is missing"))?;
            Some(Thinking::Budget(shape::whole(budget, &at)?))
        }
        "disabled" => Some(Thinking::Off),
        "adaptive" => Some(Thinking::Adaptive),
        other => {
            places.note_value(&at.key("type"), other);
            None
        }
    })
}

fn nova(config: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Option<Thinking>> {
    places.note_rest(config, &["type", "maxReasoningEffort"], at);
    let effort = text_if(config, "maxReasoningEffort", at)?;
    Ok(match text_of(config, "type", at)? {
        "enabled" => Some(match effort {
            Some(word) => Thinking::Effort(effort_of(word, &at.key("maxReasoningEffort"))?),
            None => Thinking::Adaptive,
        }),
        "disabled" => Some(Thinking::Off),
        other => {
            places.note_value(&at.key("type"), other);
            None
        }
    })
}

/// Encodes thinking and `top_k` for the model with this name. `capped`: the request limits the output. What the model
/// has no field for is added to `left_out`.
pub(super) fn encode(
    thinking: Option<&Thinking>,
    top_k: Option<&Number>,
    model: &str,
    capped: bool,
    left_out: &mut Vec<String>,
) -> JsonObject {
    let model = model.to_ascii_lowercase();
    let is = |word: &str| model.contains(word);
    let mut fields = JsonObject::new();
    if let Some(top_k) = top_k {
        match () {
            () if is("amazon.nova") => drop(fields.insert("inferenceConfig".to_owned(), json!({"topK": whole(top_k)}))),
            () if is("mistral.") => drop(fields.insert("top_k".to_owned(), whole(top_k))),
            () if is("cohere.") => drop(fields.insert("k".to_owned(), whole(top_k))),
            () => left_out.push("top_k".to_owned()),
        }
    }
    let Some(thinking) = thinking else { return fields };
    let effort = match thinking {
        Thinking::Off => None,
        Thinking::Adaptive => Some(Effort::Medium),
        Thinking::Effort(effort) => Some(*effort),
        Thinking::Budget(tokens) => Some(Effort::of_tokens(*tokens)),
    };
    if is("amazon.nova-2") {
        let config = match effort {
            None => json!({"type": "disabled"}),
            // With its highest effort, Nova refuses a limit of the output.
            Some(Effort::High | Effort::XHigh) if capped => {
                left_out.push("thinking".to_owned());
                json!({"type": "enabled", "maxReasoningEffort": "medium"})
            }
            Some(effort) => json!({"type": "enabled", "maxReasoningEffort": three_steps(effort)}),
        };
        fields.insert("reasoningConfig".to_owned(), config);
    } else if is("openai.gpt-oss") {
        // It always thinks.
        fields.insert("reasoning_effort".to_owned(), json!(three_steps(effort.unwrap_or(Effort::Low))));
        if effort.is_none() {
            left_out.push("thinking".to_owned());
        }
    } else if effort.is_some() {
        left_out.push("thinking".to_owned());
    }
    fields
}

/// An integer; Gemini's SDKs write `40.0`.
fn whole(number: &Number) -> Value {
    let whole = number.as_f64().filter(|k| k.fract() == 0.0 && (0.0..1e15).contains(k)).map(|k| k as u64);
    whole.map_or_else(|| Value::Number(number.clone()), Value::from)
}

fn three_steps(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh => "high",
    }
}
