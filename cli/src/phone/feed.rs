//! The person's feed as a program takes it, event by event in the contract's own words. That each comes once and in order is the SDK's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bankhub_mobile::{EventFeed, SdkError};
use domain::PaymentId;
use proto::cardholder as pb;
use proto::cardholder::event::Kind;
use secrecy::SecretString;

use super::{Phone, PhoneError};

/// Events as they come, over as many streams as it takes.
pub struct Feed {
    /// Kept, since a phone that nobody has any more is closed.
    _phone: Arc<bankhub_mobile::Phone>,
    events: Result<Arc<EventFeed>, SdkError>,
    /// Codes that came before somebody asked for them.
    codes: BTreeMap<String, SecretString>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Ok(events) = &self.events {
            events.cancel();
        }
    }
}

impl Phone {
    /// Follows the feed from after a sequence on. What is taken is not noted as handled anywhere.
    pub fn follow(&self, after_sequence: i64) -> Feed {
        Feed { _phone: self.sdk.clone(), events: self.sdk.events(Some(after_sequence)), codes: BTreeMap::new() }
    }
}

impl Feed {
    /// The next event; an error when the feed cannot go on by itself.
    pub async fn next(&mut self) -> Result<pb::Event, PhoneError> {
        let event = self.events.as_ref().map_err(SdkError::clone)?.next_message().await?;
        if let Some(Kind::PaymentCode(code)) = &event.kind {
            self.codes.insert(code.payment_id.clone(), SecretString::from(code.code.clone()));
        }
        Ok(event)
    }

    /// Waits for the code of one payment. Other events are kept back for nobody: whoever wants them all uses
    /// [`Feed::next`] alone.
    pub async fn code_for(&mut self, payment: PaymentId, patience: Duration) -> Result<SecretString, PhoneError> {
        let wanted = payment.to_string();
        let waiting = async {
            loop {
                if let Some(code) = self.codes.remove(&wanted) {
                    return Ok(code);
                }
                self.next().await?;
            }
        };
        tokio::time::timeout(patience, waiting).await.unwrap_or(Err(PhoneError::NoCode(patience)))
    }

    /// Waits for the first event that `wanted` takes.
    pub async fn find<T>(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&pb::Event) -> Option<T>,
    ) -> Result<T, PhoneError> {
        let waiting = async {
            loop {
                if let Some(found) = wanted(&self.next().await?) {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.unwrap_or(Err(PhoneError::NoCode(patience)))
    }
}
