//! A ledger that is filled with a past, as the bench fills it, and then goes on.

use std::time::Duration;

use domain::ledger::LegState::{Held, Posted};
use domain::ledger::{Charge, LegOrder, Party};
use domain::text::Line;
use domain::{AccountId, Currency, LegId, PaymentId, Timestamp};
use server_kit::clock::{Clock as _, ManualClock, SystemClock};
use server_kit::rng::{SeededRng, digits, uuid_v7};
use server_kit::store::testing::TestDatabase;

use super::bank::{Bank, bank_id, cny, hold_order, id_maker, teller};
use crate::ledger::fill::{Past, PastLeg};
use crate::ledger::{LedgerError, Opening};

const SEED: u64 = 20_260_401;
const DEPOSITED: i64 = 10_000_000;

fn charge(past: &PastLeg) -> &Charge {
    match &past.order.order {
        LegOrder::Charge(charge) => charge,
        other => panic!("{other:?}"),
    }
}

/// Three accounts and legs that they bore, an hour apart.
struct Plan {
    clock: ManualClock,
    rng: SeededRng,
    accounts: Vec<AccountId>,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let (clock, rng) = (ManualClock::new(Timestamp::from_secs(1_750_000_000)), SeededRng::new(seed));
        let accounts = (0..3).map(|_| AccountId::from_uuid(uuid_v7(&clock, &rng).unwrap())).collect();
        Self { clock, rng, accounts }
    }

    async fn open_accounts(&self, bank: &Bank) {
        for account_id in &self.accounts {
            let holder = Line::parse("王小明").unwrap();
            let opening = Opening { account_id: *account_id, currency: Currency::CNY, holder, payment_limit_minor: 0 };
            bank.ledger.open_account(opening, teller()).await.unwrap();
            bank.deposit(*account_id, DEPOSITED).await.unwrap();
        }
    }

    fn leg(&self, n: usize) -> PastLeg {
        self.clock.advance(Duration::from_secs(3600));
        let leg_id = LegId::from_uuid(uuid_v7(&self.clock, &self.rng).unwrap());
        let minor = digits(&self.rng, 4).unwrap().parse::<i64>().unwrap() + 1;
        let mut order = hold_order(leg_id, self.accounts[n % self.accounts.len()], minor);
        order.payment_id = PaymentId::from_uuid(uuid_v7(&self.clock, &self.rng).unwrap());
        let held_at = self.clock.now();
        PastLeg { order, held_at, posted_at: held_at.plus(Duration::from_secs(1)) }
    }

    fn legs(&self, count: usize) -> Vec<PastLeg> {
        (0..count).map(|n| self.leg(n)).collect()
    }
}

/// Fills the ledger of a bank that is closed meanwhile.
async fn filled(bank: Bank, legs: &[PastLeg]) -> Bank {
    let (database, keys) = bank.close().await;
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let mut past = Past::open(&store, &bank_id(), keys.clone(), &id_maker()).await.unwrap();
    for set in legs.chunks(100) {
        past.add(set).await.unwrap();
    }
    past.seal().await.unwrap();
    store.close().await;
    // The file stays locked for as long as anybody has the store.
    drop((past, store));
    Bank::open_with(database, keys).await
}

/// The legs with their transfers, but for the accounts' numbers, which are drawn by the counter.
async fn rows(bank: &Bank) -> Vec<String> {
    let sql = "SELECT l.leg_id, l.payment_id, l.account_id, t.debit_account_id, t.credit_account_id, l.state, l.splits, \
               l.decision, t.kind, l.amount_minor, l.created_at, l.changed_at, t.seq, t.amount_minor, t.made_at \
               FROM legs l JOIN transfers t ON t.source_id = l.leg_id ORDER BY l.leg_id, t.seq";
    let rows = bank.store.fetch(sql, Vec::new()).await.unwrap();
    let read = rows.iter().map(|row| {
        let ids = [0, 1, 2, 3, 4].map(|column| row.id(column).unwrap());
        let texts = [5, 6, 7, 8].map(|column| row.text(column).unwrap());
        let numbers = [9, 10, 11, 12, 13, 14].map(|column| row.int(column).unwrap());
        format!("{ids:?} {texts:?} {numbers:?}")
    });
    read.collect()
}

