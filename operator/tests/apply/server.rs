//! An API server with ConfigMaps and Secrets in memory, which can be interfered with.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What somebody else does just before a write arrives.
type Interference = Box<dyn FnOnce(&mut StoredObject) + Send>;

#[derive(Clone, Default)]
pub struct FakeApiServer(Arc<Mutex<StoredObject>>);

#[derive(Default)]
pub struct StoredObject {
    /// By path.
    pub objects: BTreeMap<String, Value>,
    pub version: u64,
    pub interfere: VecDeque<Interference>,
    /// Instead of the next answer to a write.
    pub refuse: Option<Value>,
    /// `PATCH configmaps/outrigger-search`, in order.
    pub asked: Vec<String>,
}

impl StoredObject {
    /// Writes as a server would, whatever stood there.
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

    /// What was asked since it was asked for last.
    pub fn asked(&self) -> Vec<String> {
        self.with(|stored| std::mem::take(&mut stored.asked))
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> Response<Body> {
        let mut stored = self.0.lock().unwrap();
        let short = path.rsplit('/').take(2).collect::<Vec<_>>();
        let asked = format!("{method} {}/{}", short[1], short[0]);
        stored.asked.push(asked);
        if *method != Method::GET {
            if let Some(interfere) = stored.interfere.pop_front() {
                interfere(&mut stored);
            }
            if let Some(status) = stored.refuse.take() {
                return told(&status);
            }
        }
        let there = stored.objects.get(path).cloned();
        let stands = |pointer: &str| there.as_ref().and_then(|object| object.pointer(pointer)).cloned();
        match (method, &there) {
            (&Method::GET, None) | (&Method::DELETE, None) => told(&status(404, "NotFound")),
            (&Method::GET, Some(object)) => told(object),
            (&Method::PATCH, _) => {
                let expected = body.pointer("/metadata/resourceVersion").cloned();
                if expected.is_some() && there.is_some() && expected != stands("/metadata/resourceVersion") {
                    return told(&status(409, "Conflict"));
                }
                stored.put(path, body.clone());
                told(&stored.objects[path])
            }
            (&Method::DELETE, Some(object)) => {
                for (asked, stands) in [("uid", "uid"), ("resourceVersion", "resourceVersion")] {
                    let asked = &body["preconditions"][asked];
                    if !asked.is_null() && *asked != object["metadata"][stands] {
                        return told(&status(409, "Conflict"));
                    }
                }
                stored.objects.remove(path);
                told(&json!({"kind": "Status", "status": "Success"}))
            }
            _ => told(&status(405, "MethodNotAllowed")),
        }
    }
}

pub fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn told(body: &Value) -> Response<Body> {
    let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(200);
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
