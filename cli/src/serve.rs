//! Between what is compiled and the gateway that serves it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use outrigger_compile::{Compiled, Finding};
use outrigger_llm::provider::lookup;
use outrigger_policy::{Document, ObjectRef, ProviderDoc, SecretAt};
use outrigger_sidecar::accept::Listeners;
use outrigger_sidecar::{Gateway, Secret, Secrets};
use thiserror::Error;

const CLIENT_PORT: u16 = 4180;
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4181);

#[derive(Debug, Error)]
#[error("can't listen on {asked}; choose others with --listen and --admin")]
pub(crate) struct BindError {
    asked: String,
    source: io::Error,
}

/// Listens where asked; by default on both loopback addresses, and on IPv4's alone where there is no other.
pub(crate) fn bind(clients: &[SocketAddr], admin: Option<SocketAddr>) -> Result<Listeners, BindError> {
    let v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), CLIENT_PORT);
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), CLIENT_PORT);
    let admin = [admin.unwrap_or(ADMIN)];
    if clients.is_empty()
        && let Ok(both) = Listeners::bind(&[v4, v6], &admin)
    {
        return Ok(both);
    }
    let clients = if clients.is_empty() { &[v4][..] } else { clients };
    Listeners::bind(clients, &admin).map_err(|source| {
        let asked: Vec<String> = clients.iter().chain(&admin).map(ToString::to_string).collect();
        BindError { asked: asked.join(", "), source }
    })
}

/// Puts what is compiled in force, and says which revision that is.
pub(crate) fn install(gateway: &Gateway, compiled: Compiled) -> Result<String, outrigger_sidecar::InstallError> {
    let secrets: Secrets = compiled.secrets.iter().map(|(at, value)| (at.clone(), Secret::new(value))).collect();
    gateway.install(compiled.document, secrets)
}

/// Tells the gateway that a change can't be used, so that who asks it sees why.
pub(crate) fn reject(gateway: &Gateway, finding: &Finding) {
    let object = match finding.object.as_str() {
        "" => finding.place.to_string(),
        object => object.to_owned(),
    };
    gateway.reject(object, finding.path.clone(), finding.message.clone());
}

/// Whether some key has a provider that could answer.
pub(crate) fn is_servable(document: &Document, secrets: &[(SecretAt, String)]) -> bool {
    let reached = document.keys.iter().filter(|key| !key.suspended).flat_map(|key| &key.providers);
    reached.into_iter().any(|entry| find(document, &entry.provider).is_some_and(|found| answers(found, secrets)))
}

pub(crate) fn find<'a>(document: &'a Document, id: &ObjectRef) -> Option<&'a ProviderDoc> {
    document.providers.iter().find(|provider| provider.namespace == id.namespace && provider.name == id.name)
}

/// In use, and with a credential whose value is known, if it needs one.
pub(crate) fn answers(provider: &ProviderDoc, secrets: &[(SecretAt, String)]) -> bool {
    let mut credentials = provider.credentials.iter();
    let credential = credentials.any(|one| !one.suspended && secrets.iter().any(|(at, _)| *at == one.secret));
    let needs_none = provider.credentials.is_empty() && lookup(&provider.kind).is_some_and(|kind| kind.keyless);
    !provider.suspended && (credential || needs_none)
}
