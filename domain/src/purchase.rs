//! What was bought, where and from whom: the record that a person keeps of a charge (R3).

use crate::ledger::Nature;
use crate::text::Line;
use crate::{BankId, MerchantId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

/// A merchant category code of ISO 18245: four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryCode([u8; 4]);

impl CategoryCode {
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let digits = <[u8; 4]>::try_from(text.as_bytes()).map_err(|_| Reason::CategoryMalformed)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(Reason::CategoryMalformed) }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("0000")
    }
}

/// Whom money goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    pub id: MerchantId,
    pub name: Line,
    pub category: CategoryCode,
}

/// Where a terminal stands, in degrees of WGS 84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    pub latitude: f64,
    pub longitude: f64,
}

/// A terminal as it is enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminal {
    pub id: TerminalId,
    pub merchant: Merchant,
    /// What people call the place.
    pub place: Option<Line>,
    pub location: Option<Location>,
    pub suspended: bool,
}

/// One thing that was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineItem {
    pub name: Line,
    /// The merchant's own code or a GTIN.
    pub code: Option<Line>,
    /// Thousandths of a unit.
    pub quantity_milli: i64,
    /// The price of all of them, in minor units of the payment's currency.
    pub amount_minor: i64,
}

impl LineItem {
    /// The most entries that one payment carries.
    pub const MOST: usize = 100;

    /// An entry with a quantity above zero; the amount may be negative, as a discount is.
    pub fn new(name: &str, code: &str, quantity_milli: i64, amount_minor: i64) -> Result<Self, Reason> {
        if quantity_milli <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        let code = if code.is_empty() { None } else { Some(Line::parse(code)?) };
        Ok(Self { name: Line::parse(name)?, code, quantity_milli, amount_minor })
    }
}

/// Where a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PurchaseState {
    /// The money is reserved at the bank; how much is charged in the end is not yet known.
    Held,
    /// The money has moved, or is certain to.
    Posted,
    /// Taken back as a whole: nothing was bought.
    Reversed,
}

impl PurchaseState {
    pub const ALL: [Self; 3] = [Self::Held, Self::Posted, Self::Reversed];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Posted => "POSTED",
            Self::Reversed => "REVERSED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// Who carried the payment of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A terminal of the federation, through the hub.
    Hub,
    /// Somebody else; the bank has reported it.
    Bank,
}

impl Carrier {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "HUB",
            Self::Bank => "BANK",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        [Self::Hub, Self::Bank].into_iter().find(|carrier| carrier.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// A charge in a person's record.
#[derive(Clone, Debug, PartialEq)]
pub struct Purchase {
    /// The payment; of one that the hub did not carry, its bank's id for it.
    pub payment_id: PaymentId,
    pub carrier: Carrier,
    pub state: PurchaseState,
    pub person_id: PersonId,
    /// What sort of transaction it is, of those by which money goes out.
    pub nature: Nature,
    pub amount: Money,
    /// How much of it the card's credit side bears, in minor units; none where that is not known.
    pub credit_minor: Option<i64>,
    pub occurred_at: Timestamp,
    pub bank_id: BankId,
    /// The account as others may see it, such as `****4821`.
    pub account_masked: String,
    pub merchant: Merchant,
    pub terminal_id: TerminalId,
    pub place: Option<Line>,
    pub location: Option<Location>,
    pub items: Vec<LineItem>,
    /// How much came back since, in refunds and a reversal.
    pub given_back_minor: i64,
}

/// Something that came back of a purchase: a refund, a part that was taken back, or all that was left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveBack {
    /// Counts up from 1 with each give-back of the purchase, and names it for ever.
    pub number: i64,
    /// When it came back; of a purchase that its bank reports, when the hub heard of it.
    pub given_at: Timestamp,
    /// Above zero.
    pub amount_minor: i64,
    /// Whether the purchase was taken back as a whole.
    pub reversal: bool,
    /// The refund, or the purchase itself when that was reversed; none where a bank reports it.
    pub payment_id: Option<PaymentId>,
}

impl Purchase {
    /// What it has cost in the end, in minor units: the amount less what came back.
    pub const fn net_minor(&self) -> i64 {
        self.amount.minor.saturating_sub(self.given_back_minor)
    }
}
