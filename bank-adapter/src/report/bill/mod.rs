//! What the hub is told of the statements of credit accounts (ADR 23): each as it stands, in the transaction that has changed it.
//!
//! What becomes of a bill is a rule of [`domain::bill::FollowUp`]. It is looked at when a day is closed, when money comes in before the
//! day is over, and when somebody has bound the account or the card over it at the hub.

mod lines;
mod message;
mod sender;
mod sql;

use std::collections::{BTreeMap, BTreeSet};

use domain::bill::FollowUp;
use domain::card::CardState;
use domain::credit::{Position, Statement};
use domain::ledger::{Account, AccountKind, BookingId, Books, TransferKind};
use domain::payment::Instrument;
use domain::{AccountId, CardId, Reason};
use jiff::civil::Date;
use server_kit::store::{StoreError, Tx};

use crate::credit::{CreditBooks, DayEnded, load_standing, load_standings};
pub(crate) use sender::BillSender;
use sql::{Key, Row};
pub(crate) use sql::{check, read_refused, read_waiting};

/// What the hub has said of one version of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BillTold {
    pub(crate) account_id: AccountId,
    /// The statement's.
    pub(crate) number: u32,
    pub(crate) version: i64,
    /// Why it was not taken in.
    pub(crate) refusal: Option<Reason>,
}

/// By what an account is followed: by itself, or by this card that leads to it or has led to it.
pub(super) type Follower = Option<CardId>;

/// The bills that a set of steps looks at, and what becomes of them.
#[derive(Debug, Default)]
pub(super) struct BillOutbox {
    /// Accounts that are followed, of those whose days this set closes.
    followers: BTreeMap<AccountId, Follower>,
    followed: BTreeSet<AccountId>,
    /// Those that are open, of followed accounts.
    rows: BTreeMap<Key, Row>,
    told: Vec<BillTold>,
}

impl BillOutbox {
    /// The open bills of those of these accounts that are followed.
    pub(super) async fn load(tx: &mut Tx, closing: &BTreeSet<AccountId>) -> Result<Self, StoreError> {
        if closing.is_empty() {
            return Ok(Self::default());
        }
        let followers = sql::load_followers(tx, closing).await?;
        let followed: BTreeSet<AccountId> = followers.keys().copied().collect();
        let rows = sql::load_open(tx, &followed).await?;
        Ok(Self { followers, followed, rows, told: Vec::new() })
    }

    /// The accounts whose ends of days it has to see.
    pub(super) const fn watched(&self) -> &BTreeSet<AccountId> {
        &self.followed
    }

    /// Notes what the hub has said.
    pub(super) fn told(&mut self, told: &[BillTold]) {
        self.told.extend_from_slice(told);
    }

    /// Writes what is to be told. Says whether there is anything.
    pub(super) async fn save(
        mut self,
        tx: &mut Tx,
        books: &Books,
        credit: &CreditBooks,
        newly_followed: &[Instrument],
    ) -> Result<bool, StoreError> {
        sql::acknowledge(tx, std::mem::take(&mut self.told), &mut self.rows).await?;
        for end in credit.ends() {
            self.day_ended(tx, books, end).await?;
        }
        self.paid_in(tx, books).await?;
        self.begin(tx, books, newly_followed).await?;
        let now = tx.now();
        sql::put(tx, self.rows, now).await
    }

    /// Follows the bills of an account over the end of a day, and takes in the one that was closed.
    async fn day_ended(&mut self, tx: &mut Tx, books: &Books, ended: &DayEnded) -> Result<(), StoreError> {
        let DayEnded { account_id, on, end } = ended;
        for (key, row) in self.rows.range_mut((*account_id, 0)..=(*account_id, u32::MAX)) {
            let verdict = end.verdict.as_ref().filter(|verdict| verdict.number == key.1);
            row.stands(row.follow.on(*on, end.position.left_of(key.1), verdict));
        }
        let Some(account) = books.account(*account_id) else { return Ok(()) };
        if let Some(statement) = end.statement.filter(has_something) {
            let follow = FollowUp::closed(account.currency, &statement);
            let follower = self.followers.get(account_id).copied().unwrap_or_default();
            self.add(tx, books, (account, follower, &statement), follow).await?;
        }
        if is_over(books, account, &end.position) { self.end_relation(tx, *account_id, *on).await } else { Ok(()) }
    }

