//! What a merchant is to be paid for a day: entries, one for each sale and for whatever came back, and their sums.

use super::{Parts, Way};
use crate::{MerchantId, Money, PaymentId, Reason, TerminalId};

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A purchase, or a pre-authorisation that was completed.
    Sale,
    /// A refund that was taken in.
    Refund,
    /// A refund that its bank refused for good: what it took is the merchant's again.
    RefundRefused,
    /// A sale that was taken back whole.
    Reversal,
}

impl EntryKind {
    pub const ALL: [Self; 4] = [Self::Sale, Self::Refund, Self::RefundRefused, Self::Reversal];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "SALE",
            Self::Refund => "REFUND",
            Self::RefundRefused => "REFUND_REFUSED",
            Self::Reversal => "REVERSAL",
        }
    }

    /// Reads what [`EntryKind::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What one payment, refund or reversal changes of what a merchant is paid. It is written once, with the step that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The payment; of a refund its own id.
    pub payment_id: PaymentId,
    pub kind: EntryKind,
    pub merchant_id: MerchantId,
    pub terminal_id: TerminalId,
    /// How the sale was paid; of what comes back, none.
    pub way: Option<Way>,
    /// Above zero for what the merchant gets, below for what goes back.
    pub amount: Money,
    /// Above zero for what the merchant bears.
    pub fee: Parts,
}

/// What the entries of one merchant, one currency and one day come to, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub sales: i64,
    pub sales_minor: i64,
    /// Less those that were refused.
    pub refunds: i64,
    /// Above zero.
    pub refunds_minor: i64,
    pub reversals: i64,
    /// Above zero.
    pub reversals_minor: i64,
    /// What was charged less what was given back.
    pub fees: Parts,
}

impl Totals {
    /// Adds so many entries of one kind, by their sums. `Err(AmountTooLarge)`.
    pub fn add(&mut self, kind: EntryKind, count: i64, amount_minor: i64, fee: Parts) -> Result<(), Reason> {
        let sum = |a: i64, b: i64| a.checked_add(b).ok_or(Reason::AmountTooLarge);
        match kind {
            EntryKind::Sale => {
                self.sales = sum(self.sales, count)?;
                self.sales_minor = sum(self.sales_minor, amount_minor)?;
            }
            EntryKind::Refund => {
                self.refunds = sum(self.refunds, count)?;
                self.refunds_minor = sum(self.refunds_minor, amount_minor.saturating_neg())?;
            }
            EntryKind::RefundRefused => {
                self.refunds = sum(self.refunds, count.saturating_neg())?;
                self.refunds_minor = sum(self.refunds_minor, amount_minor.saturating_neg())?;
            }
            EntryKind::Reversal => {
                self.reversals = sum(self.reversals, count)?;
                self.reversals_minor = sum(self.reversals_minor, amount_minor.saturating_neg())?;
            }
        }
        self.fees = Parts {
            minor: sum(self.fees.minor, fee.minor)?,
            issuer_minor: sum(self.fees.issuer_minor, fee.issuer_minor)?,
            hub_minor: sum(self.fees.hub_minor, fee.hub_minor)?,
        };
        Ok(())
    }

    /// What the merchant is paid; below zero where more came back than was sold.
    pub const fn net_minor(&self) -> i64 {
        let kept = self.sales_minor.saturating_sub(self.refunds_minor).saturating_sub(self.reversals_minor);
        kept.saturating_sub(self.fees.minor)
    }
}
