//! A bank for a test: a ledger on an engine of its own, and short names for what tests do with it.

use std::sync::Arc;

use domain::card::Proof;
use domain::credit::Terms;
use domain::ledger::{
    Account, Agreement, Charge, Deposit, DepositId, FreezeOrder, GiveBack, HoldOrder, Leg, LegOrder, LegState,
    NewAccount, Origin, RefundOrder, VoidOrder,
};
use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{AccountId, BankId, Currency, LegId, MerchantId, Money, PaymentId, Reason};
use server_kit::clock::SystemClock;
use server_kit::identity::{Principal, Role};
use server_kit::keystore::{Keyring, SharedKeyStore};
use server_kit::rng::{IdMaker, SeededRng, SystemRng};
use server_kit::store::testing::TestDatabase;
use server_kit::store::{Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::credit::{Calendar, ZoneName};
use crate::ledger::{Ledger, LedgerError, LedgerParts, Opening};

/// A bank whose ledger is open.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) keys: SharedKeyStore,
    pub(crate) ids: IdMaker,
    pub(crate) database: TestDatabase,
    writer: JoinHandle<()>,
}

pub(crate) fn bank_id() -> BankId {
    BankId::parse("bank-a").unwrap()
}

/// Who serves the bank's counter.
pub(crate) fn teller() -> Principal {
    Principal::member("trial.example", Role::Operator, "teller").unwrap()
}

pub(crate) fn calendar() -> Calendar {
    Calendar::new(ZoneName::shanghai(), "00:10".parse().unwrap())
}

pub(crate) fn id_maker() -> IdMaker {
    IdMaker::new(SystemClock::shared(), SystemRng::shared())
}

pub(crate) fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

impl Bank {
    pub(crate) async fn open(database: TestDatabase) -> Self {
        Self::open_with(database, Arc::new(Keyring::generate(Arc::new(SeededRng::new(5))).unwrap())).await
    }

    pub(crate) async fn open_with(database: TestDatabase, keys: SharedKeyStore) -> Self {
        let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
        let ids = id_maker();
        let owner = Ledger::take_ownership(&store, &bank_id(), &ids).await.unwrap();
        let parts = LedgerParts {
            bank_id: bank_id(),
            store: store.clone(),
            owner,
            keys: keys.clone(),
            rng: SystemRng::shared(),
            calendar: calendar(),
        };
        let (ledger, writer) = Ledger::start(parts, WriterOptions::default());
        Self { ledger, store, keys, ids, database, writer }
    }

    /// Ends the process, as it were, and starts another one on the same database.
    pub(crate) async fn restart(self) -> Self {
        let (database, keys) = self.close().await;
        Self::open_with(database, keys).await
    }

    pub(crate) async fn close(self) -> (TestDatabase, SharedKeyStore) {
        drop(self.ledger);
        self.writer.await.unwrap();
        self.store.close().await;
        (self.database, self.keys)
    }

    /// Checks what must hold at the end of every test.
    pub(crate) async fn end(self) {
        let report = crate::check_books(&self.store).await.unwrap();
        assert!(report.is_right(), "{report:#?}");
        for chain in server_kit::audit::verify(&self.store, &*self.keys).await.unwrap() {
            assert!(chain.faults.is_empty() && chain.entries > 0, "M8: the log is whole: {chain:#?}");
        }
        self.close().await;
    }

    pub(crate) fn leg_id(&self) -> LegId {
        LegId::from_uuid(self.ids.uuid().unwrap())
    }

    /// An account with money in it.
    pub(crate) async fn account_with(&self, minor: i64) -> AccountId {
        let account_id = AccountId::from_uuid(self.ids.uuid().unwrap());
        let holder = Line::parse("王小明").unwrap();
        let opening = Opening { account_id, currency: Currency::CNY, holder, payment_limit_minor: 0 };
        self.ledger.open_account(opening, teller()).await.unwrap();
        self.deposit(account_id, minor).await.unwrap();
        account_id
    }

