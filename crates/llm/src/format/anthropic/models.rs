//! The features of each generation of Claude. Needed only to translate requests, because Anthropic refuses with 400
//! what a model no longer accepts.
//!
//! Facts of autumn 2026, from Anthropic's model pages and migration guides and from recorded answers of its API. A
//! newer Claude counts as the newest known one; a model that is not a Claude (other servers use the dialect too) gets
//! [`OTHER`].

/// The features of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelTraits {
    /// The most tokens of one answer.
    pub max_output: u64,
    /// `max_tokens` if the caller set no limit, because Anthropic requires one. Well below the maximum, because budgets
    /// reserve by it.
    pub default_output: u64,
    pub thinking: ThinkingForm,
    /// Whether thinking can't be turned off.
    pub always_thinks: bool,
    pub sampling: Sampling,
    /// The highest value of `output_config.effort`.
    pub top_effort: TopEffort,
    /// Whether it has `output_config.format` and strict tools.
    pub structured: bool,
    /// Whether an assistant turn may come last, to be continued.
    pub prefill: bool,
    /// Whether `tool_choice` may be `any` or `tool`.
    pub forced_tools: bool,
}

/// How thinking is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingForm {
    None,
    /// `{"type": "enabled", "budget_tokens": n}`.
    Budget,
    /// `{"type": "adaptive"}` with `output_config.effort`.
    Adaptive,
}

/// Which of `temperature`, `top_p` and `top_k` are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    All,
    /// All, but not `temperature` and `top_p` together.
    OneOfTwo,
    /// None, except a temperature of 1.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopEffort {
    /// `max`, without `xhigh` below it.
    Max,
    XHigh,
}

/// A model that is not a Claude: what most servers of this dialect accept.
const OTHER: ModelTraits = ModelTraits {
    max_output: u64::MAX,
    default_output: 8_192,
    thinking: ThinkingForm::Budget,
    always_thinks: false,
    sampling: Sampling::All,
    top_effort: TopEffort::Max,
    structured: false,
    prefill: true,
    forced_tools: true,
};

/// The features of the model with this name. Names of Bedrock (`us.anthropic.claude-…-v1:0`) and Vertex
/// (`claude-…@20250514`) are recognized.
pub fn of(name: &str) -> ModelTraits {
    let Some(claude) = Claude::parse(name) else { return OTHER };
    let Claude { line, version } = claude;
    // Fable and Mythos always think, and so do all others but Haiku since 5.5.
    let always_thinks = matches!(line, ClaudeLine::Frontier) || (line != ClaudeLine::Haiku && version >= 505);
    let forced_tools = match line {
        ClaudeLine::Frontier => version < 501,
        ClaudeLine::Haiku => true,
        ClaudeLine::Opus | ClaudeLine::Sonnet => version < 505,
    };
    let (max_output, default_output) = match (line, version) {
        (_, ..305) => (4_096, 4_096),
        (_, ..307) => (8_192, 8_192),
        (ClaudeLine::Opus, ..405) => (32_000, 16_384),
        (_, ..406) => (64_000, 16_384),
        _ => (128_000, 32_000),
    };
    ModelTraits {
        max_output,
        default_output,
        thinking: match version {
            ..307 => ThinkingForm::None,
            307..406 => ThinkingForm::Budget,
            _ => ThinkingForm::Adaptive,
        },
        always_thinks,
        sampling: match version {
            ..401 => Sampling::All,
            401..407 => Sampling::OneOfTwo,
            _ => Sampling::None,
        },
        top_effort: if version < 407 { TopEffort::Max } else { TopEffort::XHigh },
        structured: version >= 405,
        prefill: version < 406,
        forced_tools,
    }
}

