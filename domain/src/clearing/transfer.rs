//! A transfer between two banks, and what one bank owes another in sum.

use jiff::civil::Date;

use super::{Account, Bic, Name, Reference, Uetr};
use crate::{Currency, Money, Reason, Timestamp};

/// A bank or an acquirer in a file, by its BIC or as a member of the federation's clearing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agent {
    pub bic: Option<Bic>,
    /// `ClrSysMmbId/MmbId`: the name of the bank or of the acquirer's link.
    pub member: Option<Reference>,
}

impl Agent {
    /// `Err(FieldMissing)` for one that is known by neither.
    pub fn new(bic: Option<Bic>, member: Option<Reference>) -> Result<Self, Reason> {
        if bic.is_none() && member.is_none() { Err(Reason::FieldMissing) } else { Ok(Self { bic, member }) }
    }

    /// A member by its name in the federation. `Err(ClearingNameTooLong)` for one that no file can name.
    pub fn member(name: &str) -> Result<Self, Reason> {
        let member = Reference::parse(name).map_err(|_| Reason::ClearingNameTooLong)?;
        Ok(Self { bic: None, member: Some(member) })
    }

    /// Whether a file means this one: every way in which both are named says the same, and there is one at least.
    pub fn is(&self, told: &Self) -> bool {
        let (mut same, mut differs) = (false, false);
        if let (Some(ours), Some(theirs)) = (&self.member, &told.member) {
            (same, differs) = (ours == theirs, ours != theirs);
        }
        if let (Some(ours), Some(theirs)) = (&self.bic, &told.bic) {
            (same, differs) = (same || ours == theirs, differs || ours != theirs);
        }
        same && !differs
    }
}

/// Who pays or is paid, as far as the other side may know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Of a merchant. Whose the accounts of a repayment are is told to nobody.
    pub name: Option<Name>,
    /// The number as others may see it.
    pub account: Option<Account>,
}

/// One bank pays another for one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// `InstrId`: the movement at the paying bank.
    pub instruction: Option<Reference>,
    /// `EndToEndId`: the payment or repayment at the hub.
    pub end_to_end: Reference,
    /// `TxId`: the same.
    pub transaction: Option<Reference>,
    pub uetr: Option<Uetr>,
    /// `ClrSysRef`: the movement at the receiving bank.
    pub clearing: Option<Reference>,
    pub amount: Money,
    /// The business day on which it is settled.
    pub day: Date,
    /// When it became final.
    pub accepted_at: Option<Timestamp>,
    pub debtor: Party,
    pub debtor_agent: Agent,
    pub creditor_agent: Agent,
    pub creditor: Party,
    /// What it is for, in lines.
    pub remittance: Vec<Name>,
}

impl Transfer {
    /// What it is known by.
    pub fn key(&self) -> &Reference {
        self.transaction.as_ref().unwrap_or(&self.end_to_end)
    }
}

/// What a bank owes another one for a day in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    pub debtor: String,
    pub creditor: String,
    pub currency: Currency,
    pub number: i64,
    pub minor: i64,
}
