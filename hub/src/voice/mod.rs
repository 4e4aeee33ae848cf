//! Telephone calls: somebody without the phone at hand freezes what is lost, by caller's number and safety code (F2).
//!
//! A front speaks with the caller; what it wants done it asks of a [`Desk`], which knows no prompts; [`HubDesk`] is the one over the hub
//! itself. Both fronts play the one dialogue of [`domain::voice`]: [`agi`] over FastAGI for Asterisk, [`vxml`] as VoiceXML documents for a
//! voice gateway (ADR 27).
//!
//! Invariant: what a caller types is in memory alone, and no line of a log has it.

mod agi;
mod asking;
mod at_hub;
mod config;
pub mod desk;
mod limits;
mod lines;
mod number;
mod pin_pad;
#[cfg(test)]
mod tests;
mod vxml;

use std::net::SocketAddr;
use std::sync::Arc;

use domain::voice::{Ending, Language};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use server_kit::clock::SharedClock;
use server_kit::rng::{IdMaker, SharedRng};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use asking::Asking;
use lines::Lines;

pub use at_hub::{HubDesk, HubDeskParts};
pub use config::VoiceConfig;
pub use desk::{AtBank, BoxFuture, Desk, InstrumentStanding, SpokenPurchase};
pub use number::CountryCode;
pub use pin_pad::{PinPadError, VoicePinPad};

/// Why calls cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    #[error("cannot listen for calls on {addr}: {error}")]
    Listen { addr: SocketAddr, error: std::io::Error },
    #[error("voice.vxml_listen needs voice.gateway_secret")]
    SecretMissing,
    #[error("voice.gateway_secret has fewer than 16 characters")]
    SecretShort,
    #[error("voice.prompts is the name of a folder: letters, digits, '.', '_', '-' and '/'")]
    Prompts,
    #[error(transparent)]
    Secret(#[from] server_kit::config::ConfigError),
}

/// What calls stand on.
pub struct VoiceParts {
    pub desk: Arc<dyn Desk>,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    /// In which the times of purchases are said.
    pub zone: TimeZone,
}

impl std::fmt::Debug for VoiceParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceParts").finish_non_exhaustive()
    }
}

/// The fronts that take calls.
#[derive(Debug)]
pub struct Voice {
    /// Where Asterisk connects.
    pub agi_addr: Option<SocketAddr>,
    /// Where the voice gateway asks.
    pub vxml_addr: Option<SocketAddr>,
    /// They end when the hub drains and the calls under way have been ended.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Voice {
    /// Takes calls wherever the configuration says so, until `draining`.
    pub async fn start(
        config: &VoiceConfig,
        parts: VoiceParts,
        draining: CancellationToken,
    ) -> Result<Self, VoiceError> {
        let is_folder = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        if config.prompts.is_empty() || !is_folder(&config.prompts) {
            return Err(VoiceError::Prompts);
        }
        let mut voice = Self { agi_addr: None, vxml_addr: None, tasks: Vec::new() };
        if let Some(addr) = config.agi_listen {
            let (listener, addr) = listen(addr).await?;
            voice.agi_addr = Some(addr);
            let (front, draining) = (agi::Front::new(config, &parts), draining.clone());
            voice.tasks.push(("calls over FastAGI", tokio::spawn(front.run(listener, draining))));
        }
        if let Some(addr) = config.vxml_listen {
            let secret = gateway_secret(config)?;
            let (listener, addr) = listen(addr).await?;
            voice.vxml_addr = Some(addr);
            let front = vxml::Front::new(config, &parts, secret);
            voice.tasks.push(("calls by VoiceXML", tokio::spawn(front.run(listener, draining))));
        }
        Ok(voice)
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), VoiceError> {
    let failed = |error| VoiceError::Listen { addr, error };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(addr = %bound, "calls are taken");
    Ok((listener, bound))
}

fn gateway_secret(config: &VoiceConfig) -> Result<SecretString, VoiceError> {
    use secrecy::ExposeSecret as _;
    let secret = config.gateway_secret.as_ref().ok_or(VoiceError::SecretMissing)?.read()?;
    if secret.expose_secret().len() < 16 { Err(VoiceError::SecretShort) } else { Ok(secret) }
}

/// How a call came to its end, for who watches over the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The dialogue came to its end.
    As(Ending),
    /// It lasted longer than calls may.
    TimeOver,
    /// Who calls is not known.
    Withheld,
    /// This number, or everybody, calls too often.
    TooMany,
    /// The other side said what the protocol does not have, or nothing in time.
    Broken,
    /// The hub is going down.
    Drained,
}

impl Ended {
    fn count(self, front: &'static str) {
        let how = match self {
            Self::As(Ending::CallerHungUp) => "hung_up",
            Self::As(Ending::TooManyErrors) => "errors",
            Self::As(Ending::TooLong) | Self::TimeOver => "too_long",
            Self::Withheld => "withheld",
            Self::TooMany => "too_many",
            Self::Broken => "broken",
            Self::Drained => "drained",
        };
        metrics::counter!("bankhub_voice_calls_total", "front" => front, "ended" => how).increment(1);
        tracing::info!(front, ended = how, "a call has ended");
    }
}

/// What both fronts share.
#[derive(Clone, Debug)]
struct Ground {
    asking: Asking,
    lines: Arc<Lines>,
    first: Language,
    country: CountryCode,
}

impl Ground {
    fn new(config: &VoiceConfig, parts: &VoiceParts) -> Self {
        let VoiceParts { desk, ids, zone, .. } = parts;
        Self {
            asking: Asking { desk: desk.clone(), ids: ids.clone(), zone: zone.clone() },
            lines: Arc::new(Lines::new(config)),
            first: config.first_language,
            country: config.country_code,
        }
    }
}
