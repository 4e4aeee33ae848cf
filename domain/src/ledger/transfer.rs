//! Transfers: the only way in which money moves, and what an account's sums become by them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{AccountId, Money, Reason, Timestamp};

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// Moves money at once.
    Posted,
    /// Reserves it.
    Pending,
    /// Moves what the pending transfer of the same source with this number reserved.
    PostOf(i64),
    /// Releases it.
    VoidOf(i64),
}

impl TransferKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "POSTED",
            Self::Pending => "PENDING",
            Self::PostOf(_) => "POST_OF",
            Self::VoidOf(_) => "VOID_OF",
        }
    }

    /// The number of the pending transfer that this one resolves.
    pub const fn resolves(self) -> Option<i64> {
        match self {
            Self::Posted | Self::Pending => None,
            Self::PostOf(seq) | Self::VoidOf(seq) => Some(seq),
        }
    }

    pub fn parse(text: &str, resolves: Option<i64>) -> Result<Self, Reason> {
        match (text, resolves) {
            ("POSTED", None) => Ok(Self::Posted),
            ("PENDING", None) => Ok(Self::Pending),
            ("POST_OF", Some(seq)) => Ok(Self::PostOf(seq)),
            ("VOID_OF", Some(seq)) => Ok(Self::VoidOf(seq)),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// A movement between two accounts of one currency. Written once and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The leg, the cash deposit or the booking that it belongs to.
    pub source: Uuid,
    /// Its number within the source, from 0.
    pub seq: i64,
    pub kind: TransferKind,
    pub debit_account: AccountId,
    pub credit_account: AccountId,
    pub amount: Money,
    /// Whether it moves a cash advance of a credit account, which counts against a limit of its own.
    pub cash_advance: bool,
    pub made_at: Timestamp,
}

/// The four sums of an account, in minor units; none is ever negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    pub debits_posted: i64,
    pub credits_posted: i64,
    pub debits_pending: i64,
    pub credits_pending: i64,
}

impl Balances {
    /// The sums after being debited by a transfer; `None` when they would leave their range.
    pub fn debited(mut self, kind: TransferKind, amount_minor: i64) -> Option<Self> {
        (self.debits_posted, self.debits_pending) = side(self.debits_posted, self.debits_pending, kind, amount_minor)?;
        Some(self)
    }

    /// The sums after being credited by a transfer; `None` when they would leave their range.
    pub fn credited(mut self, kind: TransferKind, amount_minor: i64) -> Option<Self> {
        (self.credits_posted, self.credits_pending) =
            side(self.credits_posted, self.credits_pending, kind, amount_minor)?;
        Some(self)
    }
}

fn side(posted: i64, pending: i64, kind: TransferKind, amount: i64) -> Option<(i64, i64)> {
    let (posted, pending) = match kind {
        TransferKind::Posted => (posted.checked_add(amount)?, pending),
        TransferKind::Pending => (posted, pending.checked_add(amount)?),
        TransferKind::PostOf(_) => (posted.checked_add(amount)?, pending.checked_sub(amount)?),
        TransferKind::VoidOf(_) => (posted, pending.checked_sub(amount)?),
    };
    // Room for both together, so that what is pending can always be posted.
    posted.checked_add(pending)?;
    (amount > 0 && pending >= 0).then_some((posted, pending))
}

/// What all accounts come to by these transfers alone; `None` when a sum leaves its range.
pub fn replay<'a>(transfers: impl IntoIterator<Item = &'a Transfer>) -> Option<BTreeMap<AccountId, Balances>> {
    let mut accounts: BTreeMap<AccountId, Balances> = BTreeMap::new();
    for transfer in transfers {
        let debit = accounts.entry(transfer.debit_account).or_default();
        *debit = debit.debited(transfer.kind, transfer.amount.minor)?;
        let credit = accounts.entry(transfer.credit_account).or_default();
        *credit = credit.credited(transfer.kind, transfer.amount.minor)?;
    }
    Some(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_follow_the_kind_and_never_leave_their_range() {
        let empty = Balances::default();
        let held = empty.debited(TransferKind::Pending, 5).unwrap();
        assert_eq!((held.debits_posted, held.debits_pending), (0, 5));
        let posted = held.debited(TransferKind::PostOf(0), 5).unwrap();
        assert_eq!((posted.debits_posted, posted.debits_pending), (5, 0));
        assert_eq!(held.debited(TransferKind::VoidOf(0), 5), Some(empty));
        assert_eq!(empty.debited(TransferKind::PostOf(0), 1), None, "nothing is pending");
        assert_eq!(empty.credited(TransferKind::Posted, 0), None);
        assert_eq!(empty.credited(TransferKind::Posted, -1), None);
        let full = empty.credited(TransferKind::Posted, i64::MAX - 1).unwrap();
        assert_eq!(full.credited(TransferKind::Pending, 2), None, "it could never be posted");
        assert!(full.credited(TransferKind::Pending, 1).is_some());
    }
}
