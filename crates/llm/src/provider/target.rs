//! What a request is written for.

use crate::operation::Operation;
use crate::path::{PathError, UpstreamPath};
use crate::provider::ProviderType;
use crate::provider::api::Api;
use crate::provider::quirks::Quirks;
use crate::provider::table::{TYPES, UNKNOWN};
use crate::{Dialect, Format};

/// The upstream that a request is written for. Whatever an encoder decides, it decides by this.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub provider: &'static ProviderType,
    /// What that server speaks: the provider's own API, or for a mock the one that it plays.
    pub api: &'static Api,
    /// The model's name there.
    pub model: &'a str,
}

/// Targets with equal keys refuse the same requests, so that one of them has to be tried.
///
/// A quirk for which an encoder refuses a request belongs in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitKey(Format);

impl<'a> Target<'a> {
    /// A model of a provider. `mock` is the dialect that a provider plays which has none of its own.
    #[must_use]
    pub fn new(provider: &'static ProviderType, mock: Dialect, model: &'a str) -> Self {
        Target { provider, api: provider.api.unwrap_or(Api::of(mock)), model }
    }

    /// A model of the vendor whose own API a dialect is.
    #[must_use]
    pub fn vendor(dialect: Dialect, model: &'a str) -> Self {
        let own = |provider: &&ProviderType| provider.api.is_some_and(|api| api.dialect == dialect);
        Target::new(TYPES.iter().find(own).unwrap_or(&UNKNOWN), dialect, model)
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.api.format
    }

    /// What decides whether a request can be written for this target.
    #[must_use]
    pub fn fit_key(&self) -> FitKey {
        FitKey(self.api.format)
    }

    #[must_use]
    pub fn quirks(&self) -> &'static Quirks {
        &self.provider.quirks
    }

    /// The path below the endpoint at which this operation is asked for, with the model's name where the API wants it.
    ///
    /// # Errors
    /// [`PathError`] where the model's name would stand in the path, and can't.
    pub fn path(&self, operation: &Operation, stream: bool) -> Result<UpstreamPath, PathError> {
        match operation.dialect == self.api.dialect {
            true => self.api.url.own(operation, self.model),
            false => self.api.url.translated(operation, self.model, stream),
        }
    }
}
