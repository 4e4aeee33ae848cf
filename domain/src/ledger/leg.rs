//! A leg: one movement at this bank for one payment, as the hub knows it.

use super::{Split, Transfer, TransferKind};
use crate::purchase::Merchant;
use crate::{AccountId, LegId, Money, PaymentId, Reason, Timestamp};

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// The money is reserved; it can always be posted.
    Held,
    /// The money has moved.
    Posted,
    /// Released, or voided before it came.
    Voided,
    /// Nothing was reserved, and why.
    Refused(Reason),
}

impl LegState {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Posted => "POSTED",
            Self::Voided => "VOIDED",
            Self::Refused(_) => "REFUSED",
        }
    }

    pub const fn refusal(self) -> Option<Reason> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::Held | Self::Posted | Self::Voided => None,
        }
    }

    /// Reads the stored word, and the reason that a refused leg has.
    pub fn parse(text: &str, refusal: Option<Reason>) -> Result<Self, Reason> {
        match (text, refusal) {
            ("HELD", None) => Ok(Self::Held),
            ("POSTED", None) => Ok(Self::Posted),
            ("VOIDED", None) => Ok(Self::Voided),
            ("REFUSED", Some(reason)) => Ok(Self::Refused(reason)),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// Money to take from an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub account_id: AccountId,
    pub amount: Money,
    /// Who gets it, for the holder's statement.
    pub merchant: Merchant,
}

/// Money to give back from a posted leg: a refund or a reversal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveBack {
    pub original_leg_id: LegId,
    pub amount: Money,
}

/// What was asked for under a leg's id. The same id with another order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOrder {
    Charge(Charge),
    GiveBack(GiveBack),
    /// Voided before it came: what it would have been is not known.
    Unseen,
}

/// One movement at this bank for one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub id: LegId,
    pub payment_id: PaymentId,
    pub order: LegOrder,
    pub state: LegState,
    /// The account that it moves: the one that was named, or for money given back that of the original.
    pub account_id: Option<AccountId>,
    /// The account's number as a receipt may show it; empty when no account is known.
    pub account_masked: String,
    /// What it takes from, or gives back to, which account; empty when it moves nothing.
    pub splits: Vec<Split>,
    /// How much of it was given back, in minor units.
    pub refunded_minor: i64,
    /// What the front knew when it decided, as [`Facts`](super::Facts) are written; empty when it decided nothing.
    pub decision: String,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
}

impl Leg {
    /// A leg that moves nothing yet.
    pub(super) fn new(id: LegId, payment_id: PaymentId, order: LegOrder, state: LegState, now: Timestamp) -> Self {
        Self {
            id,
            payment_id,
            order,
            state,
            account_id: None,
            account_masked: String::new(),
            splits: Vec::new(),
            refunded_minor: 0,
            decision: String::new(),
            created_at: now,
            changed_at: now,
            version: 0,
        }
    }

    /// How much it is about; `None` when it was voided before it came.
    pub fn amount(&self) -> Option<Money> {
        match &self.order {
            LegOrder::Charge(charge) => Some(charge.amount),
            LegOrder::GiveBack(give_back) => Some(give_back.amount),
            LegOrder::Unseen => None,
        }
    }

    pub fn original_leg_id(&self) -> Option<LegId> {
        match &self.order {
            LegOrder::GiveBack(give_back) => Some(give_back.original_leg_id),
            LegOrder::Charge(_) | LegOrder::Unseen => None,
        }
    }

    pub(super) fn moved_to(&self, state: LegState, now: Timestamp) -> Self {
        Self { state, changed_at: now, ..self.clone() }
    }

    /// The transfers that resolve what it holds. They follow the pending ones, which have the numbers from 0.
    pub(super) fn resolutions(&self, charge: &Charge, kind: fn(i64) -> TransferKind, now: Timestamp) -> Vec<Transfer> {
        let mut pending = self.pending(charge, now);
        let count = i64::try_from(pending.len()).unwrap_or(i64::MAX);
        for transfer in &mut pending {
            transfer.kind = kind(transfer.seq);
            transfer.seq = transfer.seq.saturating_add(count);
        }
        pending
    }

    /// The transfers that reserve its splits, numbered from 0.
    pub(super) fn pending(&self, charge: &Charge, now: Timestamp) -> Vec<Transfer> {
        let settlement = super::AccountKind::HubSettlement.house_id(charge.amount.currency);
        let transfer = |(seq, split): (i64, &Split)| Transfer {
            source: self.id.uuid(),
            seq,
            kind: TransferKind::Pending,
            debit_account: split.account_id,
            credit_account: settlement,
            amount: Money::new(charge.amount.currency, split.amount_minor),
            made_at: now,
        };
        (0..).zip(&self.splits).map(transfer).collect()
    }
}

/// The line of a leg in the digest by which hub and bank compare their books: `leg_id state amount_minor` and a line feed,
/// with the amount 0 for a leg that was voided before it came.
pub fn digest_line(leg_id: LegId, state: LegState, amount_minor: i64) -> String {
    format!("{leg_id} {} {amount_minor}\n", state.as_str())
}
