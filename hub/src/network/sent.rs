//! Which message it is: who sent it, for whom, with what number and when. A repeat is the same message.

use domain::network::SentAt;
use domain::{Reason, Timestamp};
use iso8583::Message;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use uuid::Uuid;

/// The elements by which a message is known for ever (ISO 8583:1987, elements 7, 11, 32, 33 and 41).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Field 32 without zeros before it.
    pub(super) acquirer: String,
    /// Field 33 in the same way; empty where it is left out.
    forwarder: String,
    stan: u64,
    at: Timestamp,
    /// Field 41 without blanks around it.
    pub(super) terminal: String,
}

/// Whole digits of an `n` field.
pub(super) fn number(message: &Message<'_>, field: u8) -> Option<u64> {
    message.field(field)?.as_number()
}

/// A text field without blanks around it; none when nothing is left.
pub(super) fn text(message: &Message<'_>, field: u8) -> Option<String> {
    let text = message.field(field)?.text().trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn institution(digits: &str) -> String {
    digits.trim_start_matches('0').to_owned()
}

/// Field 7, or the same ten digits elsewhere.
pub(super) fn time(number: u64, now: Timestamp) -> Result<Timestamp, Reason> {
    let part = |divisor: u64| i8::try_from(number / divisor % 100).map_err(|_| Reason::TimeOutOfRange);
    let sent = SentAt {
        month: part(100_000_000)?,
        day: part(1_000_000)?,
        hour: part(10_000)?,
        minute: part(100)?,
        second: part(1)?,
    };
    sent.near(now)
}

impl Sent {
    /// `Err(FieldMissing)` without one of the elements, `Err(TimeOutOfRange)` for a time that is none.
    pub(super) fn of(message: &Message<'_>, now: Timestamp) -> Result<Self, Reason> {
        let need = |field| number(message, field).ok_or(Reason::FieldMissing);
        let stan = need(11)?;
        if stan == 0 {
            return Err(Reason::FieldMissing);
        }
        Ok(Self {
            acquirer: institution(&text(message, 32).ok_or(Reason::FieldMissing)?),
            forwarder: text(message, 33).map(|digits| institution(&digits)).unwrap_or_default(),
            stan,
            at: time(need(7)?, now)?,
            terminal: text(message, 41).ok_or(Reason::FieldMissing)?,
        })
    }

    /// The message that field 90 names: type, number, time, acquirer and forwarder in 4, 6, 10, 11 and 11 digits. It is one of the same
    /// terminal. `Err(FieldMissing)` without the field.
    pub(super) fn original(&self, message: &Message<'_>, now: Timestamp) -> Result<Self, Reason> {
        let digits = text(message, 90).ok_or(Reason::FieldMissing)?;
        let part = |from: usize, to: usize| digits.get(from..to).ok_or(Reason::MessageMalformed);
        let number = |from, to| part(from, to)?.parse::<u64>().map_err(|_| Reason::MessageMalformed);
        let acquirer = institution(part(20, 31)?);
        Ok(Self {
            acquirer: if acquirer.is_empty() { self.acquirer.clone() } else { acquirer },
            forwarder: institution(part(31, 42)?),
            stan: number(4, 10)?,
            at: time(number(10, 20)?, now)?,
            terminal: self.terminal.clone(),
        })
    }

    /// The id of the message, and of what it asks for: a UUID of version 7 of its own time, the same for every repeat.
    pub(super) fn id(&self, keys: &dyn KeyStore) -> Result<Uuid, KeyError> {
        let parts: [&[u8]; 6] = [
            b"network message",
            self.acquirer.as_bytes(),
            self.forwarder.as_bytes(),
            &self.stan.to_be_bytes(),
            &self.at.micros().to_be_bytes(),
            self.terminal.as_bytes(),
        ];
        let mac = keys.mac(KeyName::RequestFingerprint, &parts)?;
        let random = mac.first_chunk::<10>().copied().unwrap_or_default();
        let millis = u64::try_from(self.at.micros() / 1_000).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}
