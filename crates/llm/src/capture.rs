//! The environment variables that direct SDKs to a gateway: base URLs, and placeholders for API keys.
//!
//! `outrigger run -- CMD` and the pods that the operator injects use the same table, so that an application finds the
//! same variables in both. The table follows the SDKs' own source code.

/// The value of an API key in an application's environment: SDKs require one.
pub const PLACEHOLDER: &str = "outrigger";

/// An API, as SDKs configure it by their environment.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// The name for users: `openai`.
    pub name: &'static str,
    /// The variables of the base URL, with the path that is appended to the gateway's address.
    pub urls: &'static [(&'static str, &'static str)],
    /// The variable of the API key. Without it the SDK does not start.
    pub key: &'static str,
    /// If an application sets one of these, it configures this API itself, or they conflict with the variables above.
    pub others: &'static [&'static str],
    /// Whether it is captured by default.
    pub usual: bool,
    /// Whether the gateway serves its paths.
    pub answered: bool,
}

/// All captures, in the order in which variables are set.
///
/// They never include `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` or `GOOGLE_APPLICATION_CREDENTIALS`: applications
/// use those for more than models.
pub const CAPTURES: &[Capture] = &[
    Capture {
        name: "openai",
        // LangChain reads the second one first.
        urls: &[("OPENAI_BASE_URL", "/v1"), ("OPENAI_API_BASE", "/v1")],
        key: "OPENAI_API_KEY",
        // An Azure client with both an endpoint and a base URL refuses to start.
        others: &["AZURE_OPENAI_ENDPOINT"],
        usual: true,
        answered: true,
    },
    Capture {
        name: "anthropic",
        urls: &[("ANTHROPIC_BASE_URL", "")],
        key: "ANTHROPIC_API_KEY",
        // Sent as a bearer token, and preferred by Claude Code.
        others: &["ANTHROPIC_AUTH_TOKEN"],
        usual: true,
        answered: true,
    },
    Capture {
        name: "gemini",
        urls: &[("GOOGLE_GEMINI_BASE_URL", "")],
        key: "GEMINI_API_KEY",
        // Preferred by google-genai.
        others: &["GOOGLE_API_KEY"],
        usual: true,
        answered: true,
    },
    Capture {
        name: "azure",
        urls: &[("AZURE_OPENAI_ENDPOINT", "")],
        key: "AZURE_OPENAI_API_KEY",
        others: &["AZURE_OPENAI_AD_TOKEN", "OPENAI_BASE_URL", "OPENAI_API_BASE"],
        usual: false,
        answered: true,
    },
    Capture {
        name: "bedrock",
        urls: &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")],
        key: "AWS_BEARER_TOKEN_BEDROCK",
        others: &[],
        usual: false,
        answered: false,
    },
    Capture {
        name: "cohere",
        urls: &[("CO_API_URL", "")],
        key: "CO_API_KEY",
        others: &["COHERE_API_KEY"],
        usual: false,
        answered: false,
    },
];

impl Capture {
    /// The capture with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Capture> {
        CAPTURES.iter().find(|capture| capture.name == name)
    }

    /// The variables of the base URL for a gateway at `address`, such as `127.0.0.1:4180`.
    pub fn urls_at(&self, address: &str) -> impl Iterator<Item = (&'static str, String)> {
        self.urls.iter().map(move |(variable, path)| (*variable, format!("http://{address}{path}")))
    }

    /// Every variable that an application may set for this API.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        let urls = self.urls.iter().map(|(variable, _)| *variable);
        urls.chain([self.key]).chain(self.others.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_is_set_by_only_one_capture() {
        let mut all: Vec<&str> =
            CAPTURES.iter().flat_map(|c| c.urls.iter().map(|(name, _)| *name).chain([c.key])).collect();
        let many = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), many);
        for never in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS"] {
            assert!(!all.contains(&never));
        }
    }

    #[test]
    fn urls_have_the_path_that_the_sdk_expects() {
        let urls = |name| Capture::named(name).unwrap().urls_at("127.0.0.1:4180").collect::<Vec<_>>();
        assert_eq!(urls("anthropic"), [("ANTHROPIC_BASE_URL", "http://127.0.0.1:4180".to_owned())]);
        assert_eq!(urls("openai")[1], ("OPENAI_API_BASE", "http://127.0.0.1:4180/v1".to_owned()));
        assert!(Capture::named("OpenAI").is_none());
    }
}
