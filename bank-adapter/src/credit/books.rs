//! The credit accounts that a set of the ledger's steps names: loaded once, decided on in memory, written once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::credit::{Day, DayEnd, Entry, Statement, Verdict};
use domain::ledger::{self as rules, Account, AccountKind, Agreement, Booking, Books, DayOrder, Decided, OpeningOrder};
use domain::{AccountId, Currency, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::audit;
use server_kit::identity::Principal;
use server_kit::store::{StoreError, Tx};

use super::sql;

/// Days of one account that one step closes at most; the rest is for the next step.
const MOST_DAYS: usize = 31;

/// What is kept of a credit account beside its position, which is in the [`Books`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CreditAccount {
    pub(super) id: AccountId,
    /// The version of the stored row; 0 when it is not stored yet.
    pub(super) version: i64,
    pub(super) currency: Currency,
    pub(super) agreement: Agreement,
    /// Its first day.
    pub(super) opened_on: Date,
}

/// What came of a statement, and on which day that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) account_id: AccountId,
    pub(super) on: Date,
    pub(super) verdict: Verdict,
}

/// The end of a day of an account that somebody watches.
#[derive(Clone, Debug)]
pub(crate) struct DayEnded {
    pub(crate) account_id: AccountId,
    pub(crate) on: Date,
    pub(crate) end: DayEnd,
}

/// Close the days of accounts that are open, one after the other, up to and with a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseOrder {
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) through: Date,
}

/// What closing days came to. What was closed before is not counted again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Over all accounts.
    pub(crate) days: i64,
    pub(crate) statements: i64,
    pub(crate) bookings: i64,
    /// Accounts with a day that could not be closed, and why: somebody has to look.
    pub(crate) failed: Vec<(AccountId, Reason)>,
}

/// The loaded rows and what became of them.
#[derive(Debug, Default)]
pub(crate) struct CreditBooks {
    pub(super) accounts: BTreeMap<AccountId, CreditAccount>,
    /// What came to each account after its last closed day, in order, each with its day.
    pub(super) entries: HashMap<AccountId, Vec<(Date, Entry)>>,
    pub(super) statements: Vec<Statement>,
    pub(super) verdicts: Vec<Judged>,
    /// Whose ends of days are kept, and those.
    watched: BTreeSet<AccountId>,
    ends: Vec<DayEnded>,
}

impl CreditBooks {
    /// The accounts that are there already, of those that the set closes or opens.
    pub(crate) fn ids(&self) -> BTreeSet<AccountId> {
        self.accounts.keys().copied().collect()
    }

    /// Keeps from here on the ends of the days of these accounts.
    pub(crate) fn watch(&mut self, ids: &BTreeSet<AccountId>) {
        self.watched.clone_from(ids);
    }

    /// The ends of days that this set has come to, of watched accounts, in order for each.
    pub(crate) fn ends(&self) -> &[DayEnded] {
        &self.ends
    }

    /// Loads accounts of which the days are closed or which are opened, and adds the accounts that they may move to those that
    /// the ledger is to load. The positions go into `positions`.
    pub(crate) async fn load(
        tx: &mut Tx,
        ids: BTreeSet<AccountId>,
        accounts: &mut BTreeSet<AccountId>,
    ) -> Result<(Self, Vec<domain::credit::Position>), StoreError> {
        if ids.is_empty() {
            return Ok(Default::default());
        }
        let (mut books, mut positions) = (Self::default(), Vec::new());
        for (account, position) in sql::load_accounts(tx, &ids).await? {
            accounts.extend([AccountKind::Fees, AccountKind::Interest].map(|kind| kind.house_id(account.currency)));
            accounts.extend(account.agreement.repay_from);
            books.accounts.insert(account.id, account);
            positions.push(position);
        }
        for (id, day, entry) in sql::load_open_entries(tx, books.accounts.keys().copied()).await? {
            books.entries.entry(id).or_default().push((day, entry));
        }
        accounts.extend(ids);
        Ok((books, positions))
    }

    /// Writes what changed, beside what the ledger writes.
    pub(crate) async fn save(&self, tx: &mut Tx, books: &Books) -> Result<(), StoreError> {
        sql::save(tx, self, books).await
    }

    /// Opens an account: see [`rules::open_credit_account`].
    pub(crate) fn open(
        &mut self,
        books: &Books,
        order: &OpeningOrder,
        agreement: &Agreement,
        now: Timestamp,
    ) -> Result<Decided<Account>, Reason> {
        let before = self.accounts.get(&order.account_id).map(|account| &account.agreement);
        let decided = rules::open_credit_account(books, order, agreement, before, now)?;
        if let Some(position) = &decided.change.position {
            let opened_on = position.next_day();
            let (id, currency, agreement) = (order.account_id, order.currency, *agreement);
            self.accounts.insert(id, CreditAccount { id, version: 0, currency, agreement, opened_on });
        }
        Ok(decided)
    }

