//! Where a trial's server listens: chosen once, and kept over its restarts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use serde::Deserialize;
use server_kit::rng::{Rng as _, SystemRng};

/// Below the ports that Linux (32768) and macOS (49152) give to outgoing connections: one of those could take the port of a
/// server while it is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Where one server listens, as it also writes it into its `ports_file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Ports {
    pub(super) grpc: SocketAddr,
    pub(super) ops: SocketAddr,
    /// Where the hub serves its pages; another port with each start.
    #[serde(default)]
    pub(super) web: Option<SocketAddr>,
    /// Where the hub serves its operators' console; another port with each start.
    #[serde(default)]
    pub(super) console: Option<SocketAddr>,
}

impl Ports {
    /// The ports, once the file is there.
    pub(super) fn read(file: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
    }

    /// Two ports that nobody listens on and that this process has not chosen before.
    pub(super) fn choose() -> io::Result<Self> {
        Ok(Self { grpc: choose()?, ops: choose()?, web: None, console: None })
    }
}

/// Counts on from a random start, so that two processes are unlikely to choose the same port at the same time.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let mut start = [0; 2];
    // Without randomness it is the first; whatever is taken is passed over.
    let _ = SystemRng::new().fill(&mut start);
    AtomicU16::new(u16::from_ne_bytes(start))
});

fn choose() -> io::Result<SocketAddr> {
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_once_they_are_wholly_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports.json");
        assert_eq!(Ports::read(&file), None);
        std::fs::write(&file, r#"{"grpc":"127.0.0.1:1234""#).unwrap();
        assert_eq!(Ports::read(&file), None);
        std::fs::write(&file, r#"{"grpc":"127.0.0.1:1234","ops":"127.0.0.1:5678"}"#).unwrap();
        assert_eq!(Ports::read(&file).unwrap().ops.port(), 5678);
    }

    #[test]
    fn ports_are_free_different_and_below_those_of_outgoing_connections() {
        let ports: Vec<_> =
            (0..20).map(|_| Ports::choose().unwrap()).flat_map(|ports| [ports.grpc, ports.ops]).collect();
        let mut listeners = Vec::new();
        for addr in ports {
            assert!((20_000..32_000).contains(&addr.port()), "{addr}");
            listeners.push(TcpListener::bind(addr).unwrap());
        }
    }
}
