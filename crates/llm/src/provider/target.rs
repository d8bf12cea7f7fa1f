//! The target of a request.

use crate::chat::origin::Origin;
use crate::operation::{Operation, OperationKind};
use crate::path::{PathError, UpstreamPath};
use crate::provider::ProviderType;
use crate::provider::api::Api;
use crate::provider::quirks::Quirks;
use crate::provider::table::{TYPES, UNKNOWN};
use crate::{Dialect, Format};

/// The upstream that a request is encoded for. Encoders decide everything by this.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub provider: &'static ProviderType,
    /// The API of that server: the provider's own, or for a mock the one that it imitates.
    pub api: &'static Api,
    /// The model's name at the provider.
    pub model: &'a str,
}

/// Targets with equal keys refuse the same requests, so that only one of them has to be tried.
///
/// A quirk for which an encoder refuses a request must be part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitKey(Format, &'static str);

impl<'a> Target<'a> {
    /// A model of a provider, for a caller of `dialect`. A provider that has no dialect of its own has the same one.
    #[must_use]
    pub fn new(provider: &'static ProviderType, dialect: Dialect, model: &'a str) -> Self {
        Target { provider, api: provider.apis(dialect).of(dialect, model), model }
    }

    /// A model of the vendor whose own API a dialect is.
    #[must_use]
    pub fn vendor(dialect: Dialect, model: &'a str) -> Self {
        let own = |provider: &&ProviderType| provider.api.is_some_and(|api| api.dialect == dialect);
        Target { provider: TYPES.iter().find(own).unwrap_or(&UNKNOWN), api: Api::of(dialect), model }
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.api.format
    }

    /// The key that determines whether a request can be encoded for this target.
    #[must_use]
    pub fn fit_key(&self) -> FitKey {
        FitKey(self.api.format, self.provider.name)
    }

    #[must_use]
    pub fn quirks(&self) -> &'static Quirks {
        &self.provider.quirks
    }

    /// Whether the server has this operation of the caller's API itself, so that the caller's bytes go there.
    #[must_use]
    pub fn takes(&self, operation: &Operation) -> bool {
        let has = match operation.kind {
            OperationKind::Responses => self.provider.responses,
            OperationKind::Rerank => self.reranks(),
            _ => true,
        };
        has && operation.dialect == self.api.dialect
    }

    /// Whether the server reranks documents.
    #[must_use]
    pub fn reranks(&self) -> bool {
        self.provider.reranks && matches!(self.api.dialect, Dialect::OpenAi | Dialect::Cohere)
    }

    /// Whose thoughts this target gives and accepts. The model's own, where other providers have the same model and can
    /// read its signatures.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.format() {
            Format::Gemini => Origin::GEMINI,
            // Servers of this format put Claude's signatures into a form of their own.
            Format::OpenAiChat => Origin::of_type(self.provider.name),
            _ if self.model.contains("claude") => Origin::CLAUDE,
            _ => Origin::of_type(self.provider.name),
        }
    }

    /// The path below the endpoint for this operation, with the model's name if the API expects it there.
    ///
    /// # Errors
    /// [`PathError`] if the path would contain the model's name, and can't.
    pub fn path(&self, operation: &Operation, stream: bool) -> Result<UpstreamPath, PathError> {
        match self.takes(operation) {
            true => self.api.url.own(operation, self.model, stream),
            false => self.api.url.translated(operation, self.model, stream),
        }
    }
}
