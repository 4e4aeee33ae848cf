//! What the head of a file says of its transfers, and whether it is so.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;

use super::{Reference, Transfer};
use crate::{Currency, Money, Reason};

/// `NbOfTxs`, `CtrlSum` and `TtlIntrBkSttlmAmt` of a group header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub number: Option<u64>,
    /// The sum of all amounts in major units, whatever their currencies.
    pub control_sum: Option<ControlSum>,
    pub total: Option<Money>,
}

/// A sum of amounts in major units, whatever their currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSum(Decimal);

impl ControlSum {
    /// `DecimalNumber`. `Err(AmountMalformed)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Decimal::from_str_exact(text).ok().filter(|_| plain).map(Self).ok_or(Reason::AmountMalformed)
    }
}

impl fmt::Display for ControlSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sum of all amounts. `Err(AmountTooLarge)`.
pub fn control_sum(transfers: &[Transfer]) -> Result<ControlSum, Reason> {
    let add = |sum: Decimal, transfer: &Transfer| {
        let exponent = transfer.amount.currency.exponent();
        sum.checked_add(Decimal::new(transfer.amount.minor, exponent)).ok_or(Reason::AmountTooLarge)
    };
    transfers.iter().try_fold(Decimal::ZERO, add).map(ControlSum)
}

/// The sum in one currency. `Err` with `CurrencyMismatch` or `AmountTooLarge`.
pub fn total(currency: Currency, transfers: &[Transfer]) -> Result<Money, Reason> {
    transfers.iter().try_fold(Money::new(currency, 0), |sum, transfer| sum.plus(transfer.amount))
}

impl Claim {
    /// Whether the transfers are so many and add up to so much. `Err(FileTotalsWrong)`; `Err(FieldMissing)` without a number, which every
    /// file has.
    pub fn holds_for(&self, transfers: &[Transfer]) -> Result<(), Reason> {
        let number = self.number.ok_or(Reason::FieldMissing)?;
        if u64::try_from(transfers.len()).ok() != Some(number) {
            return Err(Reason::FileTotalsWrong);
        }
        if let Some(claimed) = self.control_sum
            && claimed != control_sum(transfers)?
        {
            return Err(Reason::FileTotalsWrong);
        }
        if let Some(claimed) = self.total
            && total(claimed.currency, transfers)? != claimed
        {
            return Err(Reason::FileTotalsWrong);
        }
        Ok(())
    }

    /// The first transfer that says the same key as one before it.
    pub fn repeated(transfers: &[Transfer]) -> Option<usize> {
        let mut seen: BTreeSet<&Reference> = BTreeSet::new();
        transfers.iter().position(|transfer| !seen.insert(transfer.key()))
    }
}
