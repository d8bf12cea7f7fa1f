//! The stream's requests to the API server about tokens.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;

use super::keys::PublishedKeys;
use crate::api;

const TIME: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClusterError {
    #[error("no answer within {} s", TIME.as_secs())]
    Late,
    #[error("{0}")]
    Refused(String),
    #[error("{0} can't be read")]
    Unreadable(&'static str),
}

/// The verified identity of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub namespace: String,
    pub service_account: String,
    pub pod: String,
    pub uid: String,
}

/// The API server, or a test's.
pub trait TokenAuthority: fmt::Debug + Send + Sync + 'static {
    /// The issuer and its keys.
    fn published(&self) -> BoxFuture<'_, Result<PublishedKeys, ClusterError>>;
    /// The identity of a token for our audience; `None` if it is not valid.
    fn review<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Bearer>, ClusterError>>;
}

/// The real API server. Reading the keys only needs `system:service-account-issuer-discovery`, which every service
/// account has by default; reviews need `create` on `tokenreviews`.
#[derive(Clone)]
pub struct ApiServer(Client);

impl ApiServer {
    #[must_use]
    pub fn new(client: Client) -> Self {
        ApiServer(client)
    }

    async fn text(&self, path: &str) -> Result<String, ClusterError> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|_| ClusterError::Unreadable("the path"))?;
        timed(self.0.request_text(request)).await
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiServer")
    }
}

impl TokenAuthority for ApiServer {
    fn published(&self) -> BoxFuture<'_, Result<PublishedKeys, ClusterError>> {
        Box::pin(async {
            let discovery = self.text("/.well-known/openid-configuration").await?;
            PublishedKeys::read(&discovery, &self.text("/openid/v1/jwks").await?)
        })
    }

    fn review<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Bearer>, ClusterError>> {
        Box::pin(async move {
            let review = TokenReview {
                spec: TokenReviewSpec {
                    token: Some(token.to_owned()),
                    audiences: Some(vec![outrigger_sync::AUDIENCE.to_owned()]),
                },
                ..TokenReview::default()
            };
            let reviews: Api<TokenReview> = Api::all(self.0.clone());
            let review = timed(reviews.create(&PostParams::default(), &review)).await?;
            Ok(review.status.and_then(bearer))
        })
    }
}

async fn timed<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, ClusterError> {
    match tokio::time::timeout(TIME, call).await {
        Err(_) => Err(ClusterError::Late),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ClusterError::Refused(api::error::message(&error))),
    }
}

/// `None`: not authenticated, not for our audience, or not of a pod.
fn bearer(status: TokenReviewStatus) -> Option<Bearer> {
    // A server that does not know audiences answers without them: it did not check ours.
    let ours = status.audiences.unwrap_or_default().iter().any(|audience| audience == outrigger_sync::AUDIENCE);
    let user = status.user.filter(|_| ours && status.authenticated == Some(true))?;
    let name = user.username?;
    let (namespace, service_account) = name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let mut extra = user.extra.unwrap_or_default();
    let mut only = |name: &str| extra.remove(name).and_then(|values| values.into_iter().next());
    Some(Bearer {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        pod: only("authentication.kubernetes.io/pod-name")?,
        uid: only("authentication.kubernetes.io/pod-uid")?,
    })
}
