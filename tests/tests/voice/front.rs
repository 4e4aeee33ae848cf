//! A hub's voice front in this process.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hub::voice::{Voice, VoiceConfig, VoiceParts};
use jiff::tz::TimeZone;
use server_kit::clock::SystemClock;
use server_kit::config::HumanDuration;
use server_kit::rng::{IdMaker, SystemRng};
use tokio_util::sync::CancellationToken;

use super::desk::PlayedDesk;

pub(crate) const SECRET: &str = "a-secret-of-the-gateway";

/// A front that listens on the loopback.
pub(crate) struct TestFront {
    pub(crate) desk: Arc<PlayedDesk>,
    pub(crate) voice: Voice,
    pub(crate) draining: CancellationToken,
}

/// Every number may call as often as it likes.
pub(crate) fn config() -> VoiceConfig {
    let loopback = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    VoiceConfig {
        agi_listen: loopback,
        calls_per_caller_per_minute: NonZeroU32::new(100_000).unwrap(),
        call_at_most: HumanDuration(Duration::from_secs(60)),
        ..VoiceConfig::default()
    }
}

/// With VoiceXML instead.
pub(crate) fn with_gateway(folder: &std::path::Path) -> VoiceConfig {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("gateway-secret");
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = config();
    VoiceConfig {
        vxml_listen: config.agi_listen,
        agi_listen: None,
        gateway_secret: Some(format!("file:{}", path.display()).parse().unwrap()),
        ..config
    }
}

impl TestFront {
    pub(crate) async fn start(config: &VoiceConfig) -> Self {
        let (desk, draining) = (PlayedDesk::new(), CancellationToken::new());
        let (clock, rng) = (SystemClock::shared(), SystemRng::shared());
        let parts = VoiceParts {
            desk: desk.clone(),
            ids: IdMaker::new(clock.clone(), rng.clone()),
            clock,
            rng,
            zone: TimeZone::fixed(jiff::tz::offset(8)),
        };
        let voice = Voice::start(config, parts, draining.clone()).await.unwrap();
        Self { desk, voice, draining }
    }

    pub(crate) fn agi(&self) -> SocketAddr {
        self.voice.agi_addr.unwrap()
    }

    /// Drains, and waits until every call has ended.
    pub(crate) async fn stop(self) {
        self.draining.cancel();
        for (name, task) in self.voice.tasks {
            let ended = tokio::time::timeout(Duration::from_secs(20), task).await;
            ended.unwrap_or_else(|_| panic!("{name} did not end")).unwrap();
        }
    }
}
