//! Whether a server is ready: where it says that it listens, and what it answers there.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(2);

/// What a server writes into its `ports_file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Ports {
    pub(super) grpc: SocketAddr,
    pub(super) ops: SocketAddr,
}

impl Ports {
    /// The ports, once the file is there.
    pub(super) fn read(file: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
    }
}

/// Asks `/readyz`.
pub(super) async fn is_ready(ops: SocketAddr) -> bool {
    let asking = async {
        let mut socket = TcpStream::connect(ops).await?;
        socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        socket.take(4096).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    matches!(tokio::time::timeout(PATIENCE, asking).await, Ok(Ok(true)))
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
}
