//! Installs compiled policies in the gateway, and opens its ports.

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

/// Why a port could not be opened.
#[derive(Debug, Error)]
#[error("{what}; choose other addresses with --listen and --admin")]
pub(crate) struct BindError {
    what: String,
}

/// Binds the requested addresses. By default both loopback addresses, or only IPv4's if there is no other.
pub(crate) async fn bind(requested: &[SocketAddr], admin: Option<SocketAddr>) -> Result<Listeners, BindError> {
    let both =
        [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip: IpAddr| SocketAddr::new(ip, CLIENT_PORT));
    let clients = if requested.is_empty() { &both } else { requested };
    let listeners = Listeners::bind(clients, &[admin.unwrap_or(ADMIN)])
        .await
        .map_err(|error| BindError { what: error.to_string() })?;
    // Requested addresses must all be bound.
    if listeners.clients().len() < requested.len() {
        let open: Vec<String> = listeners.clients().iter().map(ToString::to_string).collect();
        return Err(BindError { what: format!("of the addresses to listen on, only {} can be had", open.join(", ")) });
    }
    Ok(listeners)
}

/// Puts a compiled policy in force. Returns its revision.
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

/// Reports an unusable change to the gateway, so that its admin pages show the reason.
pub(crate) fn reject(gateway: &Gateway, finding: &Finding) {
    let object = match finding.object.as_str() {
        "" => finding.location.to_string(),
        object => object.to_owned(),
    };
    gateway.reject(&object, &finding.path, &finding.message);
}

/// Whether some key has a provider that can answer.
pub(crate) fn is_servable(document: &Document, secrets: &[(SecretRef, String)]) -> bool {
    let reached = document.keys.iter().filter(|key| !key.suspended).flat_map(|key| &key.providers);
    reached.into_iter().any(|entry| find(document, &entry.provider).is_some_and(|found| answers(found, secrets)))
}

pub(crate) fn find<'a>(document: &'a Document, id: &ObjectRef) -> Option<&'a ProviderDoc> {
    document.providers.iter().find(|provider| provider.namespace == id.namespace && provider.name == id.name)
}

/// Whether a provider is in use, and has a credential with a known value if it needs one.
pub(crate) fn answers(provider: &ProviderDoc, secrets: &[(SecretRef, String)]) -> bool {
    let mut credentials = provider.credentials.iter();
    let credential = credentials.any(|one| !one.suspended && secrets.iter().any(|(at, _)| *at == one.secret));
    let keyless = || lookup(&provider.kind).is_some_and(|kind| kind.keyless);
    let needs_none = provider.credentials.is_empty() && (provider.has_other_credential() || keyless());
    !provider.suspended && (credential || needs_none)
}
