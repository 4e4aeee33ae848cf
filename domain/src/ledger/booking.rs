//! What the bank books by itself when it closes a credit account's day: interest, late fees, and the repayment from the
//! debit account (C7).

use std::fmt;

use uuid::Uuid;

use super::movement::is_short;
use super::{
    Account, AccountKind, AccountStatus, Books, Change, CreditLine, Decided, Leg, Part, Transfer, TransferKind,
};
use crate::credit::{Day, DayEnd, Entry, EntryKind, Posting, PostingKind, Terms, end_of_day};
use crate::{AccountId, Money, Reason, Timestamp};

/// The id of a booking: see [`Posting::id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BookingId(Uuid);

impl BookingId {
    /// Wraps an id that was made or stored.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A movement that the end of a day has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    pub kind: PostingKind,
    /// The day that it belongs to, in the bank's time zone; it may have been booked later.
    pub on: jiff::civil::Date,
    /// The credit account.
    pub account_id: AccountId,
    /// The account on the other side: the debit account that repays, or the bank's own for fees or interest.
    pub other: AccountId,
    pub amount: Money,
}

impl Booking {
    fn new(account: &Account, posting: Posting, repay_from: Option<AccountId>) -> Result<Self, Reason> {
        let other = match posting.kind {
            PostingKind::AutoRepayment => repay_from.ok_or(Reason::Fault)?,
            PostingKind::LateFee => AccountKind::Fees.house_id(account.currency),
            PostingKind::InterestOnCash | PostingKind::InterestOnPurchases => {
                AccountKind::Interest.house_id(account.currency)
            }
        };
        let amount = Money::new(account.currency, posting.amount_minor);
        Ok(Self { kind: posting.kind, on: posting.on, account_id: account.id, other, amount })
    }

    pub fn id(&self) -> BookingId {
        Posting { kind: self.kind, on: self.on, amount_minor: self.amount.minor }.id(self.account_id)
    }

    fn transfer(&self, now: Timestamp) -> Transfer {
        let (debit_account, credit_account) = match self.kind {
            PostingKind::AutoRepayment => (self.other, self.account_id),
            PostingKind::LateFee | PostingKind::InterestOnCash | PostingKind::InterestOnPurchases => {
                (self.account_id, self.other)
            }
        };
        Transfer {
            source: self.id().uuid(),
            seq: 0,
            kind: TransferKind::Posted,
            debit_account,
            credit_account,
            amount: self.amount,
            cash_advance: false,
            made_at: now,
        }
    }
}

/// Close a day of a credit account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayOrder {
    pub account_id: AccountId,
    pub terms: Terms,
    /// The debit account of the same holder.
    pub repay_from: Option<AccountId>,
    pub day: Day,
}

/// Closes a day: books what the rules say and moves the position on, all of it or nothing. A day that was closed before
/// changes nothing. `Err` with `AccountUnknown`, or as [`end_of_day`].
pub fn close_day(books: &Books, order: &DayOrder, now: Timestamp) -> Result<Decided<DayEnd>, Reason> {
    let account = books.account(order.account_id).ok_or(Reason::AccountUnknown)?;
    let (Some(line), Some(position)) = (account.credit, books.position(order.account_id)) else {
        return Err(Reason::AccountUnknown);
    };
    let source = order.repay_from.and_then(|id| books.account(id));
    let available_minor = source.map_or(0, |source| may_repay(source, account));
    let debit_available_minor = order.day.debit_available_minor.min(available_minor);
    let end = end_of_day(position, &order.terms, &Day { debit_available_minor, ..order.day.clone() })?;
    if end.position == *position {
        return Ok(Decided::unchanged(end));
    }
    let booking = |posting: &Posting| Booking::new(account, *posting, order.repay_from);
    let bookings: Vec<Booking> = end.postings.iter().map(booking).collect::<Result<_, _>>()?;
    let transfers: Vec<Transfer> = bookings.iter().map(|booking| booking.transfer(now)).collect();
    let mut accounts = books.moved(&transfers, now)?;
    // What the rules took from the debit account was there when they looked, so that this is a mistake of this program.
    let others: Vec<Account> = accounts.iter().filter(|moved| moved.id != account.id).cloned().collect();
    if is_short(&others, &transfers) || bookings.iter().any(|booking| books.booking(booking.id()).is_some()) {
        return Err(Reason::Fault);
    }
    if end.cash_freed_minor != 0 {
        let mut changed = accounts
            .iter()
            .position(|moved| moved.id == account.id)
            .map_or_else(|| account.clone(), |place| accounts.swap_remove(place));
        let cash_owed_minor = line.cash_owed_minor.saturating_sub(end.cash_freed_minor);
        changed.credit = Some(CreditLine { cash_owed_minor, ..line });
        accounts.push(changed);
    }
    let position = Some(end.position.clone());
    Ok(Decided { answer: end, change: Change { accounts, transfers, bookings, position, ..Change::default() } })
}

/// What an account can repay, in minor units: frozen, no money goes out of it.
fn may_repay(source: &Account, to: &Account) -> i64 {
    let may_pay = source.kind == AccountKind::CustomerDeposit
        && source.status == AccountStatus::Active
        && !source.frozen
        && source.currency == to.currency;
    if may_pay { source.available_minor().max(0) } else { 0 }
}

/// What has caused a transfer.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'c> {
    Leg(&'c Leg),
    CashDeposit,
    Booking(&'c Booking),
}

/// What a transfer was to a credit account, for the end of its day; `None` when it posted nothing there. A repayment that
/// was reversed is owed again like a purchase.
///
/// A booking belongs to the day that it names, anything else to the day on which it was posted.
pub fn credit_entry(account_id: AccountId, transfer: &Transfer, cause: Cause<'_>) -> Option<Entry> {
    if matches!(transfer.kind, TransferKind::Pending | TransferKind::VoidOf(_)) {
        return None;
    }
    let is_debit = transfer.debit_account == account_id;
    if !is_debit && transfer.credit_account != account_id {
        return None;
    }
    let kind = match cause {
        Cause::Booking(booking) => EntryKind::Booked(booking.kind),
        Cause::CashDeposit => EntryKind::Repayment,
        Cause::Leg(leg) => {
            let is_cash =
                leg.splits.iter().any(|split| split.account_id == account_id && split.part == Part::CashAdvance);
            match (is_debit, is_cash) {
                (true, true) => EntryKind::CashAdvance,
                (true, false) => EntryKind::Purchase,
                (false, true) => EntryKind::CashReturned,
                (false, false) if leg.original_leg_id().is_some() => EntryKind::Refund,
                (false, false) => EntryKind::Repayment,
            }
        }
    };
    Some(Entry { source: transfer.source, kind, amount_minor: transfer.amount.minor })
}
