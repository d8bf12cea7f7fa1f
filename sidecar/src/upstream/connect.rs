//! Opens connections: TCP, then TLS if the endpoint requires it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::proxy::Proxy;
use super::reach::{KnownAddresses, in_order, reach};
use super::{Endpoint, SendError};
use crate::sockets;

/// Why certificate authorities cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the PEM text contains no certificate")]
    Empty,
    #[error("not PEM: {0}")]
    Pem(String),
    #[error("a certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

static PUBLIC: LazyLock<Result<Arc<ClientConfig>, Arc<rustls::Error>>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    config(roots).map_err(Arc::new)
});

/// A TLS configuration that trusts the authorities in `pem`, or the public ones.
///
/// # Errors
/// [`TlsError`] if the text contains no usable certificate.
pub fn trust(pem: Option<&str>) -> Result<Arc<ClientConfig>, TlsError> {
    let Some(pem) = pem else {
        return PUBLIC.clone().map_err(|error| TlsError::Pem(error.to_string()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|error| TlsError::Pem(error.to_string()))?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Empty);
    }
    Ok(config(roots)?)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connects to a host by name, to whichever of its addresses answers. `time_limit` limits all tries together.
///
/// # Errors
/// If the name has no address, or none of them answers.
pub async fn tcp(host: &str, port: u16, time_limit: Duration) -> io::Result<TcpStream> {
    let found = tokio::net::lookup_host((host, port)).await?;
    let addresses = in_order(found, KnownAddresses::default());
    let (_, tcp) =
        reach(addresses, time_limit, TcpStream::connect::<SocketAddr>, |tcp| async { Ok::<_, io::Error>(tcp) }).await?;
    sockets::set_up_upstream(&tcp);
    Ok(tcp)
}

/// An open connection, and the negotiated protocol.
pub struct Connected {
    pub io: TokioIo<Stream>,
    pub http2: bool,
}

/// Why an address cannot be used.
enum Unreached {
    Tcp(io::Error),
    Tls(String),
}

impl From<io::Error> for Unreached {
    fn from(error: io::Error) -> Self {
        Unreached::Tcp(error)
    }
}

/// Connects to whichever address of the host answers and, if the endpoint requires it, completes TLS. With a proxy, the
/// host is the proxy's, and TLS goes through it to the endpoint. `time_limit` limits all tries together. `known`
/// remembers which addresses answer.
pub async fn connect(
    endpoint: &Endpoint,
    proxy: Option<&Arc<Proxy>>,
    tls: &Arc<ClientConfig>,
    time_limit: Duration,
    known: &Mutex<KnownAddresses>,
) -> Result<Connected, SendError> {
    let endpoint_text = || endpoint.to_string();
    let send_error = |why: Unreached| match why {
        Unreached::Tcp(reason) => {
            let through = proxy.map(|proxy| format!("the proxy {proxy}: ")).unwrap_or_default();
            SendError::Connect { endpoint: endpoint_text(), reason: format!("{through}{reason}") }
        }
        Unreached::Tls(reason) => SendError::Tls { endpoint: endpoint_text(), reason },
    };
    let last = *known.lock();
    let (host, port) = proxy.map_or((endpoint.host.as_str(), endpoint.port), |proxy| (proxy.host(), proxy.port()));
    let looked_up = tokio::net::lookup_host((host, port)).await;
    let found = looked_up.map_err(|error| send_error(error.into()))?;
    let name = match endpoint.tls {
        true => Some(
            ServerName::try_from(endpoint.host.clone())
                .map_err(|error| send_error(Unreached::Tls(error.to_string())))?,
        ),
        false => None,
    };
    let handshake = |tcp: TcpStream| {
        sockets::set_up_upstream(&tcp);
        let name = name.clone().map(|name| (name, TlsConnector::from(Arc::clone(tls))));
        let through = proxy.map(|proxy| (Arc::clone(proxy), endpoint.clone()));
        async move {
            let tcp = match through {
                Some((proxy, endpoint)) => proxy.tunnel(tcp, &endpoint).await?,
                None => tcp,
            };
            let Some((name, connector)) = name else { return Ok(Stream::Plain(tcp)) };
            let stream = connector.connect(name, tcp).await.map_err(|error| Unreached::Tls(error.to_string()))?;
            Ok(Stream::Tls(Box::new(stream)))
        }
    };
    let reached = reach(in_order(found, last), time_limit, TcpStream::connect::<SocketAddr>, handshake).await;
    let (address, stream) = reached.map_err(send_error)?;
    known.lock().reached(address.ip());
    let http2 = match &stream {
        Stream::Plain(_) => false,
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
    };
    Ok(Connected { io: TokioIo::new(stream), http2 })
}

/// A connection to a provider.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
