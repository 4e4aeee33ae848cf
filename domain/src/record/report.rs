//! What a bank reports of a purchase that the hub did not carry.
//!
//! A bank's reports are numbered from 1 without a gap. Each tells how a purchase stands, as a whole, under a version that counts up
//! with each change at the bank; so the last version is all that is needed, and one that comes late changes nothing.

use crate::ledger::Nature;
use crate::payment::Instrument;
use crate::purchase::{Carrier, GiveBack, LineItem, Purchase, PurchaseState, Terminal};
use crate::{BankId, Money, PaymentId, PersonId, Reason, Timestamp};

/// How a purchase stands at its bank.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The place of the report in the bank's own count, from 1.
    pub sequence: i64,
    /// Keyed by nothing but the content: whether two reports say the same.
    pub fingerprint: [u8; 32],
    /// The bank's id of the purchase.
    pub purchase_id: PaymentId,
    /// Counts up with each change of the purchase, from 1.
    pub version: i64,
    pub bank_id: BankId,
    /// What was paid with.
    pub instrument: Instrument,
    pub account_masked: String,
    pub state: PurchaseState,
    pub nature: Nature,
    pub amount: Money,
    pub credit_minor: Option<i64>,
    /// How much came back so far, in minor units.
    pub given_back_minor: i64,
    /// When it was bought.
    pub occurred_at: Timestamp,
    pub seller: Terminal,
    pub items: Vec<LineItem>,
}

impl Report {
    /// That what it says can be: nothing comes back of what is only held, and never more than was paid.
    pub fn check(&self) -> Result<(), Reason> {
        if self.version < 1 {
            return Err(Reason::SequenceOutOfRange);
        }
        let most = if self.state == PurchaseState::Held { 0 } else { self.amount.minor };
        if !(0..=most).contains(&self.given_back_minor) {
            return Err(Reason::RefundTooLarge);
        }
        if self.credit_minor.is_some_and(|credit| !(0..=self.amount.minor).contains(&credit)) {
            return Err(Reason::AmountMalformed);
        }
        Ok(())
    }

    /// All of it came back when it was reversed.
    const fn given_back(&self) -> i64 {
        match self.state {
            PurchaseState::Reversed => self.amount.minor,
            PurchaseState::Held | PurchaseState::Posted => self.given_back_minor,
        }
    }

    /// The purchase as it stands in the record of this person.
    pub fn purchase(&self, person_id: PersonId) -> Purchase {
        Purchase {
            payment_id: self.purchase_id,
            carrier: Carrier::Bank,
            state: self.state,
            person_id,
            nature: self.nature,
            amount: self.amount,
            credit_minor: self.credit_minor,
            occurred_at: self.occurred_at,
            bank_id: self.bank_id.clone(),
            account_masked: self.account_masked.clone(),
            merchant: self.seller.merchant.clone(),
            terminal_id: self.seller.id.clone(),
            place: self.seller.place.clone(),
            location: self.seller.location,
            items: self.items.clone(),
            given_back_minor: self.given_back(),
        }
    }

    /// What came back since the record stood so, or since there was none; nothing when it is as much as before. `at` is when the hub
    /// hears of it, `last` the number of the give-back before. Banks tell the sum: what versions that came late or never would have told
    /// apart is one.
    pub fn give_back(&self, known: Option<&Standing>, last: i64, at: Timestamp) -> Option<GiveBack> {
        let before = known.map_or(0, |known| known.given_back_minor);
        let amount_minor = self.given_back().saturating_sub(before);
        (amount_minor > 0).then(|| GiveBack {
            number: last.saturating_add(1),
            // A bank's clock may be ahead of the hub's.
            given_at: at.max(self.occurred_at),
            amount_minor,
            reversal: self.state == PurchaseState::Reversed,
            payment_id: None,
        })
    }

    /// How the record stands once this is taken in.
    pub const fn standing(&self) -> Standing {
        Standing {
            version: self.version,
            state: self.state,
            amount: self.amount,
            given_back_minor: self.given_back(),
            fingerprint: self.fingerprint,
        }
    }
}

/// How far a bank's reports have been taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// All up to this one.
    pub through_sequence: i64,
    /// What the last of them said.
    pub last_fingerprint: [u8; 32],
}

/// What is to be done with a report, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the next one.
    Next,
    /// It was taken in before.
    Repeat,
    /// Some before it have not come yet, and come first.
    Gap,
}

impl Cursor {
    /// Where a report stands. `Err(ReportSequenceTaken)` when the last place that was taken in now says something else: the
    /// bank's count has gone back, and what it tells must not be taken for repeats.
    pub fn admit(&self, sequence: i64, fingerprint: &[u8; 32]) -> Result<Admission, Reason> {
        match sequence - self.through_sequence {
            1 => Ok(Admission::Next),
            2.. => Ok(Admission::Gap),
            0 if self.last_fingerprint != *fingerprint => Err(Reason::ReportSequenceTaken),
            _ => Ok(Admission::Repeat),
        }
    }
}

/// How a purchase is known to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub version: i64,
    pub state: PurchaseState,
    pub amount: Money,
    pub given_back_minor: i64,
    pub fingerprint: [u8; 32],
}

/// What a report does to the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the first that is heard of the purchase.
    New,
    /// The record stands as the report says, and the person is told this.
    Changed(Vec<Told>),
    /// It is known, or newer things are.
    Nothing,
}

/// What a person is told of a purchase that is in the record already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What was held is posted, or its amount is another one than this, which it was before.
    Updated { before: Money },
    /// So much came back.
    Refunded(Money),
    /// It was taken back as a whole; so much had not come back before.
    Reversed(Money),
}

impl Standing {
    /// What a report does to the record that stands so, or to none. `Err` with `RecordVersionTaken`, `CurrencyMismatch` or
    /// `RecordGoesBack`, and nothing changes.
    pub fn take(known: Option<&Self>, report: &Report) -> Result<Taken, Reason> {
        let Some(known) = known else { return Ok(Taken::New) };
        if report.version < known.version {
            return Ok(Taken::Nothing);
        }
        if report.version == known.version {
            let same = report.fingerprint == known.fingerprint;
            return if same { Ok(Taken::Nothing) } else { Err(Reason::RecordVersionTaken) };
        }
        if report.amount.currency != known.amount.currency {
            return Err(Reason::CurrencyMismatch);
        }
        // The states are in the order in which a purchase goes through them.
        if report.state < known.state || report.given_back() < known.given_back_minor {
            return Err(Reason::RecordGoesBack);
        }
        Ok(Taken::Changed(known.told(report)))
    }

    fn told(&self, report: &Report) -> Vec<Told> {
        let money = |minor| Money::new(self.amount.currency, minor);
        if report.state == PurchaseState::Reversed {
            let rest = self.amount.minor.saturating_sub(self.given_back_minor);
            return if self.state == PurchaseState::Reversed { Vec::new() } else { vec![Told::Reversed(money(rest))] };
        }
        let mut told = Vec::new();
        if report.state != self.state || report.amount != self.amount {
            told.push(Told::Updated { before: self.amount });
        }
        let back = report.given_back().saturating_sub(self.given_back_minor);
        if back > 0 {
            told.push(Told::Refunded(money(back)));
        }
        told
    }
}

#[cfg(test)]
mod tests;
