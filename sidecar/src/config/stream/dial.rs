//! Opens a stream to the operator: reads the files, connects with TLS, and asks for the stream, all within one
//! time limit.

use http::HeaderValue;
use http::uri::Authority;
use outrigger_sync::{FromGateway, Hello, PROTOCOL};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::opening::{OpenStream, StreamRequest};
use super::trust::{Authorities, contents};
use super::{OperatorStream, StreamEnded};
use crate::config::source::{InstalledPolicy, PolicySources};
use crate::upstream::{Stream, tcp};

/// The longest token, in bytes.
const MAX_TOKEN: u64 = 64 << 10;

pub(super) async fn dial(
    operator: &OperatorStream,
    leader: Option<&Authority>,
    sources: &PolicySources,
) -> Result<OpenStream, StreamEnded> {
    let address = leader.map_or_else(|| operator.endpoint.authority(), ToString::to_string);
    match tokio::time::timeout(operator.pace.dial, connect(operator, leader, &address, sources)).await {
        Ok(opened) => opened,
        Err(_) => Err(StreamEnded::TimedOut { address, seconds: operator.pace.dial.as_secs() }),
    }
}

async fn connect(
    operator: &OperatorStream,
    leader: Option<&Authority>,
    address: &str,
    sources: &PolicySources,
) -> Result<OpenStream, StreamEnded> {
    let OperatorStream { endpoint, token, authorities: path, trust, .. } = operator;
    let authorities = Authorities::read(path, trust.as_ref())?;
    let fingerprints = authorities.fingerprints();
    let config = authorities.config().map_err(|source| StreamEnded::Authorities { path: path.clone(), source })?;
    let token = contents(token, MAX_TOKEN).map_err(|source| StreamEnded::Token { path: token.clone(), source })?;
    let token = bearer(&token).ok_or_else(|| StreamEnded::NoToken { path: operator.token.clone() })?;
    let (host, port) = match leader {
        Some(leader) => (leader.host().trim_matches(['[', ']']), leader.port_u16().unwrap_or(endpoint.port)),
        None => (endpoint.host.as_str(), endpoint.port),
    };
    let failed = |source| StreamEnded::Connect { address: address.to_owned(), source };
    let tcp = tcp(host, port, operator.pace.dial).await.map_err(failed)?;
    // Every replica has a certificate for the name of the Service.
    let failed = |source| StreamEnded::Tls { address: address.to_owned(), source };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| failed(std::io::Error::other(error)))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
    let upgrades = tls.get_ref().1.alpn_protocol() == Some(PROTOCOL.as_bytes());
    // The same type as for providers, so that hyper is compiled for one type of connection only.
    let io = Stream::Tls(Box::new(tls));
    let opening =
        StreamRequest { target: &operator.target, token, address, hello: hello(sources.installed(), fingerprints) };
    match upgrades {
        true => opening.upgrade(io).await,
        false => opening.http2(io).await,
    }
}

pub(super) fn hello(installed: InstalledPolicy, authorities: Vec<String>) -> FromGateway {
    let InstalledPolicy { sequence, digest, rejected } = installed;
    FromGateway::Hello(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        formats: outrigger_policy::FORMATS.to_vec(),
        sequence,
        digest,
        authorities,
        rejected,
    })
}

fn bearer(token: &[u8]) -> Option<HeaderValue> {
    let token = std::str::from_utf8(token).ok()?.trim();
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_one_word_and_hidden_in_debug_output() {
        let value = bearer(b" eyJ.token\n").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer eyJ.token");
        assert!(!format!("{value:?}").contains("eyJ"));
        assert!(bearer(b" \n").is_none() && bearer(b"a\nb").is_none() && bearer(&[0xff]).is_none());
    }
}
