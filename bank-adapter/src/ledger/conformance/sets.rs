//! Sets of steps run by hand, as the writer runs them when a COMMIT fails or its outcome is not known.

use std::collections::BTreeSet;

use domain::credit::Terms;
use domain::ledger::{Agreement, Deposit, DepositId, FreezeOrder, Leg, NewAccount, OpeningOrder};
use domain::text::Line;
use domain::{AccountId, Currency};
use server_kit::audit::Chain;
use server_kit::store::{StepSet as _, StoreError};

use super::bank::{Bank, calendar, cny, hold_order, refund_order, teller, void_order};
use crate::credit::CloseOrder;
use crate::ledger::steps::{LedgerSteps, Outcome, Step};

/// A second set of steps under the same right, to run sets by hand as the writer does.
pub(super) fn steps_by_hand(bank: &Bank) -> LedgerSteps {
    LedgerSteps::new(bank.ledger.owner(), Chain::new("by-hand", bank.keys.clone()), calendar())
}

fn a_mixed_set(bank: &Bank, account: AccountId) -> Vec<Step> {
    let [first, second, poor, gone, back] = std::array::from_fn(|_| bank.leg_id());
    let opened = AccountId::from_uuid(bank.ids.uuid().unwrap());
    let opening = OpeningOrder {
        account_id: opened,
        new: NewAccount::Deposit,
        currency: Currency::CNY,
        holder: Line::parse("Zoë").unwrap(),
        payment_limit_minor: 0,
        number: opened.uuid().simple().to_string().into(),
    };
    let credit = AccountId::from_uuid(bank.ids.uuid().unwrap());
    let credit_opening = OpeningOrder {
        account_id: credit,
        new: NewAccount::Credit { limit_minor: 1_000, cash_limit_minor: 300 },
        number: credit.uuid().simple().to_string().into(),
        ..opening.clone()
    };
    let agreement = Agreement { terms: Terms::usual(5), repay_from: Some(opened) };
    let repayment = Deposit { id: DepositId::from_uuid(bank.ids.uuid().unwrap()), account_id: credit, amount: cny(7) };
    let deposit = Deposit { id: DepositId::from_uuid(bank.ids.uuid().unwrap()), account_id: opened, amount: cny(50) };
    vec![
        Step::Open(opening, teller()),
        Step::Deposit(deposit, teller()),
        Step::OpenCredit(credit_opening, agreement, teller()),
        Step::Deposit(repayment, teller()),
        Step::CloseDays(CloseOrder { accounts: vec![credit], through: jiff::civil::date(2026, 1, 1) }, teller()),
        Step::Hold(vec![hold_order(first, account, 300), hold_order(second, opened, 50)]),
        Step::Hold(vec![hold_order(poor, account, 701)]),
        Step::Void(void_order(gone)),
        Step::Hold(vec![hold_order(gone, account, 1)]),
        Step::Refund(refund_order(back, first, 100)),
        Step::Post(vec![first, second, poor, gone]),
        Step::Freeze(FreezeOrder { account_id: account, frozen: true }, teller()),
    ]
}

/// What callers are told, once the set is committed.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let leg = |leg: &Leg| format!("{} {:?} {:?}", leg.id, leg.state, leg.amount());
    let tell = |outcome: &Outcome| match outcome {
        Outcome::Held(legs) => legs.iter().flatten().map(leg).collect::<Vec<_>>().join(", "),
        Outcome::Leg(Ok(it)) => leg(it),
        Outcome::Account(Ok(account)) => format!("{} {:?}", account.id, account.number),
        other => format!("{other:?}"),
    };
    outcomes.iter().map(tell).collect()
}

pub(super) async fn a_set_that_is_run_again_gives_the_same_outcomes(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let set = steps_by_hand(&bank);
    let steps = a_mixed_set(&bank, account);
    let mut answers = BTreeSet::new();
    let mut states = Vec::new();
    // As when the outcome of a COMMIT was not known, and not known again.
    for _ in 0..3 {
        let mut tx = bank.store.begin().await.unwrap();
        let outcomes = set.run(&mut tx, &steps).await.unwrap();
        tx.commit().await.unwrap();
        set.committed(&steps, &outcomes);
        states.push(told(&outcomes));
        let report = crate::check_books(&bank.store).await.unwrap();
        answers.insert(format!("{report:?}"));
    }
    assert_eq!(answers.len(), 1, "nothing moved again: {answers:#?}");
    assert_eq!(states[1], states[2]);
    // A leg that was held and then posted in one set is posted when it is asked about again; nothing else differs.
    for (first, again) in states[0].iter().zip(&states[1]) {
        assert_eq!(first.replace(" Held ", " Posted "), *again);
    }
    bank.end().await;
}

pub(super) async fn a_set_that_is_dropped_leaves_nothing(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let set = steps_by_hand(&bank);
    let before = crate::check_books(&bank.store).await.unwrap();
    let steps = a_mixed_set(&bank, account);
    let mut tx = bank.store.begin().await.unwrap();
    set.run(&mut tx, &steps).await.unwrap();
    drop(tx);
    set.dropped(&StoreError::Conflict);
    assert_eq!(crate::check_books(&bank.store).await.unwrap(), before);
    // The chain of the log goes on where the database is, not where the dropped set was.
    let mut tx = bank.store.begin().await.unwrap();
    let outcomes = set.run(&mut tx, &steps).await.unwrap();
    tx.commit().await.unwrap();
    set.committed(&steps, &outcomes);
    bank.end().await;
}