    /// Closes days, as many of each account as one step may. `Err(DayNotOver)` for a day that is not over.
    pub(crate) fn close(
        &mut self,
        books: &mut Books,
        order: &CloseOrder,
        by: &Principal,
        now: Timestamp,
        log: &mut Vec<audit::Entry>,
    ) -> Result<Closed, Reason> {
        if order.through >= books.today()? {
            return Err(Reason::DayNotOver);
        }
        let mut closed = Closed::default();
        for id in &order.accounts {
            if let Err(reason) = self.close_account(books, *id, order.through, now, &mut closed, log) {
                tracing::error!(account_id = %id, reason = reason.code(), "a day of a credit account cannot be closed");
                closed.failed.push((*id, reason));
            }
        }
        // Quiet days leave no entry of their own: they follow from those that are there.
        if let (true, Some(first)) = (closed.days > 0, order.accounts.first()) {
            let (through, accounts, days) = (order.through, order.accounts.len(), closed.days);
            let content = format!("through={through} accounts={accounts} days={days} by={}/{}", by.role, by.id);
            log.push(audit::Entry { kind: "credit.days_closed", subject: first.uuid(), content });
        }
        Ok(closed)
    }

    fn close_account(
        &mut self,
        books: &mut Books,
        id: AccountId,
        through: Date,
        now: Timestamp,
        closed: &mut Closed,
        log: &mut Vec<audit::Entry>,
    ) -> Result<(), Reason> {
        let Agreement { terms, repay_from } = self.accounts.get(&id).ok_or(Reason::AccountUnknown)?.agreement;
        for _ in 0..MOST_DAYS {
            let on = books.position(id).ok_or(Reason::Fault)?.next_day();
            if on > through {
                break;
            }
            let entries = self.entries.get(&id).map(Vec::as_slice).unwrap_or_default();
            let entries = entries.iter().filter(|(day, _)| *day == on).map(|(_, entry)| *entry).collect();
            // What the debit account has when the day is closed is what it may be asked for. On the evening of the day that is what
            // it had then. When days are caught up after the node was down it is so too, for nobody else moves its money; and
            // what came in since it is up again only helps a holder whose repayment the bank itself has delayed.
            let day = Day { on, entries, debit_available_minor: i64::MAX };
            let decided = rules::close_day(books, &DayOrder { account_id: id, terms, repay_from, day }, now)?;
            log.extend(decided.change.bookings.iter().map(booking_entry));
            closed.days = closed.days.saturating_add(1);
            closed.bookings = closed.bookings.saturating_add_unsigned(decided.change.bookings.len() as u64);
            if let Some(statement) = decided.answer.statement {
                closed.statements = closed.statements.saturating_add(1);
                log.push(statement_entry(&statement));
                self.statements.push(statement);
            }
            if let Some(verdict) = decided.answer.verdict {
                log.push(audit::Entry { kind: "credit.judged", subject: id.uuid(), content: verdict.to_string() });
                self.verdicts.push(Judged { account_id: id, on, verdict });
            }
            if self.watched.contains(&id) {
                self.ends.push(DayEnded { account_id: id, on, end: decided.answer });
            }
            books.apply(decided.change);
        }
        Ok(())
    }
}

/// What a credit account is opened with, for the log.
pub(crate) fn in_words(account: &Account, agreement: &Agreement) -> String {
    let line = account.credit.unwrap_or_default();
    let (limit, cash) = (line.limit_minor, line.cash_limit_minor);
    let repay_from = agreement.repay_from.map_or_else(|| "-".to_owned(), |id| id.to_string());
    format!("limit_minor={limit} cash_limit_minor={cash} repay_from={repay_from} {}", agreement.terms)
}

fn booking_entry(booking: &Booking) -> audit::Entry {
    let Booking { kind, on, account_id, amount, .. } = booking;
    let (minor, currency) = (amount.minor, amount.currency);
    let content = format!("kind={} on={on} amount_minor={minor} currency={currency}", kind.as_str());
    audit::Entry { kind: "credit.booked", subject: account_id.uuid(), content }
}

fn statement_entry(statement: &Statement) -> audit::Entry {
    let Statement { account_id, number, closed_on, due_on, closing_minor, minimum_due_minor, .. } = statement;
    let content = format!(
        "number={number} closed_on={closed_on} due_on={due_on} closing_minor={closing_minor} \
         minimum_due_minor={minimum_due_minor}"
    );
    audit::Entry { kind: "credit.statement", subject: account_id.uuid(), content }
}
