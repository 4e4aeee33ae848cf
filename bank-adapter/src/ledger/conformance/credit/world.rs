//! A bank with a card over a debit and a credit account, whose days a test tells: every set is run by hand, at a time of the test's
//! own.

use domain::card::{Card, Expiry, Proof, Sides};
use domain::credit::{AutoRepay, Statement, Terms};
use domain::ledger::{
    self as rules, Account, AccountKind, Agreement, Books, Charge, Decided, Deposit, DepositId, HoldOrder, Leg,
    LegOrder, LegState, Nature, NewAccount, OpeningOrder, Party,
};
use domain::text::Line;
use domain::{AccountId, CardId, Currency, LegId, PaymentId, Reason, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use server_kit::audit::Chain;
use server_kit::store::testing::TestDatabase;
use server_kit::store::{StepSet as _, StoreError};

use super::super::bank::{Bank, calendar, cny, hold_order, refund_order, teller};
use crate::credit::{Calendar, CloseOrder, Closed, Page, read_statements};
use crate::ledger::card_steps::CardFiles;
use crate::ledger::recent::Recent;
use crate::ledger::sql::{self, Named};
use crate::ledger::steps::{LedgerSteps, Outcome, Step};

/// Closed on the 5th, due 20 days later, no days of grace; 0.05 % a day; the debit account repays all.
pub(super) fn terms() -> Terms {
    Terms { grace_days: 0, auto_repay: AutoRepay::Full, ..Terms::usual(5) }
}

/// A limit of 1,000.00, of it 300.00 as cash.
const LIMITS: NewAccount = NewAccount::Credit { limit_minor: 100_000, cash_limit_minor: 30_000 };

pub(super) struct World {
    pub(super) bank: Bank,
    set: LedgerSteps,
    calendar: Calendar,
    zone: TimeZone,
    pub(super) now: Timestamp,
    pub(super) debit: AccountId,
    pub(super) credit: AccountId,
    card: Card,
}

/// The point in time of a local time, the first one if there are two.
pub(super) fn at(zone: &TimeZone, local: DateTime) -> Timestamp {
    Timestamp::from_micros(zone.to_timestamp(local).unwrap().as_microsecond())
}

impl World {
    /// A bank in China at noon of a day.
    pub(super) async fn open(database: TestDatabase, on: Date, terms: Terms) -> Self {
        Self::open_in(database, "Asia/Shanghai", calendar(), on, terms).await
    }

    /// With 500.00 on the debit side.
    pub(super) async fn open_in(
        database: TestDatabase,
        zone: &str,
        calendar: Calendar,
        on: Date,
        terms: Terms,
    ) -> Self {
        let bank = Bank::open(database).await;
        let set = LedgerSteps::new(bank.ledger.owner(), Chain::new("by-hand", bank.keys.clone()), calendar.clone());
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let [debit, credit] = std::array::from_fn(|_| AccountId::from_uuid(bank.ids.uuid().unwrap()));
        let card_id = CardId::from_uuid(bank.ids.uuid().unwrap());
        let sides = Sides::Both { debit, credit };
        let card = Card::issue(card_id, Expiry::parse_yymm("9912").unwrap(), sides, "622848******0015".into());
        let card = card.activate(on).unwrap();
        let now = at(&zone, on.at(12, 0, 0, 0));
        let mut world = Self { bank, set, calendar, zone, now, debit, credit, card };
        world.account(Step::Open(order(debit, NewAccount::Deposit), teller())).await.unwrap();
        world.deposit(debit, 50_000).await.unwrap();
        world.open_credit(credit, Agreement { terms, repay_from: Some(debit) }).await.unwrap();
        world
    }

    /// Noon of a day.
    pub(super) fn noon(&mut self, on: Date) {
        self.now = at(&self.zone, on.at(12, 0, 0, 0));
    }

    pub(super) fn today(&self) -> Date {
        self.calendar.day_of(self.now)
    }

    pub(super) async fn run(&mut self, steps: Vec<Step>) -> Vec<Outcome> {
        let mut tx = self.bank.store.begin().await.unwrap().at(self.now);
        let outcomes = self.set.run(&mut tx, &steps).await.unwrap();
        tx.commit().await.unwrap();
        self.set.committed(&steps, &outcomes);
        outcomes
    }

    pub(super) async fn account(&mut self, step: Step) -> Result<Account, Reason> {
        match self.run(vec![step]).await.remove(0) {
            Outcome::Account(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn open_credit(&mut self, id: AccountId, agreement: Agreement) -> Result<Account, Reason> {
        self.account(Step::OpenCredit(order(id, LIMITS), agreement, teller())).await
    }

    /// Pays cash in.
    pub(super) async fn deposit(&mut self, account_id: AccountId, minor: i64) -> Result<Account, Reason> {
        let id = DepositId::from_uuid(self.bank.ids.uuid().unwrap());
        self.account(Step::Deposit(Deposit { id, account_id, amount: cny(minor) }, teller())).await
    }

    pub(super) async fn refund(&mut self, original: LegId, minor: i64) -> LegState {
        let step = Step::Refund(refund_order(self.bank.leg_id(), original, minor));
        match self.run(vec![step]).await.remove(0) {
            Outcome::Leg(leg) => leg.unwrap().state,
            other => panic!("{other:?}"),
        }
    }

    /// Holds and posts by card; a hold that is refused stays so.
    pub(super) async fn pay(&mut self, nature: Nature, minor: i64) -> Leg {
        let mut tx = self.bank.store.begin().await.unwrap().at(self.now);
        let settlement = AccountKind::HubSettlement.house_id(Currency::CNY);
        let named = Named { accounts: [self.debit, self.credit, settlement].into(), ..Named::default() };
        let mut recent = Recent::default();
        let mut books = sql::load(&mut tx, named, &recent, self.today()).await.unwrap();
        books.load_cards([self.card.clone()], self.today());
        let leg_id = self.bank.leg_id();
        let LegOrder::Charge(Charge { merchant, .. }) = hold_order(leg_id, self.debit, 1).order else { unreachable!() };
        let charge = Charge {
            payer: Party::Card(self.card.id),
            nature,
            amount: cny(minor),
            merchant,
            savings: None,
            sale: None,
        };
        let (order, proof) = (LegOrder::Charge(charge), Proof::Given);
        let order = HoldOrder { leg_id, payment_id: PaymentId::from_uuid(leg_id.uuid()), order, proof };
        let mut leg = done(&mut books, |books| rules::hold(books, &order, self.now));
        if leg.state == LegState::Held {
            leg = done(&mut books, |books| rules::post(books, leg_id, self.now));
        }
        sql::save(&mut tx, &books, &CardFiles::default(), &mut recent).await.unwrap();
        tx.commit().await.unwrap();
        // What the steps remember was written beside them.
        self.set.dropped(&StoreError::Conflict);
        leg
    }

    /// Stores the card, as if it had been issued and activated at the counter.
    pub(super) async fn issue(&mut self) -> CardId {
        const CARD: &str = "INSERT INTO cards (card_id, version, state, frozen, wrong_pins, wrong_cvvs, expiry, \
                            debit_account_id, credit_account_id, masked, pan_hash, pan_sealed, product, cvk_version, issued_at) \
                            VALUES ($1, 1, 'ACTIVE', 0, 0, 0, '9912', $2, $3, $4, $5, $5, 'COMBINED', 1, 0)";
        const SIDES: &str = "UPDATE accounts SET card_id = $1 WHERE account_id IN ($2, $3)";
        let (id, debit, credit) = (self.card.id.uuid(), self.debit.uuid(), self.credit.uuid());
        let mut tx = self.bank.store.begin().await.unwrap();
        let masked = self.card.masked.as_str();
        let args = vec![id.into(), debit.into(), credit.into(), masked.into(), vec![0; 32].into()];
        tx.execute(CARD, args).await.unwrap();
        tx.execute(SIDES, vec![id.into(), debit.into(), credit.into()]).await.unwrap();
        tx.commit().await.unwrap();
        // What the steps remember was written beside them.
        self.set.dropped(&StoreError::Conflict);
        self.card.version = 1;
        self.card.id
    }

    /// Closes days of the credit account in one step.
    pub(super) async fn close(&mut self, through: Date) -> Result<Closed, Reason> {
        let order = CloseOrder { accounts: vec![self.credit], through };
        match self.run(vec![Step::CloseDays(order, teller())]).await.remove(0) {
            Outcome::Closed(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Lets the days pass, each closed ten minutes after its end, up to noon of this one.
    pub(super) async fn live_until(&mut self, on: Date) {
        while self.today() < on {
            let today = self.today();
            let next = today.saturating_add(1.day());
            self.now = at(&self.zone, next.at(0, 10, 0, 0));
            let closed = self.close(today).await.unwrap();
            assert!(closed.failed.is_empty(), "{closed:?}");
            self.noon(next);
        }
    }

    pub(super) async fn read(&self, id: AccountId) -> Account {
        self.bank.ledger.account(id).await.unwrap()
    }

    /// What is on the debit side, and what is owed on the credit side.
    pub(super) async fn stands(&self) -> (i64, i64) {
        (self.read(self.debit).await.balance_minor(), -self.read(self.credit).await.balance_minor())
    }

    /// The statements from the first one on, each with what was missed.
    pub(super) async fn statements(&self) -> Vec<(Statement, Option<i64>)> {
        let page = Page { account_id: self.credit, before_number: None, limit: 100 };
        let mut statements = read_statements(&self.bank.store, page).await.unwrap();
        statements.reverse();
        statements
    }

    /// The bookings in order, as `day kind amount_minor`.
    pub(super) async fn bookings(&self) -> Vec<String> {
        let sql = "SELECT booked_on, kind, amount_minor FROM bookings WHERE account_id = $1 ORDER BY booked_on, kind";
        let rows = self.bank.store.fetch(sql, vec![self.credit.uuid().into()]).await.unwrap();
        let word = |column, row: &server_kit::store::Row| row.text(column).unwrap();
        rows.iter().map(|row| format!("{} {} {}", word(0, row), word(1, row), row.int(2).unwrap())).collect()
    }

    /// What is wrong with the books.
    pub(super) async fn faults(&self) -> Vec<String> {
        crate::check_books(&self.bank.store).await.unwrap().faults
    }

    /// Runs statements as somebody who tampers.
    pub(super) async fn tamper(&self, sql: &'static str) {
        let mut tx = self.bank.store.begin().await.unwrap();
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn end(self) {
        drop(self.set);
        self.bank.end().await;
    }

    pub(super) async fn close_bank(self) -> TestDatabase {
        drop(self.set);
        self.bank.close().await.0
    }
}

fn order(account_id: AccountId, new: NewAccount) -> OpeningOrder {
    let number = account_id.uuid().simple().to_string().into_boxed_str();
    let holder = Line::parse("王小明").unwrap();
    OpeningOrder { account_id, new, currency: Currency::CNY, holder, payment_limit_minor: 0, number }
}

/// Decides and makes it part of the books.
fn done<T>(books: &mut Books, decide: impl FnOnce(&Books) -> Result<Decided<T>, Reason>) -> T {
    let decided = decide(books).unwrap();
    books.apply(decided.change);
    decided.answer
}
