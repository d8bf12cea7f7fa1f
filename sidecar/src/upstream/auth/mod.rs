//! Authorizes requests to providers. This is the last step before a request is sent.

mod aws;
mod entra;
mod google;
mod sigv4;
mod token;
mod token_file;
mod token_server;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request};
use thiserror::Error;

use super::Pieces;
use super::mask::Mask;

pub use aws::{
    ContainerCredentials, FixedKey, INSTANCE_METADATA, InstanceMetadata, Signer, WebIdentity, container_agent,
};
pub use entra::{AUTHORITY, EntraApplication, EntraProof};
pub use google::{
    EXCHANGE_SERVER, Federation, IMPERSONATION_SERVER, MetadataServer, ServiceAccount, TOKEN_SERVER, metadata_server,
};
pub use sigv4::SigningScope;
pub use token::{AccessToken, FetchToken, Fetched, TokenSource};
pub use token_file::TokenFile;
pub use token_server::TokenServer;

/// Why a request could not be authorized.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthorizeError {
    /// No signature or access token could be made: the credential is not usable at the moment.
    #[error("{0}")]
    Failed(String),
    /// The attempt's time ran out before.
    #[error("the credential was not ready in time")]
    Late,
}

/// Masks in answers what was made for a request. `None` if it is no secret: a signature.
pub type SentMask = Option<Arc<Mask>>;

/// Adds to a request what its provider requires.
pub trait Authorize: fmt::Debug + Send + Sync {
    /// Authorizes a complete request: method, target, headers and body are those that will be sent.
    ///
    /// # Errors
    /// [`AuthorizeError`]. It contains no secret.
    fn authorize<'r>(&'r self, request: &'r mut Request<Pieces>) -> BoxFuture<'r, Result<SentMask, AuthorizeError>>;

    /// The provider refused what was made: another one may be accepted.
    fn refused(&self) {}
}

/// A credential that can't be used: the reason is told to each request, and other candidates serve.
#[derive(Debug)]
pub struct UnusableCredential(pub String);

impl Authorize for UnusableCredential {
    fn authorize<'r>(&'r self, _: &'r mut Request<Pieces>) -> BoxFuture<'r, Result<SentMask, AuthorizeError>> {
        Box::pin(std::future::ready(Err(AuthorizeError::Failed(self.0.clone()))))
    }
}

/// How a credential authorizes requests.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// The same header for all requests. Its value is marked as sensitive.
    Header { name: HeaderName, value: HeaderValue },
    /// Made or fetched for each request: a signature, an access token.
    Made(Arc<dyn Authorize>),
}

impl Authorization {
    /// Authorizes a request. A constant header is only inserted.
    ///
    /// # Errors
    /// [`AuthorizeError`], if no signature or token can be made, or not before `until`.
    pub async fn authorize(&self, request: &mut Request<Pieces>, until: Instant) -> Result<SentMask, AuthorizeError> {
        match self {
            Authorization::Header { name, value } => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(None)
            }
            Authorization::Made(made) => {
                let made = tokio::time::timeout_at(until.into(), made.authorize(request)).await;
                made.unwrap_or(Err(AuthorizeError::Late))
            }
        }
    }

    /// The provider refused it.
    pub fn refused(&self) {
        if let Authorization::Made(made) = self {
            made.refused();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request() -> Request<Pieces> {
        Request::post("/v1/chat/completions").header("authorization", "Bearer callers").body(Pieces::default()).unwrap()
    }

    /// Signs what is sent.
    #[derive(Debug)]
    struct Signature;

    impl Authorize for Signature {
        fn authorize<'r>(
            &'r self,
            request: &'r mut Request<Pieces>,
        ) -> BoxFuture<'r, Result<SentMask, AuthorizeError>> {
            Box::pin(async move {
                let signed = format!("{} {} {}", request.method(), request.uri(), request.body().length());
                let value = HeaderValue::try_from(signed).map_err(|error| AuthorizeError::Failed(error.to_string()))?;
                request.headers_mut().insert("authorization", value);
                Ok(None)
            })
        }
    }

    #[tokio::test]
    async fn each_kind_replaces_the_callers_header() {
        let name = HeaderName::from_static("authorization");
        let value = HeaderValue::from_static("Bearer providers");
        for (authorization, expected) in [
            (Authorization::Header { name, value }, "Bearer providers"),
            (Authorization::Made(Arc::new(Signature)), "POST /v1/chat/completions 0"),
        ] {
            let mut request = request();
            authorization.authorize(&mut request, Instant::now()).await.unwrap();
            let values: Vec<_> = request.headers().get_all("authorization").iter().collect();
            assert_eq!(values, [expected]);
        }
    }

    /// Never completes.
    #[derive(Debug)]
    struct Never;

    impl Authorize for Never {
        fn authorize<'r>(&'r self, _: &'r mut Request<Pieces>) -> BoxFuture<'r, Result<SentMask, AuthorizeError>> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn authorizing_is_limited_by_the_time_of_the_attempt() {
        let began = tokio::time::Instant::now();
        let until = began + Duration::from_secs(3);
        let never = Authorization::Made(Arc::new(Never));
        assert_eq!(never.authorize(&mut request(), until.into_std()).await.unwrap_err(), AuthorizeError::Late);
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }
}
