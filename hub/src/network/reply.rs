//! Answers: what is given back as it came, and what is added.

use std::borrow::Cow;

use domain::card::Pan;
use domain::network::{PrivateData, Response, Tag, code_of};
use iso8583::field::Masking;
use iso8583::{BuildError, Message, MessageBuilder};
use zeroize::Zeroizing;

use super::link::Link;
use super::notification::{NEVER, kept_private};
use super::working_key::WorkingKeys;

/// The field of private data.
pub(super) const PRIVATE: u8 = 120;
/// Where a TPDU has the two addresses, which change places in an answer (UnionPay's specification of POS terminals, message header).
const TPDU: std::ops::Range<usize> = 1..5;

/// What an answer says beside what it gives back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response,
    /// Fields with their text.
    pub(super) fields: Vec<(u8, Cow<'static, str>)>,
    /// Entries of the private field.
    pub(super) private: Vec<(Tag, Cow<'static, str>)>,
    /// The card that the network is to charge.
    pub(super) card: Option<Pan>,
}

impl Reply {
    pub(super) const fn of(response: Response) -> Self {
        Self { response, fields: Vec::new(), private: Vec::new(), card: None }
    }

    #[must_use]
    pub(super) fn with(mut self, field: u8, text: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((field, text.into()));
        self
    }

    /// Names a card, over a link with TLS.
    #[must_use]
    pub(super) fn naming(mut self, card: Pan) -> Self {
        self.card = Some(card);
        self
    }

    #[must_use]
    pub(super) fn telling(mut self, tag: Tag, text: impl Into<Cow<'static, str>>) -> Self {
        self.private.push((tag, text.into()));
        self
    }
}

/// Writes the answer to a message, sealed if the link has authentication codes.
pub(super) fn write(
    link: &Link,
    keys: &WorkingKeys,
    message: &Message<'_>,
    reply: &Reply,
) -> Result<Zeroizing<Vec<u8>>, BuildError> {
    let mti = message.mti().answer().ok_or(BuildError::MtiVersion)?;
    let mut answer = MessageBuilder::new(link.dialect, mti)?;
    let mut header = message.header().to_vec();
    if let Some(addresses) = header.get_mut(TPDU) {
        addresses.rotate_left(2);
    }
    answer.header(&header)?;
    for field in message.fields().filter(|field| is_given_back(field.number(), field.spec().masking)) {
        answer.field(&field)?;
    }
    answer.text(39, code_of(reply.response))?;
    if let Some(card) = &reply.card {
        answer.text(2, card.reveal())?;
    }
    for (field, text) in &reply.fields {
        answer.text(*field, text)?;
    }
    let mut private: Vec<(Tag, &str)> = reply.private.iter().map(|(tag, text)| (*tag, text.as_ref())).collect();
    if let Response::Refused(reason) = reply.response {
        private.push((Tag::Reason, reason.code()));
    }
    let private = private.into_iter().fold(PrivateData::default(), |data, (tag, text)| data.with(tag, text));
    if !private.is_empty() {
        let text = Zeroizing::new(private.to_text().map_err(|_| BuildError::NotANumber { field: PRIVATE })?);
        answer.text(PRIVATE, &text)?;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(512));
    match &keys.mac {
        // The code itself cannot fail, so what fails is the message.
        Some(key) => answer.write_sealed(&mut octets, &key.as_mac()).map_err(|error| match error {
            iso8583::mac::SealError::Build(error) => error,
            iso8583::mac::SealError::Mac(never) => match never {},
        })?,
        None => answer.write(&mut octets)?,
    }
    let mut framed = Zeroizing::new(Vec::with_capacity(octets.len() + 4));
    link.framing.write(&octets, &mut framed).map_err(|_| BuildError::TooLong { octets: octets.len() })?;
    Ok(framed)
}

/// What may be shown is given back as it came; what says whom or what somebody is, and what only an answer has, is not.
fn is_given_back(field: u8, masking: Masking) -> bool {
    masking == Masking::Shown && !matches!(field, 38 | 39 | 66)
}

/// The message for keeping: without what proves a card or a payer. None if it cannot be written without it.
pub(super) fn kept(message: &Message<'_>) -> Result<Zeroizing<Vec<u8>>, BuildError> {
    let mut copy = MessageBuilder::copy_of(message, message.dialect())?;
    for field in NEVER {
        copy.remove(field);
    }
    if let Some(field) = message.field(PRIVATE) {
        let text = Zeroizing::new(field.text().into_owned());
        copy.remove(PRIVATE);
        if let Some(rest) = kept_private(&text) {
            copy.text(PRIVATE, &rest)?;
        }
    }
    let mut octets = Zeroizing::new(Vec::new());
    copy.write(&mut octets)?;
    Ok(octets)
}
