//! The fields that limit the tokens of an answer.

/// A field that limits the tokens of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapField {
    /// `max_completion_tokens` of chat completions.
    MaxCompletionTokens,
    /// `max_tokens`: the older one of chat completions, and the one of completions and of Anthropic's messages.
    MaxTokens,
    /// `max_output_tokens` of responses.
    MaxOutputTokens,
    /// `generationConfig.maxOutputTokens` of Gemini.
    Generation,
    /// `inferenceConfig.maxTokens` of Bedrock.
    Inference,
    /// `options.num_predict` of Ollama.
    Options,
}
