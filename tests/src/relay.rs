//! A relay in front of a server: it stays where it is when the server is started again on another port, and it is where
//! links are cut and packets are lost.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Passes TCP connections on. Clones are the same relay.
#[derive(Clone, Debug)]
pub struct Relay {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    /// Where connections go; nowhere while there is no server.
    target: Mutex<Option<SocketAddr>>,
    /// Ends the connections of now; those to come get a new one.
    connections: Mutex<CancellationToken>,
    /// Whether bytes pass, or wait as they do while a cable is out.
    passing: watch::Sender<bool>,
    /// Ends the relay.
    _listening: tokio_util::sync::DropGuard,
}

impl Relay {
    /// A relay to `target`, on a port of its own.
    pub async fn start(target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            addr,
            target: Mutex::new(target),
            connections: Mutex::new(CancellationToken::new()),
            passing: watch::Sender::new(true),
            _listening: stop.clone().drop_guard(),
        });
        let relay = Arc::downgrade(&inner);
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(inner) = relay.upgrade() else { return };
                inner.take_in(client);
            }
        }));
        Self { inner }
    }

    pub fn addr(&self) -> SocketAddr {
        self.inner.addr
    }

    /// The address as the endpoint of a gRPC server.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.inner.addr)
    }

    /// Sends connections to come to another place.
    pub fn point_to(&self, target: Option<SocketAddr>) {
        *self.inner.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Breaks all connections at once, without a goodbye; new ones pass.
    pub fn cut(&self) {
        self.inner.current(|connections| std::mem::replace(connections, CancellationToken::new())).cancel();
    }

    /// Bytes of all connections wait, those to come included, until [`Relay::let_pass`]. Nobody is told.
    pub fn hold_back(&self) {
        self.inner.passing.send_replace(false);
    }

    /// Ends [`Relay::hold_back`]; what has waited passes now, as it does when a cable is put in again.
    pub fn let_pass(&self) {
        self.inner.passing.send_replace(true);
    }
}

impl Inner {
    fn current<T>(&self, change: impl FnOnce(&mut CancellationToken) -> T) -> T {
        change(&mut self.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_in(&self, client: TcpStream) {
        let Some(target) = *self.target.lock().unwrap_or_else(PoisonError::into_inner) else {
            reset(&client);
            return;
        };
        let (cut, passing) = (self.current(|connections| connections.clone()), self.passing.subscribe());
        tokio::spawn(async move {
            // A server that is not there refuses, and so does the relay.
            let Ok(server) = connect(target).await else {
                reset(&client);
                return;
            };
            let _ = client.set_nodelay(true);
            let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
            let both = async {
                tokio::join!(pump(client_in, server_out, passing.clone()), pump(server_in, client_out, passing.clone()))
            };
            cut.run_until_cancelled(both).await;
        });
    }
}

async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpSocket::new_v4()?.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Closes with a reset, as a host does on which nobody listens.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Passes bytes in one direction until its end. What is dropped in between resets the connection.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passing: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if passing.wait_for(|passing| *passing).await.is_err() || count == 0 {
            break;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
