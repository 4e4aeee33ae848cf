//! Text as long as ISO 20022 takes, and the identifiers that have a form of their own.

use std::fmt;
use std::sync::Arc;

use crate::text::is_trick;
use crate::{Currency, Money, Reason};

/// One line of visible text, 1 to `MOST` characters: `Max35Text` and its kin.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const MOST: usize>(Arc<str>);

/// `Max35Text`: what a message, a transfer or a member is known by.
pub type Reference = Bounded<35>;
/// `Max34Text`: an account, as others may see it.
pub type Account = Bounded<34>;
/// `Max105Text`: why something was refused.
pub type Note = Bounded<105>;
/// `Max140Text`: a name, or a line of what a transfer is for.
pub type Name = Bounded<140>;

impl<const MOST: usize> Bounded<MOST> {
    /// `Err(TextMalformed)` for nothing, for more than it takes, and for characters that cannot be shown safely.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let chars = text.chars().take(MOST.saturating_add(1)).count();
        if chars == 0 || chars > MOST || text.trim() != text || text.chars().any(is_trick) {
            return Err(Reason::TextMalformed);
        }
        Ok(Self(text.into()))
    }

    /// As much of a text as there is room for; none if there is nothing that could be shown.
    pub fn clipped(text: &str) -> Option<Self> {
        let clip: String = text.chars().filter(|c| !is_trick(*c)).take(MOST).collect();
        Self::parse(clip.trim()).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> fmt::Display for Bounded<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MOST: usize> fmt::Debug for Bounded<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A bank by ISO 9362, 8 or 11 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bic(Arc<str>);

impl Bic {
    /// `BICFIDec2014Identifier`: four letters or digits, two letters of a country, two and perhaps three letters or digits.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine =
            |(at, byte): (usize, u8)| byte.is_ascii_uppercase() || (!matches!(at, 4 | 5) && byte.is_ascii_digit());
        if matches!(text.len(), 8 | 11) && text.bytes().enumerate().all(fine) {
            Ok(Self(text.into()))
        } else {
            Err(Reason::TextMalformed)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A unique end-to-end transaction reference: `UUIDv4Identifier`. The federation's own ids are of version 7 and can be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uetr(uuid::Uuid);

impl Uetr {
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = text.len() == 36 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let id = uuid::Uuid::try_parse(text).ok().filter(|_| fine).ok_or(Reason::IdMalformed)?;
        Self::of(id).ok_or(Reason::IdMalformed)
    }

    /// An id as one, if it is of version 4.
    pub fn of(id: uuid::Uuid) -> Option<Self> {
        (id.get_version_num() == 4 && id.get_variant() == uuid::Variant::RFC4122).then_some(Self(id))
    }
}

impl fmt::Display for Uetr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An amount as a file writes it (`ActiveCurrencyAndAmount`): digits with at most one point, and no more decimals than the currency has,
/// be they zeros. It is one that a payment may have.
pub fn amount_of(currency: Currency, text: &str) -> Result<Money, Reason> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fine = !whole.is_empty() && digits(whole) && digits(decimals) && !text.ends_with('.');
    if !fine || u32::try_from(decimals.len()).map_or(true, |decimals| decimals > currency.exponent()) {
        return Err(Reason::AmountMalformed);
    }
    let amount = Money::parse_major(currency, text)?;
    Money::payable(currency, amount.minor)
}
