//! What the person signs.

use std::fmt;
use std::time::Duration;

use crate::canonical::{Lines, same_again, time};
use crate::payment::Instrument;
use crate::{AccountId, BankId, CardId, Currency, Money, PaymentId, Reason, Timestamp};

const FORM: &str = "bankhub repayment v1";
/// How long after it was signed a repayment may be taken in for the first time: somebody who kept it back cannot have it done on another day.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(15 * 60);
/// A phone's clock may be ahead by so much.
const AHEAD_AT_MOST: Duration = Duration::from_secs(5 * 60);
const SECOND_MICROS: i64 = 1_000_000;

/// An account or a card at a bank, written `bank-a account 0192…` or `bank-a card 0192…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub bank_id: BankId,
    pub instrument: Instrument,
}

impl End {
    fn parse(text: &str) -> Result<Self, Reason> {
        let (bank, rest) = text.split_once(' ').ok_or(Reason::FieldMissing)?;
        let (sort, id) = rest.split_once(' ').ok_or(Reason::FieldMissing)?;
        let instrument = match sort {
            "account" => Instrument::Account(AccountId::parse(id)?),
            "card" => Instrument::Card(CardId::parse(id)?),
            _ => return Err(Reason::FieldUnknown),
        };
        Ok(Self { bank_id: BankId::parse(bank)?, instrument })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instrument {
            Instrument::Account(id) => write!(f, "{} account {id}", self.bank_id),
            Instrument::Card(id) => write!(f, "{} card {id}", self.bank_id),
        }
    }
}

/// What the person wants: so much from here to there, once.
///
/// Its `Display` form is what the phone shows and what its key signs, as UTF-8:
///
/// ```text
/// bankhub repayment v1
/// repayment: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
/// from: bank-a account 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// to: bank-b card 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e11
/// amount: 1250.00 CNY
/// signed: 2026-11-22T10:00:00Z
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Made by the phone: it tells one repayment from another that says the same.
    pub id: PaymentId,
    pub from: End,
    pub to: End,
    pub amount: Money,
    /// Whole seconds, by the phone's clock.
    pub signed_at: Timestamp,
}

impl Form {
    /// Reads what was signed. `Err(RepaymentMalformed)` for anything that is not written exactly so; for an amount that is no payment's,
    /// `AmountNotPositive`, `AmountTooLarge`, `AmountMalformed` or `CurrencyUnknown`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::read(text).map_err(|reason| match reason {
            Reason::AmountNotPositive | Reason::AmountTooLarge | Reason::AmountMalformed | Reason::CurrencyUnknown => {
                reason
            }
            _ => Reason::RepaymentMalformed,
        })
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let form = Self {
            id: PaymentId::parse(lines.value("repayment")?)?,
            from: End::parse(lines.value("from")?)?,
            to: End::parse(lines.value("to")?)?,
            amount: amount(lines.value("amount")?)?,
            signed_at: lines.time("signed")?,
        };
        if form.signed_at.micros().rem_euclid(SECOND_MICROS) != 0 {
            return Err(Reason::FieldUnknown);
        }
        same_again(form, text)
    }

    /// Whether it can be taken in for the first time by now. `Err` with `RepaymentOutdated`, or `RepaymentSameAccount`: a card may repay
    /// its credit side from its debit side, an account has one side only.
    pub fn check(&self, now: Timestamp) -> Result<(), Reason> {
        let too_old = now >= self.signed_at.plus(TAKEN_WITHIN);
        if too_old || self.signed_at > now.plus(AHEAD_AT_MOST) {
            return Err(Reason::RepaymentOutdated);
        }
        if self.from == self.to && matches!(self.from.instrument, Instrument::Account(_)) {
            return Err(Reason::RepaymentSameAccount);
        }
        Ok(())
    }
}

fn amount(text: &str) -> Result<Money, Reason> {
    let (major, currency) = text.split_once(' ').ok_or(Reason::AmountMalformed)?;
    let amount = Money::parse_major(Currency::parse(currency)?, major)?;
    Money::payable(amount.currency, amount.minor)
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM}")?;
        writeln!(f, "repayment: {}", self.id)?;
        writeln!(f, "from: {}", self.from)?;
        writeln!(f, "to: {}", self.to)?;
        writeln!(f, "amount: {}", self.amount)?;
        writeln!(f, "signed: {}", time(self.signed_at))
    }
}
