//! The response headers with which a browser lets a page of an allowed origin read the response (CORS).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Empty};

use crate::request::reply::ReplyBody;

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// How long a browser may cache a preflight response, in seconds. Short, because an origin may be removed from the
/// list.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Our own headers by name, for older browsers. `*` stands for all others, in requests without cookies.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-outrigger-decision, x-outrigger-provider, x-outrigger-model, x-outrigger-rule, x-outrigger-attempts, \
     x-outrigger-cost-usd, x-outrigger-adapted, x-outrigger-estimated, x-request-id, request-id, retry-after, \
     x-should-retry, *",
);

/// Adds the headers that let a page of this origin read the response.
pub fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// The response to a preflight request; `None` if the request is not one.
pub fn preflight(method: &Method, headers: &HeaderMap, origin: &HeaderValue) -> Option<Response<ReplyBody>> {
    if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers_out = response.headers_mut();
    headers_out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers_out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers_out.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(requested) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers_out.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    if headers.get(&REQUEST_PRIVATE_NETWORK).is_some_and(|requested| requested == "true") {
        headers_out.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    headers_out.insert(
        VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    Some(response)
}
