//! How a provider accepts its credential.

/// The header that carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `x-goog-api-key: …`
    GoogApiKey,
    /// `api-key: …`
    ApiKey,
}

impl Auth {
    /// The header's lower-case name.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Auth::Bearer => "authorization",
            Auth::XApiKey => "x-api-key",
            Auth::GoogApiKey => "x-goog-api-key",
            Auth::ApiKey => "api-key",
        }
    }

    /// The prefix of the credential in the header's value.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Auth::Bearer => "Bearer ",
            Auth::XApiKey | Auth::GoogApiKey | Auth::ApiKey => "",
        }
    }
}
