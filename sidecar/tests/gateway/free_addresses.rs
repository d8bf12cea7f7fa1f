//! Free addresses of this machine.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system assigns. Otherwise another test could get the same port before the process under
/// test listens on it, or while it restarts.
const PORTS: std::ops::Range<u16> = 28_000..32_000;
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// An address that was not returned before.
pub fn free() -> String {
    let first = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap();
    for _ in PORTS {
        let next = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first + next) % (PORTS.end - PORTS.start);
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
    panic!("the ports {PORTS:?} are all in use");
}
