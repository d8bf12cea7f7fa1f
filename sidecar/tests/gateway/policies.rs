//! Gateways and documents for tests, and a client.

use std::net::SocketAddr;
use std::sync::Arc;

use outrigger_core::{ObjectRef, SecretRef};
use outrigger_policy::{CredentialDoc, Document, FORMAT, KeyDoc, KeyProviderDoc, ModelDoc, ProviderDoc, TimeoutsDoc};
use outrigger_sidecar::server::accept::Listeners;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Secret, Secrets, Settings};
use serde_json::Value;
use tokio::sync::oneshot;

/// A provider of type OpenAICompatible with one credential `main` whose value is `sk-NAME-main`.
pub fn provider(name: &str, url: &str) -> ProviderDoc {
    typed(name, "OpenAICompatible", url)
}

pub fn typed(name: &str, kind: &str, url: &str) -> ProviderDoc {
    ProviderDoc {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        endpoint: Some(url.to_owned()),
        credentials: vec![credential(name, "main", 1)],
        // Some of these gateways run in another namespace.
        clear_text_credentials: true,
        timeouts: TimeoutsDoc { connect: Some(2_000), ..TimeoutsDoc::default() },
        ..ProviderDoc::default()
    }
}

pub fn credential(provider: &str, name: &str, weight: u32) -> CredentialDoc {
    CredentialDoc {
        name: name.to_owned(),
        weight,
        models: Vec::new(),
        suspended: false,
        secret: SecretRef::new("default", format!("{provider}-{name}"), "apiKey").unwrap(),
    }
}

/// One key, `app`, with all providers: the first is tried first (weight 1), then the others. Providers whose type
/// accepts any name list `*`, so that several of them can serve the same name.
pub fn document(sequence: u64, mut providers: Vec<ProviderDoc>) -> Document {
    for provider in providers.iter_mut().filter(|one| matches!(one.kind.as_str(), "OpenAICompatible" | "Mock")) {
        if provider.models.is_empty() {
            provider.models.push(ModelDoc { name: "*".to_owned(), ..ModelDoc::default() });
        }
    }
    let entries = providers
        .iter()
        .enumerate()
        .map(|(index, provider)| KeyProviderDoc {
            name: provider.name.clone(),
            provider: ObjectRef { namespace: provider.namespace.clone(), name: provider.name.clone() },
            weight: u32::from(index == 0),
            ..KeyProviderDoc::default()
        })
        .collect();
    Document {
        format: FORMAT,
        sequence,
        providers,
        keys: vec![key("app", entries)],
        default_key: Some("default/app".to_owned()),
        ..Document::default()
    }
}

pub fn key(name: &str, providers: Vec<KeyProviderDoc>) -> KeyDoc {
    KeyDoc {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        providers,
        extra_fields: true,
        cap_output: true,
        ..KeyDoc::default()
    }
}

pub fn secrets(document: &Document) -> Secrets {
    let all = document.providers.iter().flat_map(|provider| &provider.credentials);
    all.map(|credential| (credential.secret.clone(), Secret::new(&format!("sk-{}", credential.secret.name()))))
        .collect()
}

/// A gateway on free ports. It stops when dropped.
pub struct Running {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Running {
    pub async fn new(document: Document) -> Self {
        let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap();
        let secrets = secrets(&document);
        gateway.install(document, &secrets).unwrap();
        Running::of(gateway).await
    }

    /// With other values of the credentials than those of [`secrets`].
    pub async fn with_values(document: Document, value: impl Fn(&SecretRef) -> String) -> Self {
        let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap();
        let values = secrets(&document).into_keys().map(|at| (at.clone(), Secret::new(&value(&at)))).collect();
        gateway.install(document, &values).unwrap();
        Running::of(gateway).await
    }

    pub async fn of(gateway: Arc<Gateway>) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&[any], &[any]).await.unwrap();
        let (address, admin) = (listeners.clients()[0], listeners.admin()[0]);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(Arc::clone(&gateway).serve(listeners, async {
            stopped.await.ok();
        }));
        Running { gateway, address, admin, stop: Some(stop), served: Some(served) }
    }

    /// Requests the shutdown, and returns the task to wait for.
    pub fn stop(&mut self) -> tokio::task::JoinHandle<std::io::Result<()>> {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.take().unwrap()
    }

    /// Ends it like a kill.
    pub async fn kill(mut self) {
        let served = self.served.take().unwrap();
        served.abort();
        served.await.ok();
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(reqwest::Client::new().post(self.url(path)).json(body)).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.unwrap_or_else(|error| format!("broken: {error}").into());
        Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn admin(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.admin);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// The newest record.
    pub async fn record(&self) -> Value {
        self.admin("/decisions?limit=1").await[0].clone()
    }
}

/// A client's response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: bytes::Bytes,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A chat request of the OpenAI dialect.
pub fn chat(model: &str) -> Value {
    serde_json::json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

/// The same, streamed.
pub fn streamed(model: &str) -> Value {
    serde_json::json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hello"}]})
}