pub(super) async fn a_past_balances_and_the_ledger_goes_on_after_it(bank: Bank) {
    let plan = Plan::new(SEED);
    plan.open_accounts(&bank).await;
    let legs = plan.legs(300);
    let bank = filled(bank, &legs).await;
    let report = crate::check_books(&bank.store).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
    // A leg is a transfer that reserves and one that posts; an account's money came in by one more.
    assert_eq!((report.legs, report.transfers, report.held_legs), (300, 603, 0));
    for account in &plan.accounts {
        let of_account = legs.iter().map(charge).filter(|charge| charge.payer == Party::Account(*account));
        let spent: i64 = of_account.map(|charge| charge.amount.minor).sum();
        assert_eq!(bank.available(*account).await, DEPOSITED - spent);
    }
    let last = legs.last().unwrap();
    let stored = bank.ledger.leg(last.order.leg_id).await.unwrap();
    assert_eq!((stored.state, stored.payment_id), (Posted, last.order.payment_id));
    assert_eq!((stored.created_at, stored.changed_at), (last.held_at, last.posted_at));
    // What was held before gets the answer that it got then.
    assert_eq!(bank.ledger.hold(last.order.clone()).await.unwrap().state, Posted);
    let leg = bank.leg_id();
    assert_eq!(bank.hold(leg, plan.accounts[0], 100).await, Ok(Held));
    assert_eq!(bank.post(leg).await, Ok(Posted));
    bank.end().await;
}

pub(super) async fn the_same_seed_gives_the_same_past(bank: Bank) {
    let mut pasts = Vec::new();
    for (seed, bank) in [
        (SEED, bank),
        (SEED, Bank::open(TestDatabase::sqlite()).await),
        (SEED + 1, Bank::open(TestDatabase::sqlite()).await),
    ] {
        let plan = Plan::new(seed);
        plan.open_accounts(&bank).await;
        let bank = filled(bank, &plan.legs(30)).await;
        pasts.push(rows(&bank).await);
        bank.end().await;
    }
    assert_eq!(pasts[0].len(), 60);
    assert_eq!(pasts[0], pasts[1]);
    assert_ne!(pasts[0], pasts[2]);
}

pub(super) async fn a_past_is_filled_whole_or_not_at_all_and_by_the_owner_only(bank: Bank) {
    let plan = Plan::new(SEED);
    plan.open_accounts(&bank).await;
    let second = bank.database.open(&crate::migrations(), SystemClock::shared()).await;
    if let Ok(store) = second {
        let refused = Past::open(&store, &bank_id(), bank.keys.clone(), &id_maker()).await;
        assert!(refused.is_err(), "the ledger has an owner");
        store.close().await;
    }
    let (database, keys) = bank.close().await;
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let mut past = Past::open(&store, &bank_id(), keys.clone(), &id_maker()).await.unwrap();
    let mut legs = plan.legs(3);
    let dear = Charge { amount: cny(DEPOSITED + 1), ..charge(&legs[2]).clone() };
    legs[2].order.order = LegOrder::Charge(dear);
    past.add(&legs).await.unwrap_err();
    store.close().await;
    // The file stays locked for as long as anybody has the store.
    drop((past, store));
    let bank = Bank::open_with(database, keys).await;
    let gone = bank.ledger.leg(legs[0].order.leg_id).await;
    assert!(matches!(gone, Err(LedgerError::Refused(domain::Reason::LegUnknown))), "{gone:?}");
    assert_eq!(bank.available(plan.accounts[0]).await, DEPOSITED);
    bank.end().await;
}
