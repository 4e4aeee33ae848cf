//! The end of a day: what the bank has to book, and where the account stands then.

use std::fmt;

use jiff::civil::Date;
use uuid::Uuid;

use super::allocation::Portion;
use super::cycle::plus_days;
use super::interest::{accrue, charge};
use super::position::{Billed, Sums};
use super::{AutoRepay, Position, Statement, Terms};
use crate::ledger::BookingId;
use crate::{AccountId, Reason};

/// What the bank books by itself at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostingKind {
    /// From the debit account, on the due day and then every day until it is enough (C7).
    AutoRepayment,
    LateFee,
    InterestOnCash,
    InterestOnPurchases,
}

impl PostingKind {
    const ALL: [Self; 4] = [Self::AutoRepayment, Self::LateFee, Self::InterestOnCash, Self::InterestOnPurchases];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutoRepayment => "AUTO_REPAYMENT",
            Self::LateFee => "LATE_FEE",
            Self::InterestOnCash => "INTEREST_ON_CASH",
            Self::InterestOnPurchases => "INTEREST_ON_PURCHASES",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What a movement on the account was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Purchase,
    CashAdvance,
    /// A fee that the end of the day did not book itself.
    Fee,
    Repayment,
    /// Money back from a purchase. It pays like a repayment.
    Refund,
    /// A cash advance that was reversed.
    CashReturned,
    /// What an end of this day has booked before.
    Booked(PostingKind),
}

impl EntryKind {
    const OTHERS: [Self; 6] =
        [Self::Purchase, Self::CashAdvance, Self::Fee, Self::Repayment, Self::Refund, Self::CashReturned];

    /// The word that is stored. What was booked has the word of its posting.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::CashAdvance => "CASH_ADVANCE",
            Self::Fee => "FEE",
            Self::Repayment => "REPAYMENT",
            Self::Refund => "REFUND",
            Self::CashReturned => "CASH_RETURNED",
            Self::Booked(kind) => kind.as_str(),
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        match Self::OTHERS.into_iter().find(|kind| kind.as_str() == text) {
            Some(kind) => Ok(kind),
            None => PostingKind::parse(text).map(Self::Booked),
        }
    }
}

/// A movement on the account that the ledger has posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The leg, the cash deposit or the booking that it belongs to.
    pub source: Uuid,
    pub kind: EntryKind,
    /// More than zero.
    pub amount_minor: i64,
}

/// One day in the bank's time zone that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    pub on: Date,
    /// All that was posted to the credit account on this day, in order.
    pub entries: Vec<Entry>,
    /// What the debit account could repay: what was available at the end of the day, and at no time since less. Zero without
    /// one.
    pub debit_available_minor: i64,
}

/// What the bank has to book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    pub kind: PostingKind,
    pub on: Date,
    /// More than zero.
    pub amount_minor: i64,
}

impl Posting {
    /// The id under which it is booked: the same for the same account, day and kind, whoever runs the day and how often.
    pub fn id(&self, account_id: AccountId) -> BookingId {
        posting_id(account_id, self.on, self.kind)
    }
}

/// A UUID of version 5 (RFC 9562, section 5.5) in the account's own name space, which no caller can name: ids in messages
/// are of version 7.
fn posting_id(account_id: AccountId, on: Date, kind: PostingKind) -> BookingId {
    let name = format!("credit.v1 {on} {}", kind.as_str());
    BookingId::from_uuid(Uuid::new_v5(&account_id.uuid(), name.as_bytes()))
}

/// What came of a statement by its last day to pay: what the person's credit history is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The statement's.
    pub number: u32,
    pub due_on: Date,
    /// What was not paid of the statement, in minor units; nothing when it was paid in full.
    pub open_minor: i64,
    /// What was not paid of its minimum, in minor units; more than nothing is late.
    pub missing_minor: i64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, due_on, open_minor, missing_minor } = self;
        write!(f, "statement={number} due_on={due_on} open_minor={open_minor} missing_minor={missing_minor}")
    }
}