    /// The last bill of the account says so.
    async fn end_relation(&mut self, tx: &mut Tx, id: AccountId, on: Date) -> Result<(), StoreError> {
        let Some((key, stored)) = sql::load_last(tx, id).await? else {
            // It is in this set, if there is any.
            if let Some((_, row)) = self.rows.range_mut((id, 0)..=(id, u32::MAX)).next_back() {
                row.end_relation(on);
            }
            return Ok(());
        };
        self.rows.entry(key).or_insert(stored);
        if let Some((_, row)) = self.rows.range_mut((id, 0)..=(id, u32::MAX)).next_back() {
            row.end_relation(on);
        }
        Ok(())
    }

    /// Money that comes in pays bills at once, as far as that is certain before the end of the day.
    async fn paid_in(&mut self, tx: &mut Tx, books: &Books) -> Result<(), StoreError> {
        let is_credit = |id| books.account(id).is_some_and(|account| account.kind == AccountKind::CustomerCredit);
        let paid_in: BTreeSet<AccountId> = books
            .new_transfers()
            .iter()
            .filter(|transfer| matches!(transfer.kind, TransferKind::Posted | TransferKind::PostOf(_)))
            .filter(|transfer| books.booking(BookingId::from_uuid(transfer.source)).is_none())
            .map(|transfer| transfer.credit_account)
            .filter(|id| is_credit(*id))
            .collect();
        if paid_in.is_empty() {
            return Ok(());
        }
        // What is not followed has no rows; those of accounts whose days are closed are here and may have changed.
        let others = paid_in.iter().copied().filter(|id| !self.followed.contains(id)).collect();
        self.rows.extend(sql::load_open(tx, &others).await?);
        let open = |id: &AccountId| self.rows.range((*id, 0)..=(*id, u32::MAX)).next().is_some();
        let paid_in: BTreeSet<AccountId> = paid_in.into_iter().filter(open).collect();
        for standing in load_standings(tx, &paid_in).await? {
            let Some((position, Some(on))) = standing.so_far() else { continue };
            let id = standing.account_id;
            for (key, row) in self.rows.range_mut((id, 0)..=(id, u32::MAX)) {
                row.stands(row.follow.on(on, position.left_of(key.1), None));
            }
        }
        Ok(())
    }

    /// Tells of the last statement of accounts that are followed from now on, if there is anything to pay of it.
    async fn begin(&mut self, tx: &mut Tx, books: &Books, instruments: &[Instrument]) -> Result<(), StoreError> {
        let accounts = instruments.iter().filter_map(|instrument| credit_account(books, *instrument)).collect();
        for (account_id, follower) in sql::load_followers(tx, &accounts).await? {
            if sql::is_told_of(tx, account_id).await? {
                continue;
            }
            let Some(account) = books.account(account_id) else { continue };
            let Some(standing) = load_standing(tx, account_id).await? else { continue };
            let Some((statement, verdict)) = standing.last else { continue };
            let Some((position, on)) = standing.so_far() else { continue };
            let follow = FollowUp::closed(account.currency, &statement);
            let on = on.unwrap_or_else(|| position.closed_through());
            let follow = follow.on(on, position.left_of(statement.number), verdict.as_ref());
            if follow.is_open() {
                self.add(tx, books, (account, follower, &statement), follow).await?;
            }
        }
        Ok(())
    }

    async fn add(
        &mut self,
        tx: &mut Tx,
        books: &Books,
        (account, follower, statement): (&Account, Follower, &Statement),
        follow: FollowUp,
    ) -> Result<(), StoreError> {
        let lines = lines::of(tx, statement).await?;
        let report = message::closed(books, (account, follower), statement, lines);
        self.rows.insert((account.id, statement.number), Row::new(report, follow));
        Ok(())
    }
}

/// The credit account that is bound, by itself or by the card over it.
fn credit_account(books: &Books, instrument: Instrument) -> Option<AccountId> {
    match instrument {
        Instrument::Account(id) => {
            books.account(id).filter(|account| account.kind == AccountKind::CustomerCredit).map(|account| account.id)
        }
        Instrument::Card(id) => books.card(id).and_then(|card| card.sides.credit()),
    }
}

/// The relation over a credit account is over when its card was closed and neither side owes the other anything.
fn is_over(books: &Books, account: &Account, position: &Position) -> bool {
    let card = account.card.and_then(|id| books.card(id));
    card.is_some_and(|card| card.state == CardState::Closed) && position.owed_minor() == 0
}

/// Nobody is sent a bill of nothing.
fn has_something(statement: &Statement) -> bool {
    let Statement { opening_minor, closing_minor, repayments_minor, refunds_minor, .. } = statement;
    let Statement { purchases_minor, cash_advances_minor, fees_minor, .. } = statement;
    [opening_minor, closing_minor, repayments_minor, refunds_minor, purchases_minor, cash_advances_minor, fees_minor]
        .into_iter()
        .any(|minor| *minor != 0)
}