    /// A credit account with these limits and the usual terms.
    pub(crate) async fn credit_account(&self, limit_minor: i64, cash_limit_minor: i64) -> AccountId {
        let account_id = AccountId::from_uuid(self.ids.uuid().unwrap());
        let holder = Line::parse("王小明").unwrap();
        let opening = Opening { account_id, currency: Currency::CNY, holder, payment_limit_minor: 0 };
        let new = NewAccount::Credit { limit_minor, cash_limit_minor };
        let agreement = Agreement { terms: Terms::usual(5), repay_from: None };
        self.ledger.open_credit_account(opening, new, agreement, teller()).await.unwrap();
        account_id
    }

    pub(crate) async fn deposit(&self, account_id: AccountId, minor: i64) -> Result<Account, LedgerError> {
        let id = DepositId::from_uuid(self.ids.uuid().unwrap());
        self.ledger.deposit_cash(Deposit { id, account_id, amount: cny(minor) }, teller()).await
    }

    pub(crate) async fn available(&self, account_id: AccountId) -> i64 {
        self.ledger.account(account_id).await.unwrap().available_minor()
    }

    pub(crate) async fn hold(&self, leg_id: LegId, account_id: AccountId, minor: i64) -> Result<LegState, Reason> {
        state(self.ledger.hold(hold_order(leg_id, account_id, minor)).await)
    }

    pub(crate) async fn post(&self, leg_id: LegId) -> Result<LegState, Reason> {
        let results = self.ledger.post(vec![leg_id]).await.unwrap();
        match results[0].refusal {
            Some(reason) => Err(reason),
            None => Ok(results[0].state.unwrap()),
        }
    }

    pub(crate) async fn void(&self, leg_id: LegId) -> Result<LegState, Reason> {
        state(self.ledger.void(void_order(leg_id)).await)
    }

    pub(crate) async fn refund(&self, leg_id: LegId, original: LegId, minor: i64) -> Result<LegState, Reason> {
        state(self.ledger.refund(refund_order(leg_id, original, minor)).await)
    }

    pub(crate) async fn freeze(&self, account_id: AccountId, frozen: bool) {
        let account = self.ledger.set_frozen(FreezeOrder { account_id, frozen }, teller()).await.unwrap();
        assert_eq!(account.frozen, frozen);
    }

    /// Who tries to own the ledger beside the one who does.
    pub(crate) async fn second_owner(&self) -> Result<Owner, StoreError> {
        let store = self.database.open(&crate::migrations(), SystemClock::shared()).await?;
        Ledger::take_ownership(&store, &bank_id(), &self.ids).await
    }
}

fn state(result: Result<Leg, LedgerError>) -> Result<LegState, Reason> {
    match result {
        Ok(leg) => Ok(leg.state),
        Err(LedgerError::Refused(reason)) => Err(reason),
        Err(LedgerError::Store(error)) => panic!("{error}"),
    }
}

/// A hold whose payment has the same id as its leg.
pub(crate) fn hold_order(leg_id: LegId, account_id: AccountId, minor: i64) -> HoldOrder {
    let merchant = Merchant {
        id: MerchantId::parse("tea-house").unwrap(),
        name: Line::parse("Tea House").unwrap(),
        category: CategoryCode::parse("5812").unwrap(),
    };
    let order = LegOrder::Charge(Charge::purchase(account_id, cny(minor), merchant));
    HoldOrder { leg_id, payment_id: PaymentId::from_uuid(leg_id.uuid()), order, proof: Proof::Given }
}

pub(crate) fn void_order(leg_id: LegId) -> VoidOrder {
    VoidOrder { origin: Origin::Hub, leg_id, payment_id: PaymentId::from_uuid(leg_id.uuid()) }
}

pub(crate) fn refund_order(leg_id: LegId, original_leg_id: LegId, minor: i64) -> RefundOrder {
    let give_back = GiveBack { original_leg_id, amount: cny(minor) };
    RefundOrder { origin: Origin::Hub, leg_id, payment_id: PaymentId::from_uuid(leg_id.uuid()), give_back }
}

impl Ledger {
    /// One hold by itself.
    pub(crate) async fn hold(&self, order: HoldOrder) -> Result<Leg, LedgerError> {
        let [held] = <[_; 1]>::try_from(self.hold_all(vec![order]).await?).unwrap();
        held.map_err(LedgerError::Refused)
    }
}