/// Whether the model's tokenizer produces up to a third more tokens for the same text, as all have since Opus 4.7. A
/// name that is not a Claude's may be an alias of one.
pub(crate) fn has_dense_tokens(name: &str) -> bool {
    Claude::parse(name).is_none_or(|claude| claude.version >= 407)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaudeLine {
    Haiku,
    Sonnet,
    Opus,
    /// Fable and Mythos.
    Frontier,
}

struct Claude {
    line: ClaudeLine,
    /// A hundred times the major version plus the minor one: 406 for 4.6.
    version: u32,
}

impl Claude {
    fn parse(name: &str) -> Option<Claude> {
        let name = name.to_ascii_lowercase();
        let (_, rest) = name.split_once("claude")?;
        let words: Vec<&str> =
            rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let line = words.iter().find_map(|word| match *word {
            "haiku" => Some(ClaudeLine::Haiku),
            "sonnet" => Some(ClaudeLine::Sonnet),
            "opus" => Some(ClaudeLine::Opus),
            "fable" | "mythos" => Some(ClaudeLine::Frontier),
            _ => None,
        });
        // A date (`20250929`) is not a version, and a minor version directly follows its major one.
        let version = |word: &&str| word.parse::<u32>().ok().filter(|_| word.len() <= 2);
        let mut words = words.iter().skip_while(|word| version(word).is_none());
        let version = match words.next().and_then(version) {
            Some(major) => major * 100 + words.next().and_then(version).unwrap_or(0),
            // `claude-mythos-preview` has the features of 4.7; a Claude without a number is newer than all others.
            None if line == Some(ClaudeLine::Frontier) => 407,
            None => u32::MAX,
        };
        Some(Claude { line: line.unwrap_or(ClaudeLine::Sonnet), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_recognized_by_name() {
        use Sampling::{All, OneOfTwo};
        use ThinkingForm::{Adaptive, Budget};
        // name, most tokens, default, thinking, always, sampling, structured, prefill, forced tools
        for (name, max, default, thinking, always, sampling, structured, prefill, forced) in [
            ("claude-3-haiku-20240307", 4_096, 4_096, ThinkingForm::None, false, All, false, true, true),
            ("claude-3-5-sonnet-20241022", 8_192, 8_192, ThinkingForm::None, false, All, false, true, true),
            ("claude-3-7-sonnet-latest", 64_000, 16_384, Budget, false, All, false, true, true),
            ("claude-sonnet-4-20250514", 64_000, 16_384, Budget, false, All, false, true, true),
            ("us.anthropic.claude-opus-4-20250514-v1:0", 32_000, 16_384, Budget, false, All, false, true, true),
            ("claude-opus-4-1@20250805", 32_000, 16_384, Budget, false, OneOfTwo, false, true, true),
            ("claude-haiku-4-5-20251001", 64_000, 16_384, Budget, false, OneOfTwo, true, true, true),
            ("anthropic/claude-opus-4.5", 64_000, 16_384, Budget, false, OneOfTwo, true, true, true),
            ("claude-sonnet-4-6", 128_000, 32_000, Adaptive, false, OneOfTwo, true, false, true),
            ("claude-opus-4-7", 128_000, 32_000, Adaptive, false, Sampling::None, true, false, true),
            ("claude-mythos-preview", 128_000, 32_000, Adaptive, true, Sampling::None, true, false, true),
            ("claude-sonnet-5", 128_000, 32_000, Adaptive, false, Sampling::None, true, false, true),
            ("claude-fable-5", 128_000, 32_000, Adaptive, true, Sampling::None, true, false, true),
            ("claude-fable-5-1", 128_000, 32_000, Adaptive, true, Sampling::None, true, false, false),
            ("claude-haiku-5-5", 128_000, 32_000, Adaptive, false, Sampling::None, true, false, true),
            ("claude-opus-5-5", 128_000, 32_000, Adaptive, true, Sampling::None, true, false, false),
            ("claude-opus-7", 128_000, 32_000, Adaptive, true, Sampling::None, true, false, false),
        ] {
            let model = of(name);
            assert_eq!(
                (model.max_output, model.default_output, model.thinking, model.always_thinks),
                (max, default, thinking, always),
                "{name}"
            );
            assert_eq!(
                (model.sampling, model.structured, model.prefill, model.forced_tools),
                (sampling, structured, prefill, forced),
                "{name}"
            );
        }
        assert_eq!(of("kimi-k2"), OTHER);
    }
}
