//! placeholder
use super::{Ground, VoiceConfig, VoiceParts};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
#[derive(Debug)]
pub(super) struct Front {
    ground: Ground,
    secret: SecretString,
}
impl Front {
    pub(super) fn new(config: &VoiceConfig, parts: &VoiceParts, secret: SecretString) -> Self {
        Self { ground: Ground::new(config, parts), secret }
    }
    pub(super) async fn run(self, _listener: TcpListener, draining: CancellationToken) {
        let _ = (&self.ground, &self.secret);
        draining.cancelled().await;
    }
}
