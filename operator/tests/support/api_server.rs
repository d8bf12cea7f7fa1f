//! A fake API server with namespaced objects in memory. Tests can change objects and fail requests.
#![allow(dead_code, reason = "not every test uses all of it")]

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

/// What happens to a write.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is performed, but the response is an error with this code.
    WrittenButFailed(u16),
    /// It is not performed. The response is this status.
    Refused(Value),
}

#[derive(Clone, Default)]
pub struct FakeApiServer(Arc<Mutex<StoredObject>>);

#[derive(Default)]
pub struct StoredObject {
    /// The objects by path.
    pub objects: BTreeMap<String, Value>,
    pub version: u64,
    pub interfere: VecDeque<Interference>,
    /// The faults of the next writes.
    pub faults: VecDeque<Fault>,
    /// The definitions of all kinds are missing, so every request gets a 404.
    pub undefined: bool,
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

    /// Adds a fault for a later write.
    pub fn fault(&self, fault: Fault) {
        self.with(|stored| stored.faults.push_back(fault));
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
        if stored.undefined {
            return respond(&status(404, "NotFound"));
        }
        let mut fault = None;
        if *method != Method::GET {
            if let Some(interfere) = stored.interfere.pop_front() {
                interfere(&mut stored);
            }
            fault = stored.faults.pop_front();
        }
        match fault {
            None => respond(&stored.perform(method, path, body)),
            Some(Fault::Refused(refusal)) => respond(&refusal),
            Some(Fault::WrittenButFailed(code)) => {
                let performed = stored.perform(method, path, body);
                assert_eq!(performed["code"], Value::Null, "{performed}");
                respond(&status(code, "InternalError"))
            }
        }
    }
}

impl StoredObject {
    /// Performs a request. Returns the object, or a status.
    fn perform(&mut self, method: &Method, path: &str, body: &Value) -> Value {
        let existing = self.objects.get(path).cloned();
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match (method.as_str(), existing) {
            ("GET", _) if is_collection(path) => {
                let within = format!("{path}/");
                let items = self.objects.iter().filter(|(path, _)| path.starts_with(&within)).map(|(_, object)| object);
                json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items.collect::<Vec<_>>()})
            }
            ("POST", None) if is_collection(path) => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                match self.objects.contains_key(&path) {
                    true => status(409, "AlreadyExists"),
                    false => self.stored(&path, body),
                }
            }
            ("PUT", Some(object)) if version(&object) != version(body) => status(409, "Conflict"),
            ("PUT", Some(_)) => self.stored(path, body),
            ("GET", Some(object)) => object,
            ("PATCH", Some(object)) if !version(body).is_null() && version(body) != version(&object) => {
                status(409, "Conflict")
            }
            ("PATCH", _) => self.stored(path, body),
            ("DELETE", Some(object)) => {
                for field in ["uid", "resourceVersion"] {
                    let expected = &body["preconditions"][field];
                    if !expected.is_null() && *expected != object["metadata"][field] {
                        return status(409, "Conflict");
                    }
                }
                self.objects.remove(path);
                json!({"kind": "Status", "status": "Success"})
            }
            ("GET" | "PUT" | "DELETE", None) => status(404, "NotFound"),
            _ => status(405, "MethodNotAllowed"),
        }
    }

    fn stored(&mut self, path: &str, body: &Value) -> Value {
        self.put(path, body.clone());
        self.objects[path].clone()
    }
}

/// Whether a path names all objects of a kind in a namespace.
fn is_collection(path: &str) -> bool {
    path.split_once("/namespaces/").is_some_and(|(_, rest)| rest.split('/').count() == 2)
}

pub fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn respond(body: &Value) -> Response<Body> {
    let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(200);
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
