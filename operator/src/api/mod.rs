//! The client of the API server. Every call is counted and has a timeout.

pub mod error;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use k8s_openapi::api::core::v1;
use kube::api::{ApiResource, DynamicObject};
use kube::client::{Body, ClientBuilder};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use thiserror::Error;
use tower::{BoxError, Layer, Service};

use crate::api::error::message;
use crate::objects::id::ObjectKind;

/// The time until the response's head, for every call including watches, whose response also begins at once.
const HEAD: Duration = Duration::from_secs(10);
/// The time until the whole response.
const WHOLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// The server ends a watch after 290 s. The client gives it up after 5 s more.
const SILENCE: Duration = Duration::from_secs(300);

/// Why no client could be created.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("no API server is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    #[error("the API server can't be called: {0}")]
    Client(#[from] kube::Error),
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum CallError {
    #[error("the API server did not answer within {} s", WHOLE.as_secs())]
    Late,
    #[error("{}", message(.0))]
    Refused(#[from] kube::Error),
}

impl CallError {
    /// The object does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.failure() == CallFailure::NotFound
    }

    /// Another writer changed or created the object first.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.failure() == CallFailure::Conflict
    }

    /// The operator is not allowed to make the call.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.failure() == CallFailure::Forbidden
    }

    /// Whether a retry cannot succeed until somebody changes something.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self.code(), Some(400..=499)) && !self.is_not_found() && !self.is_conflict() && !self.is_too_many()
    }

    /// The API server throttles, or a disruption budget forbids an eviction.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        self.failure() == CallFailure::Throttled
    }

    #[must_use]
    pub fn failure(&self) -> CallFailure {
        match self.code() {
            None => CallFailure::Unreachable,
            Some(403) => CallFailure::Forbidden,
            Some(404) => CallFailure::NotFound,
            Some(409) => CallFailure::Conflict,
            Some(429) => CallFailure::Throttled,
            Some(500..) => CallFailure::ServerError,
            Some(_) => CallFailure::Refused,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            CallError::Refused(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

/// Why a call failed, as a metrics label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallFailure {
    Conflict,
    Forbidden,
    NotFound,
    Throttled,
    Refused,
    ServerError,
    Unreachable,
}

impl CallFailure {
    pub const ALL: [CallFailure; 7] = [
        CallFailure::Conflict,
        CallFailure::Forbidden,
        CallFailure::NotFound,
        CallFailure::Throttled,
        CallFailure::Refused,
        CallFailure::ServerError,
        CallFailure::Unreachable,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            CallFailure::Conflict => "conflict",
            CallFailure::Forbidden => "forbidden",
            CallFailure::NotFound => "not_found",
            CallFailure::Throttled => "throttled",
            CallFailure::Refused => "refused",
            CallFailure::ServerError => "server_error",
            CallFailure::Unreachable => "unreachable",
        }
    }
}

/// Runs a call with a timeout.
///
/// # Errors
/// [`CallError`].
pub async fn timed<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(WHOLE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Late),
    }
}

/// Counts calls of the API server.
pub trait CallCounter: Send + Sync {
    /// One call was answered with `code`, or failed with the code `none`.
    fn api_request(&self, verb: &str, code: &str);
}

/// Creates a client from the environment, as kubectl does.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(counter: Arc<dyn CallCounter>) -> Result<Client, ConnectError> {
    let mut config = Config::infer().await?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // The work queue and the watches retry by themselves, and know what is still worth a retry.
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?.with_layer(&RequestCounter(counter)).build())
}

/// The objects of one of our kinds, as JSON. The spec is validated later.
#[must_use]
pub fn objects(client: &Client, kind: ObjectKind) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource(kind))
}

/// The API resource of one of our kinds.
#[must_use]
pub fn resource(kind: ObjectKind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(outrigger_crds::GROUP, "v1alpha1", kind.name());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

/// The API resources of namespaces, Secrets and ConfigMaps.
#[must_use]
pub fn namespaces() -> ApiResource {
    ApiResource::erase::<v1::Namespace>(&())
}

#[must_use]
pub fn secrets() -> ApiResource {
    ApiResource::erase::<v1::Secret>(&())
}

#[must_use]
pub fn config_maps() -> ApiResource {
    ApiResource::erase::<v1::ConfigMap>(&())
}

/// Counts each request by verb and status code.
struct RequestCounter(Arc<dyn CallCounter>);

impl<S> Layer<S> for RequestCounter {
    type Service = CountingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountingService { inner, counter: Arc::clone(&self.0) }
    }
}

struct CountingService<S> {
    inner: S,
    counter: Arc<dyn CallCounter>,
}

impl<S, B> Service<Request<Body>> for CountingService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(&request);
        let (counter, answer) = (Arc::clone(&self.counter), self.inner.call(request));
        Box::pin(async move {
            match tokio::time::timeout(HEAD, answer).await {
                Ok(Ok(response)) => {
                    counter.api_request(verb, response.status().as_str());
                    Ok(response)
                }
                Ok(Err(error)) => {
                    counter.api_request(verb, "none");
                    Err(error.into())
                }
                Err(_) => {
                    counter.api_request(verb, "none");
                    Err(format!("the API server did not begin to answer within {} s", HEAD.as_secs()).into())
                }
            }
        })
    }
}

fn verb<B>(request: &Request<B>) -> &'static str {
    let watches = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    match *request.method() {
        Method::GET if watches => "watch",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::OperatorMetrics;

    #[test]
    fn each_request_has_its_verb() {
        let of = |method: &str, uri: &str| verb(&Request::builder().method(method).uri(uri).body(()).unwrap());
        assert_eq!(of("GET", "/api/v1/pods?&watch=true&timeoutSeconds=290"), "watch");
        assert_eq!(of("GET", "/api/v1/pods?&limit=500"), "get");
        assert_eq!(of("PATCH", "/api/v1/namespaces/a/configmaps/b"), "patch");
    }

    #[test]
    fn resources_match_the_definitions() {
        let resource = resource(ObjectKind::LlmProvider);
        assert_eq!(
            (resource.api_version.as_str(), resource.plural.as_str()),
            ("outrigger.dev/v1alpha1", "llmproviders")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_times_out_and_is_counted() {
        let metrics = Arc::new(OperatorMetrics::new().unwrap());
        let never = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>());
        let client = ClientBuilder::new(never, "default").with_layer(&RequestCounter(metrics.clone())).build();
        let api: Api<v1::Namespace> = Api::all(client);
        let error = timed(api.get("default")).await.unwrap_err();
        assert_eq!(error.failure(), CallFailure::Unreachable);
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(text.contains("outrigger_operator_api_requests_total{code=\"none\",verb=\"get\"} 1"), "{text}");
    }
}
