//! Callers of every kind: with a certificate of any role, with one that lies, with none, and with bytes that are no message.

use std::path::PathBuf;

use bankhub::profile::Link;
use prost::bytes::{Buf as _, BufMut as _};
use server_kit::certificate::{CertificateShape, TrialAuthority};
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::tls::ClientTlsConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::world::World;

impl World {
    /// The federation's authority, which signs whatever a test wants.
    pub fn signer(&self) -> TrialAuthority {
        let folder = self.federation.folder().join("authority");
        let certificate = std::fs::read_to_string(folder.join("ca.pem")).unwrap();
        TrialAuthority::load(&certificate, &SecretRef::File(folder.join("ca.key")).read().unwrap()).unwrap()
    }

    /// A genuine certificate that says whatever `change` makes it say.
    pub fn certificate(&self, name: &str, change: impl FnOnce(&mut CertificateShape)) -> ClientTlsConfig {
        self.certificate_of(&self.signer(), name, change)
    }

    /// The same, signed by somebody else.
    pub fn certificate_of(
        &self,
        signer: &TrialAuthority,
        name: &str,
        change: impl FnOnce(&mut CertificateShape),
    ) -> ClientTlsConfig {
        let mut shape = CertificateShape::bare(&SystemClock);
        change(&mut shape);
        let file = |extension: &str| -> PathBuf { self.federation.folder().join(format!("{name}.{extension}")) };
        let (certificate, key) = (file("pem"), file("key"));
        signer.issue(&shape).unwrap().save(&certificate, &key).unwrap();
        ClientTlsConfig {
            server_ca: self.federation.authority_certificate(),
            certificate: Some(certificate),
            key: Some(SecretRef::File(key)),
        }
    }

    /// A channel to the first hub with these files.
    pub fn hub_channel(&self, tls: &ClientTlsConfig) -> Channel {
        let endpoint = self.federation.hub_endpoint().unwrap();
        Link::new(self.federation.name(), tls).unwrap().hub(&endpoint).unwrap()
    }

    /// A channel to a bank with these files.
    pub fn bank_channel(&self, bank: &str, tls: &ClientTlsConfig) -> Channel {
        let endpoint = self.federation.server(bank).unwrap().endpoint().unwrap();
        let id = domain::BankId::parse(bank).unwrap();
        Link::new(self.federation.name(), tls).unwrap().bank(&id, &endpoint).unwrap()
    }

    /// A certificate of a role as the federation gives it.
    pub fn member(&self, role: server_kit::identity::Role, id: &str) -> ClientTlsConfig {
        bankhub::trial::Federation::client_tls(&self.federation.member(role, id).unwrap())
    }

    /// No certificate at all.
    pub fn stranger(&self) -> ClientTlsConfig {
        ClientTlsConfig { server_ca: self.federation.authority_certificate(), certificate: None, key: None }
    }

    /// What a server answers to those who operate it.
    pub async fn operations(&self, server: &str, path: &str) -> String {
        let addr = self.federation.server(server).unwrap().ops_address().unwrap();
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// What all servers have written to their logs so far.
    pub fn logs(&self) -> String {
        self.federation.servers().map(|server| std::fs::read_to_string(server.log()).unwrap_or_default()).collect()
    }
}

/// Sends bytes as if they were messages, and drops what comes back. A call that is right has one.
pub async fn send_bytes<const MESSAGES: usize>(
    channel: Channel,
    path: &'static str,
    messages: [Vec<u8>; MESSAGES],
) -> Result<(), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(path);
    let messages = Request::new(tokio_stream::iter(messages));
    client.client_streaming(messages, path, Bytes).await.map(|_: tonic::Response<()>| ())
}

/// The codec of no message at all.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}
