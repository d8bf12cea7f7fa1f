//! An API server with LedgerShard objects in memory, which can be interfered with.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

const FOLDER: &str = "/apis/outrigger.dev/v1alpha1/namespaces/outrigger/ledgershards";

/// What happens to the next write.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is made, and the answer is an error.
    WrittenButFailed(u16),
    /// It is not made.
    Refused(u16),
}

#[derive(Default)]
struct Cluster {
    shards: BTreeMap<String, Value>,
    version: u64,
    faults: VecDeque<Fault>,
    undefined: bool,
}

#[derive(Clone, Default)]
pub struct FakeApiServer(Arc<Mutex<Cluster>>);

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

    pub fn fault(&self, fault: Fault) {
        self.0.lock().unwrap().faults.push_back(fault);
    }

    /// The definitions are not installed any more.
    pub fn forget_definition(&self) {
        self.0.lock().unwrap().undefined = true;
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> Response<Body> {
        let mut cluster = self.0.lock().unwrap();
        let name = path.strip_prefix(FOLDER).unwrap_or_else(|| panic!("{method} {path}")).trim_start_matches('/');
        if cluster.undefined {
            return told(404, &status(404));
        }
        let fault = if *method == Method::GET { None } else { cluster.faults.pop_front() };
        match fault {
            Some(Fault::Refused(code)) => told(code, &status(code)),
            Some(Fault::WrittenButFailed(code)) => {
                assert_eq!(cluster.act(method, name, body).0, 200);
                told(code, &status(code))
            }
            None => {
                let (code, answer) = cluster.act(method, name, body);
                told(code, &answer)
            }
        }
    }
}

impl Cluster {
    fn act(&mut self, method: &Method, name: &str, body: &Value) -> (u16, Value) {
        let stands = self.shards.get(name).cloned();
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match (method.as_str(), stands) {
            ("GET", _) if name.is_empty() => {
                let items: Vec<&Value> = self.shards.values().collect();
                (
                    200,
                    json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": "LedgerShardList", "metadata": {}, "items": items}),
                )
            }
            ("GET", Some(object)) => (200, object),
            ("POST", None) => {
                let name = body["metadata"]["name"].as_str().unwrap();
                match self.shards.contains_key(name) {
                    true => (409, status(409)),
                    false => (200, self.put(name, body)),
                }
            }
            ("PUT", Some(object)) if version(&object) != version(body) => (409, status(409)),
            ("PUT", Some(_)) => (200, self.put(name, body)),
            ("DELETE", Some(object)) if version(&object) != body["preconditions"]["resourceVersion"] => {
                (409, status(409))
            }
            ("DELETE", Some(_)) => {
                self.shards.remove(name);
                (200, json!({"kind": "Status", "status": "Success"}))
            }
            (_, None) => (404, status(404)),
            other => panic!("{other:?}"),
        }
    }

    fn put(&mut self, name: &str, body: &Value) -> Value {
        self.version += 1;
        let mut object = body.clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.shards.insert(name.to_owned(), object.clone());
        object
    }
}

fn status(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": format!("code {code}"), "reason": "", "code": code})
}

fn told(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