/// What the end of a day comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayEnd {
    pub position: Position,
    /// What is to be booked and was not booked before, in order.
    pub postings: Vec<Posting>,
    /// On a closing day.
    pub statement: Option<Statement>,
    /// On a statement's last day to pay.
    pub verdict: Option<Verdict>,
    /// By how much repayments of the day lower what counts against the limit on cash advances, in minor units.
    pub cash_freed_minor: i64,
}

impl DayEnd {
    /// Of a day that was closed before.
    fn nothing(position: &Position) -> Self {
        Self { position: position.clone(), postings: Vec::new(), statement: None, verdict: None, cash_freed_minor: 0 }
    }
}

/// Closes one day. A day that was closed before gives nothing to book. `Err(DayOutOfOrder)` when a day before it is open
/// still, and `Err(Fault)` when something was booked for the day that the rules do not know.
pub fn end_of_day(position: &Position, terms: &Terms, day: &Day) -> Result<DayEnd, Reason> {
    terms.check()?;
    if day.on <= position.closed_through() {
        return Ok(DayEnd::nothing(position));
    }
    if day.on != position.next_day() {
        return Err(Reason::DayOutOfOrder);
    }
    let mut run = Run { position: position.clone(), terms, day, postings: Vec::new(), seen: 0 };
    let cash_before = run.position.owed_of(Portion::CashAdvance);
    for entry in day.entries.iter().filter(|entry| !matches!(entry.kind, EntryKind::Booked(_))) {
        run.position.enter(day.on, entry)?;
    }
    run.repay()?;
    let verdict = run.judge()?;
    accrue(&mut run.position.items);
    let statement = if terms.close_from(day.on) == day.on { Some(run.close()?) } else { None };
    run.position.tidy();
    run.position.closed_through = day.on;
    if run.seen != day.entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Booked(_))).count() {
        return Err(Reason::Fault);
    }
    let cash = |kind| day.entries.iter().filter(move |entry| entry.kind == kind).map(|entry| entry.amount_minor);
    let advanced: i64 = cash(EntryKind::CashAdvance).fold(0, i64::saturating_add);
    let returned: i64 = cash(EntryKind::CashReturned).fold(0, i64::saturating_add);
    let counted = cash_before.saturating_add(advanced).saturating_sub(returned);
    let cash_freed_minor = counted.saturating_sub(run.position.owed_of(Portion::CashAdvance));
    Ok(DayEnd { position: run.position, postings: run.postings, statement, verdict, cash_freed_minor })
}

/// Closes days one after the other, those that were closed before included. The same as closing each on its evening.
pub fn catch_up(position: &Position, terms: &Terms, days: &[Day]) -> Result<Vec<DayEnd>, Reason> {
    let mut ends: Vec<DayEnd> = Vec::new();
    for day in days {
        let before = ends.last().map_or(position, |end| &end.position);
        ends.push(end_of_day(before, terms, day)?);
    }
    Ok(ends)
}

/// A day that is being closed.
struct Run<'d> {
    position: Position,
    terms: &'d Terms,
    day: &'d Day,
    postings: Vec<Posting>,
    /// How many of the bookings that were there before were met.
    seen: usize,
}

