//! What a schedule is about, and which of several that fit is the nearest.

use std::fmt;

use crate::purchase::CategoryCode;
use crate::{Currency, MerchantId, Reason};

/// How somebody paid, as far as the hub knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// By phone number, whatever is behind it.
    Phone,
    /// With a card at a terminal; at least half of it was borne by the debit side.
    CardDebit,
    /// With a card at a terminal; more than half of it was borne by the credit side.
    CardCredit,
    /// With a card whose bank does not say which side bears it, as over a card network.
    CardOther,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Phone, Self::CardDebit, Self::CardCredit, Self::CardOther];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "PHONE",
            Self::CardDebit => "CARD_DEBIT",
            Self::CardCredit => "CARD_CREDIT",
            Self::CardOther => "CARD_OTHER",
        }
    }

    /// Reads what [`Way::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|way| way.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What schedules are chosen by: who was paid, how, and in which currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold<'m> {
    pub merchant: &'m MerchantId,
    pub category: CategoryCode,
    pub way: Way,
    pub currency: Currency,
}

/// What a schedule is about. Where nothing is said, it is about all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub currency: Currency,
    pub merchant: Option<MerchantId>,
    pub category: Option<CategoryCode>,
    pub way: Option<Way>,
}

/// Stands for every merchant, category or way; no id has this character.
const EVERY: &str = "*";

impl Scope {
    /// Puts one together from words, of which an empty one or `*` stands for all. `Err` with `NameMalformed`, `CategoryMalformed`, `CategoryUnknown`, `FieldUnknown` or
    /// `CurrencyUnknown`.
    pub fn read(merchant: &str, category: &str, way: &str, currency: &str) -> Result<Self, Reason> {
        let said = |word: &str| !word.is_empty() && word != EVERY;
        let category = said(category).then(|| CategoryCode::parse(category)).transpose()?;
        // A slip of the finger would be a schedule that is never used.
        if category.is_some_and(|code| crate::category::find(code).is_none()) {
            return Err(Reason::CategoryUnknown);
        }
        Ok(Self {
            currency: Currency::parse(currency)?,
            merchant: said(merchant).then(|| MerchantId::parse(merchant)).transpose()?,
            category,
            way: said(way).then(|| Way::parse(way)).transpose()?,
        })
    }

    /// Reads what `Display` gives. `Err` as [`Scope::read`].
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let words: Vec<&str> = text.split(' ').collect();
        let [merchant, category, way, currency] = words.as_slice() else { return Err(Reason::FieldUnknown) };
        if [merchant, category, way].iter().any(|word| word.is_empty()) {
            return Err(Reason::FieldUnknown);
        }
        Self::read(merchant, category, way, currency)
    }

    /// All that a payment falls under, the nearest first: who was paid says more than what is sold there, and that more than how it was paid.
    pub fn of(sold: &Sold<'_>) -> [Self; 8] {
        [7_u8, 6, 5, 4, 3, 2, 1, 0].map(|said| Self {
            currency: sold.currency,
            merchant: (said & 4 != 0).then(|| sold.merchant.clone()),
            category: (said & 2 != 0).then_some(sold.category),
            way: (said & 1 != 0).then_some(sold.way),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let merchant = self.merchant.as_ref().map_or(EVERY, MerchantId::as_str);
        let category = self.category.as_ref().map_or(EVERY, CategoryCode::as_str);
        let way = self.way.map_or(EVERY, Way::as_str);
        write!(f, "{merchant} {category} {way} {}", self.currency.code())
    }
}
