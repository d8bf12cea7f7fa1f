//! Between what is compiled and the gateway that serves it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use outrigger_compile::{Finding, variable};
use outrigger_core::{ObjectRef, SecretRef};
use outrigger_llm::provider::lookup;
use outrigger_policy::{Document, ProviderDoc};
use outrigger_sidecar::server::accept::Listeners;
use outrigger_sidecar::{Gateway, Secret, Secrets};
use thiserror::Error;

const CLIENT_PORT: u16 = 4180;
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4181);

/// Why a port is not open.
#[derive(Debug, Error)]
#[error("{what}; choose other addresses with --listen and --admin")]
pub(crate) struct BindError {
    what: String,
}

/// Listens where asked; by default on both loopback addresses, and on IPv4's alone where there is no other.
pub(crate) async fn bind(asked: &[SocketAddr], admin: Option<SocketAddr>) -> Result<Listeners, BindError> {
    let both =
        [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip: IpAddr| SocketAddr::new(ip, CLIENT_PORT));
    let clients = if asked.is_empty() { &both } else { asked };
    let listeners = Listeners::bind(clients, &[admin.unwrap_or(ADMIN)])
        .await
        .map_err(|error| BindError { what: error.to_string() })?;
    // What was asked for by name is not best effort.
    if listeners.clients().len() < asked.len() {
        let open: Vec<String> = listeners.clients().iter().map(ToString::to_string).collect();
        return Err(BindError { what: format!("of the addresses to listen on, only {} can be had", open.join(", ")) });
    }
    Ok(listeners)
}

/// Puts what is compiled in force, and says which revision that is.
pub(crate) fn install(
    gateway: &Gateway,
    document: Document,
    secrets: &[(SecretRef, String)],
    from_environment: &[SecretRef],
) -> Result<String, outrigger_sidecar::InstallError> {
    let secret = |at: &SecretRef, value: &str| match from_environment.contains(at) {
        true => Secret::of_variable(value, variable(at.name(), at.key())),
        false => Secret::new(value),
    };
    let secrets: Secrets = secrets.iter().map(|(at, value)| (at.clone(), secret(at, value))).collect();
    gateway.install(document, &secrets)
}

/// Tells the gateway that a change can't be used, so that who asks it sees why.
pub(crate) fn reject(gateway: &Gateway, finding: &Finding) {
    let object = match finding.object.as_str() {
        "" => finding.location.to_string(),
        object => object.to_owned(),
    };
    gateway.reject(&object, &finding.path, &finding.message);
}

/// Whether some key has a provider that could answer.
pub(crate) fn is_servable(document: &Document, secrets: &[(SecretRef, String)]) -> bool {
    let reached = document.keys.iter().filter(|key| !key.suspended).flat_map(|key| &key.providers);
    reached.into_iter().any(|entry| find(document, &entry.provider).is_some_and(|found| answers(found, secrets)))
}

pub(crate) fn find<'a>(document: &'a Document, id: &ObjectRef) -> Option<&'a ProviderDoc> {
    document.providers.iter().find(|provider| provider.namespace == id.namespace && provider.name == id.name)
}

/// In use, and with a credential whose value is known, if it needs one.
pub(crate) fn answers(provider: &ProviderDoc, secrets: &[(SecretRef, String)]) -> bool {
    let mut credentials = provider.credentials.iter();
    let credential = credentials.any(|one| !one.suspended && secrets.iter().any(|(at, _)| *at == one.secret));
    let needs_none = provider.credentials.is_empty() && lookup(&provider.kind).is_some_and(|kind| kind.keyless);
    !provider.suspended && (credential || needs_none)
}
