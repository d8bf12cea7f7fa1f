//! Usage of both of OpenAI's APIs, from streams and answers that pass through.

use serde::Deserialize;

use crate::json::lenient::{LenientCount, LenientMillis, LenientObject, LenientTier};
use crate::usage::Usage;

/// Usage of both of OpenAI's APIs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenAiUsage {
    prompt_tokens: LenientCount,
    completion_tokens: LenientCount,
    total_tokens: LenientCount,
    input_tokens: LenientCount,
    output_tokens: LenientCount,
    /// DeepSeek's own name for cached input.
    prompt_cache_hit_tokens: LenientCount,
    prompt_tokens_details: LenientObject<InputDetails>,
    input_tokens_details: LenientObject<InputDetails>,
    /// The name in transcriptions for the same.
    input_token_details: LenientObject<InputDetails>,
    completion_tokens_details: LenientObject<OutputDetails>,
    output_tokens_details: LenientObject<OutputDetails>,
    /// For transcriptions that are billed by time.
    seconds: LenientMillis,
    /// Mistral's own name for it.
    prompt_audio_seconds: LenientMillis,
    /// Mistral reports it here; OpenAI reports it next to the usage, and it is copied here.
    service_tier: LenientTier,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: LenientCount,
    cache_write_tokens: LenientCount,
    audio_tokens: LenientCount,
    image_tokens: LenientCount,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: LenientCount,
    audio_tokens: LenientCount,
    image_tokens: LenientCount,
}

impl OpenAiUsage {
    /// Each report is complete: the last one counts. The service tier may come separately.
    pub fn merge(&mut self, later: Option<OpenAiUsage>) {
        let Some(later) = later else { return };
        let service_tier = LenientTier(later.service_tier.0.or(self.service_tier.0));
        if !later.usage().is_empty() {
            *self = later;
        }
        self.service_tier = service_tier;
    }

    pub fn usage(&self) -> Usage {
        let input = self.prompt_tokens_details.0.or(self.input_tokens_details.0).or(self.input_token_details.0);
        let input = input.unwrap_or_default();
        let output = self.completion_tokens_details.0.or(self.output_tokens_details.0).unwrap_or_default();
        let reasoning = output.reasoning_tokens.0;
        let mut prompt = self.prompt_tokens.0.or(self.input_tokens.0);
        let mut billed_output = self.completion_tokens.0.or(self.output_tokens.0);
        // xAI's chat excludes reasoning from `completion_tokens`; its total shows it.
        if let (Some(total), Some(input), Some(completion), Some(thought)) =
            (self.total_tokens.0, prompt, billed_output, reasoning)
        {
            let with = completion.saturating_add(thought);
            if thought > 0 && input.saturating_add(with) == total {
                billed_output = Some(with);
            }
        }
        // Mistral excludes audio from `prompt_tokens`; its total shows it too.
        if let (Some(total), Some(text), Some(completion), Some(audio)) =
            (self.total_tokens.0, prompt, billed_output, input.audio_tokens.0)
        {
            let with = text.saturating_add(audio);
            if audio > 0 && with.saturating_add(completion) == total {
                prompt = Some(with);
            }
        }
        Usage {
            input: prompt,
            cached_input: input
                .cached_tokens
                .0
                .or(self.prompt_cache_hit_tokens.0)
                // Grok on Azure reports more cached input than input: then it is unknown.
                .filter(|cached| prompt.is_none_or(|prompt| *cached <= prompt)),
            cache_write: input.cache_write_tokens.0,
            cache_write_1h: None,
            output: billed_output,
            reasoning,
            audio_input: input.audio_tokens.0,
            audio_output: output.audio_tokens.0,
            image_input: input.image_tokens.0,
            image_output: output.image_tokens.0,
            images: None,
            searches: None,
            milliseconds: self.seconds.0.or(self.prompt_audio_seconds.0),
            service: self.service_tier.0,
        }
    }
}

/// Usage, with the service tier that is reported next to it.
pub(crate) fn with_service(tokens: Option<OpenAiUsage>, tier: LenientTier) -> Option<OpenAiUsage> {
    let Some(service) = tier.0 else { return tokens };
    Some(OpenAiUsage { service_tier: LenientTier(Some(service)), ..tokens.unwrap_or_default() })
}
