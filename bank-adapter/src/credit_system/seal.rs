//! Authentication codes of the messages of one peer, made and verified by the key store, many at a time on a blocking thread:
//! a hardware module answers when it comes to it.

use std::sync::Arc;

use iso8583::mac::{MAC_OCTETS, Unsealed};
use iso8583::{BuildError, Dialect, Message, MessageBuilder};
use zeroize::Zeroizing;

use crate::hsm::{Check, Hsm, HsmError, KeyName};

/// Makes and verifies codes, or lets messages pass as they are where peers have agreed on none.
#[derive(Clone, Debug)]
pub struct Sealer {
    dialect: &'static Dialect,
    key: Option<(Arc<dyn Hsm>, KeyName)>,
}

/// A message as it goes out, and what it is sealed with.
#[derive(Debug)]
pub struct Draft {
    octets: Zeroizing<Vec<u8>>,
    unsealed: Option<Unsealed>,
}

/// What is wrong with a message that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    Missing,
    Wrong,
}

impl Sealer {
    pub const fn new(dialect: &'static Dialect, key: Option<(Arc<dyn Hsm>, KeyName)>) -> Self {
        Self { dialect, key }
    }

    /// Writes a message, with room for the code.
    pub fn draft(&self, mut message: MessageBuilder<'_>) -> Result<Draft, BuildError> {
        let mut octets = Zeroizing::new(Vec::with_capacity(512));
        let unsealed = match &self.key {
            Some(_) => Some(message.write_unsealed(&mut octets)?),
            None => {
                message.write(&mut octets)?;
                None
            }
        };
        Ok(Draft { octets, unsealed })
    }

    /// Seals the messages. An error is one of all of them: nothing has been sent.
    pub async fn seal(&self, drafts: Vec<Draft>) -> Result<Vec<Zeroizing<Vec<u8>>>, HsmError> {
        let Some((hsm, key)) = self.key.clone() else {
            return Ok(drafts.into_iter().map(|draft| draft.octets).collect());
        };
        let seal_one = move |draft: Draft| {
            let Draft { mut octets, unsealed } = draft;
            if let Some(unsealed) = unsealed {
                let made = hsm.mac(&key, unsealed.covered(&octets))?;
                unsealed.seal(&mut octets, made.value);
            }
            Ok(octets)
        };
        blocking(move || drafts.into_iter().map(seal_one).collect()).await
    }

    /// Verifies whole messages and gives those before the first that is not as its sender sent it, and what is wrong with
    /// that one. What is no message at all is left to whoever reads it.
    pub async fn verify(&self, frames: Frames) -> Result<(Frames, Option<Suspicion>), HsmError> {
        let Some((hsm, key)) = self.key.clone() else { return Ok((frames, None)) };
        let dialect = self.dialect;
        blocking(move || {
            let mut frames = frames;
            for at in 0..frames.len() {
                let Some(frame) = frames.get(at) else { break };
                let Ok(message) = Message::read(dialect, frame) else { continue };
                if let Some(suspicion) = suspect(&*hsm, &key, &message)? {
                    frames.truncate(at);
                    return Ok((frames, Some(suspicion)));
                }
            }
            Ok((frames, None))
        })
        .await
    }
}

/// Messages as they have come.
pub type Frames = Vec<Zeroizing<Vec<u8>>>;

fn suspect(hsm: &dyn Hsm, key: &KeyName, message: &Message<'_>) -> Result<Option<Suspicion>, HsmError> {
    let Some(sealed) = message.sealed() else { return Ok(Some(Suspicion::Missing)) };
    let claimed = message.fields().last().map(|field| field.value().into_owned()).unwrap_or_default();
    let Ok(claimed) = <[u8; MAC_OCTETS]>::try_from(claimed.as_slice()) else { return Ok(Some(Suspicion::Missing)) };
    match hsm.verify_mac(key, None, sealed.covered(), &claimed)? {
        Check::Matches => Ok(None),
        Check::Differs => Ok(Some(Suspicion::Wrong)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HsmError> + Send + 'static,
) -> Result<T, HsmError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(HsmError::Unavailable { reason: error.to_string() }),
    }
}
