//! A fake API server with ConfigMaps and Secrets in memory. Tests can change objects and fail requests.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What another writer does just before a write arrives.
type Interference = Box<dyn FnOnce(&mut StoredObject) + Send>;

#[derive(Clone, Default)]
pub struct FakeApiServer(Arc<Mutex<StoredObject>>);

#[derive(Default)]
pub struct StoredObject {
    /// The objects by path.
    pub objects: BTreeMap<String, Value>,
    pub version: u64,
    pub interfere: VecDeque<Interference>,
    /// The response to the next write, instead of performing it.
    pub refuse: Option<Value>,
    /// The requests in order, such as `PATCH configmaps/outrigger-search`.
    pub requests: Vec<String>,
}

impl StoredObject {
    /// Stores an object as a server would, without a version check.
    pub fn put(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        let uid = self
            .objects
            .get(path)
            .map_or_else(|| json!(format!("uid-{}", self.version)), |o| o["metadata"]["uid"].clone());
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object);
    }
}

impl FakeApiServer {
    pub fn client(&self) -> Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                Ok::<_, Infallible>(this.answer(&head.method, head.uri.path(), &body))
            }
        });
        Client::new(service, "default")
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut StoredObject) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.with(|stored| stored.objects.get(path).cloned())
    }

    /// Returns the requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        self.with(|stored| std::mem::take(&mut stored.requests))
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> Response<Body> {
        let mut stored = self.0.lock().unwrap();
        let short = path.rsplit('/').take(2).collect::<Vec<_>>();
        let request = format!("{method} {}/{}", short[1], short[0]);
        stored.requests.push(request);
        if *method != Method::GET {
            if let Some(interfere) = stored.interfere.pop_front() {
                interfere(&mut stored);
            }
            if let Some(status) = stored.refuse.take() {
                return respond(&status);
            }
        }
        let existing = stored.objects.get(path).cloned();
        let field = |pointer: &str| existing.as_ref().and_then(|object| object.pointer(pointer)).cloned();
        match (method, &existing) {
            (&Method::GET, None) | (&Method::DELETE, None) => respond(&status(404, "NotFound")),
            (&Method::GET, Some(object)) => respond(object),
            (&Method::PATCH, _) => {
                let expected = body.pointer("/metadata/resourceVersion").cloned();
                if expected.is_some() && existing.is_some() && expected != field("/metadata/resourceVersion") {
                    return respond(&status(409, "Conflict"));
                }
                stored.put(path, body.clone());
                respond(&stored.objects[path])
            }
            (&Method::DELETE, Some(object)) => {
                for field in ["uid", "resourceVersion"] {
                    let expected = &body["preconditions"][field];
                    if !expected.is_null() && *expected != object["metadata"][field] {
                        return respond(&status(409, "Conflict"));
                    }
                }
                stored.objects.remove(path);
                respond(&json!({"kind": "Status", "status": "Success"}))
            }
            _ => respond(&status(405, "MethodNotAllowed")),
        }
    }
}

pub fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn respond(body: &Value) -> Response<Body> {
    let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(200);
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