impl Run<'_> {
    /// How much is booked: what was booked before a crash as it stands, otherwise what the rules say, to be booked.
    fn book(&mut self, kind: PostingKind, amount_minor: i64) -> i64 {
        let id = posting_id(self.position.account_id, self.day.on, kind).uuid();
        let before = self.day.entries.iter().find(|entry| entry.kind == EntryKind::Booked(kind) && entry.source == id);
        if let Some(entry) = before {
            self.seen = self.seen.saturating_add(1);
            return entry.amount_minor;
        }
        if amount_minor > 0 {
            self.postings.push(Posting { kind, on: self.day.on, amount_minor });
        }
        amount_minor
    }

    /// From the due day on, as much of what is due as the debit account has.
    fn repay(&mut self) -> Result<(), Reason> {
        let on = self.day.on;
        let Some(billed) = self.position.billed.filter(|billed| on >= billed.due_on) else { return Ok(()) };
        let wanted = match self.terms.auto_repay {
            AutoRepay::Off => 0,
            AutoRepay::Minimum => billed.missing_minor().min(self.position.billed_minor()),
            AutoRepay::Full => self.position.billed_minor(),
        };
        let amount_minor = self.book(PostingKind::AutoRepayment, wanted.min(self.day.debit_available_minor).max(0));
        if amount_minor > 0 {
            let sum = &mut self.position.sums.repayments;
            *sum = sum.checked_add(amount_minor).ok_or(Reason::AmountTooLarge)?;
            self.position.credit(on, amount_minor);
        }
        Ok(())
    }

    /// On the last day to pay: whether it was, and the late fee if not.
    fn judge(&mut self) -> Result<Option<Verdict>, Reason> {
        let on = self.day.on;
        // Whatever the terms are by then, no statement goes by without a verdict.
        let is_close = self.terms.close_from(on) == on;
        if self.position.billed.is_none_or(|billed| billed.is_judged || (on < billed.last_day && !is_close)) {
            return Ok(None);
        }
        let Some(verdict) = self.position.judge() else { return Ok(None) };
        let fee = self.terms.late_fee.fee(verdict.missing_minor)?;
        let fee = self.book(PostingKind::LateFee, fee);
        if fee > 0 {
            self.position.sums.fees = self.position.sums.fees.checked_add(fee).ok_or(Reason::AmountTooLarge)?;
            self.position.debit(on, Portion::Fee, fee);
        }
        Ok(Some(verdict))
    }

    /// On the closing day: interest for all days that bear it, and the statement.
    fn close(&mut self) -> Result<Statement, Reason> {
        let on = self.day.on;
        let cash = charge(&mut self.position.items, Portion::CashAdvance, self.terms)?;
        let cash = self.book(PostingKind::InterestOnCash, cash);
        let purchases = charge(&mut self.position.items, Portion::Purchase, self.terms)?;
        let purchases = self.book(PostingKind::InterestOnPurchases, purchases);
        let position = &mut self.position;
        for amount_minor in [cash, purchases].into_iter().filter(|amount| *amount > 0) {
            position.debit(on, Portion::Interest, amount_minor);
        }
        let missed_minor = position.missing_minor();
        let sums = Sums { interest_on_cash: cash, interest_on_purchases: purchases, ..position.sums };
        let closing_minor = position.owed_minor();
        let number = position.billed.map_or(1, |billed| billed.number.saturating_add(1));
        let minimum_due_minor = self.terms.minimum.due(&position.items, missed_minor, closing_minor)?;
        let statement = Statement {
            account_id: position.account_id,
            number,
            from: position.from,
            closed_on: on,
            due_on: self.terms.due_on(on),
            opening_minor: sums.opening,
            purchases_minor: sums.purchases,
            cash_advances_minor: sums.cash_advances,
            fees_minor: sums.fees,
            interest_on_purchases_minor: sums.interest_on_purchases,
            interest_on_cash_minor: sums.interest_on_cash,
            repayments_minor: sums.repayments,
            refunds_minor: sums.refunds,
            closing_minor,
            minimum_due_minor,
        };
        if !statement.adds_up() {
            return Err(Reason::Fault);
        }
        position.items.iter_mut().for_each(|item| item.billed = item.billed.or(Some(number)));
        position.sums = Sums { opening: closing_minor, ..Sums::default() };
        position.from = plus_days(on, 1);
        position.billed = Some(Billed {
            number,
            closed_on: on,
            due_on: statement.due_on,
            last_day: self.terms.last_day_to_pay(on),
            minimum_due_minor,
            paid_minor: 0,
            is_judged: false,
        });
        Ok(statement)
    }
}
