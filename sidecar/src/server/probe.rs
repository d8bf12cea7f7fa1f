//! The kubelet's exec probes. They connect over loopback, so no mesh, network policy or IP family interferes, and they
//! need no async runtime.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use thiserror::Error;

/// The kubelet's default timeout is a second.
const TIMEOUT: Duration = Duration::from_millis(900);

/// What a probe checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Whether a policy was ever in force, or enough time has passed to wait for one.
    Started,
    /// Whether clients can connect. A gateway without a policy is ready too: it answers 503.
    Ready,
}

/// Why a probe failed.
#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("there is no probe `{0}`; the probes are `started` and `ready`")]
    Unknown(String),
    #[error("nothing listens on {at}: {source}")]
    Connect { at: SocketAddr, source: io::Error },
    #[error("{at} does not answer: {source}")]
    Answer { at: SocketAddr, source: io::Error },
    #[error("the gateway has no policy yet")]
    NotStarted,
}

impl Probe {
    /// # Errors
    /// [`ProbeError::Unknown`].
    pub fn parse(name: &str) -> Result<Self, ProbeError> {
        match name {
            "started" => Ok(Probe::Started),
            "ready" => Ok(Probe::Ready),
            other => Err(ProbeError::Unknown(other.to_owned())),
        }
    }

    /// Probes the gateway with these addresses.
    ///
    /// # Errors
    /// [`ProbeError`] says why the probe failed.
    pub fn run(self, clients: SocketAddr, admin: SocketAddr) -> Result<(), ProbeError> {
        match self {
            Probe::Ready => connect(loopback(clients)).map(drop),
            Probe::Started => started(loopback(admin)),
        }
    }
}

/// A listener on all addresses also listens on loopback.
fn loopback(at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, at.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, at.port()).into(),
        _ => at,
    }
}

fn connect(at: SocketAddr) -> Result<TcpStream, ProbeError> {
    TcpStream::connect_timeout(&at, TIMEOUT).map_err(|source| ProbeError::Connect { at, source })
}

fn started(at: SocketAddr) -> Result<(), ProbeError> {
    let stream = connect(at)?;
    let status = status(stream).map_err(|source| ProbeError::Answer { at, source })?;
    match &status {
        b"200" => Ok(()),
        _ => Err(ProbeError::NotStarted),
    }
}

/// The three digits of `HTTP/1.1 200 OK`.
fn status(mut stream: TcpStream) -> io::Result<[u8; 3]> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /startedz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', status @ ..] = head else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the server there is not a gateway"));
    };
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_a_listener_on_all_addresses_over_loopback() {
        for (at, asked) in [
            ("0.0.0.0:4181", "127.0.0.1:4181"),
            ("[::]:4181", "[::1]:4181"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(loopback(at.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn rejects_a_server_that_is_no_gateway() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = other.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).ok();
        });
        let error = Probe::Started.run(at, at).unwrap_err().to_string();
        assert!(error.contains("not a gateway"), "{error}");
        answering.join().unwrap();
    }
}
