//! What the stored ledger must do, on SQLite and on PostgreSQL alike.
//!
//! PostgreSQL takes part when there is one: see [`server_kit::store::testing`].

pub(crate) mod bank;
mod cards;
mod credit;
mod filling;
#[cfg(feature = "fault-points")]
mod killed;
mod networks;
mod ownership;
mod resolving;
mod sets;

use std::collections::BTreeSet;

use domain::ledger::LegState::{Held, Posted, Refused, Voided};
use domain::ledger::{Deposit, DepositId, Facts, route};
use domain::text::Line;
use domain::{AccountId, Currency, LegId, PaymentId, Reason, Timestamp};
use server_kit::store::testing::TestDatabase;

use self::bank::{Bank, cny, hold_order, teller};
use self::cards::*;
use self::filling::*;
use self::networks::*;
use self::ownership::*;
use self::resolving::*;
use self::sets::*;
use super::{LedgerError, Place as At};

macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Bank::open(super::TestDatabase::sqlite()).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                if let Some(database) = super::TestDatabase::postgres().await {
                    super::$case(super::Bank::open(database).await).await;
                }
            })*
        }
    };
}

on_both_engines! {
    a_hold_that_is_sent_again_reserves_once
    m4_a_hold_is_refused_by_reason_and_stays_refused
    the_same_id_with_other_content_is_refused
    a_hold_after_a_void_is_refused_by_the_tombstone
    hold_post_and_void_end_well_in_any_order
    a_thousand_holds_at_once_never_overdraw
    a_hundred_equal_holds_at_once_get_one_answer
    many_legs_are_posted_in_one_call_each_with_its_own_answer
    refunds_are_partial_and_together_at_most_the_amount
    m6_what_is_held_is_posted_in_spite_of_a_freeze
    cash_and_openings_count_once
    a_set_that_is_run_again_gives_the_same_outcomes
    a_set_that_is_dropped_leaves_nothing
    pages_of_legs_are_complete_and_in_order
    everything_is_there_after_a_restart
    a_second_owner_is_refused
    the_ledger_goes_on_after_all_connections_broke
    who_lost_the_ledger_to_another_process_writes_no_more
    transfers_cannot_be_changed
    the_check_of_the_books_finds_what_was_tampered_with
    stored_decisions_can_be_decided_again
    legs_that_are_held_for_long_become_what_the_hub_says
    legs_that_wait_do_not_keep_others_from_their_turn
    a_leg_that_cannot_be_resolved_does_not_keep_the_others_from_it
    the_log_says_who_did_what_at_the_counter
    the_end_of_the_log_is_signed_when_the_node_stops
    c6_legs_of_cards_and_the_limits_of_credit_accounts_are_read_back_as_they_were
    a_past_balances_and_the_ledger_goes_on_after_it
    the_same_seed_gives_the_same_past
    a_past_is_filled_whole_or_not_at_all_and_by_the_owner_only
    c2_charges_of_other_networks_are_legs_of_which_the_hub_does_not_know
    the_same_charge_told_again_after_a_restart_is_the_same_and_told_otherwise_is_not
    c2_a_charge_that_was_authorised_offline_is_posted_at_once_or_refused
    r1_each_change_of_a_purchase_is_reported_once_in_the_banks_own_count
    r1_nothing_is_reported_of_what_nobody_has_bound
    r1_what_is_paid_from_an_account_is_followed_by_the_card_over_it
    r1_reports_that_are_made_at_once_are_numbered_without_a_gap
    r1_what_the_hub_has_said_of_reports_is_kept
    r1_a_set_that_is_dropped_or_run_again_reports_each_purchase_once
    the_check_of_the_books_finds_what_was_settled_on_the_wrong_side_and_reports_that_are_missing
}

async fn a_hold_that_is_sent_again_reserves_once(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    for _ in 0..3 {
        assert_eq!(bank.hold(leg, account, 300).await, Ok(Held));
        assert_eq!(bank.available(account).await, 700);
    }
    let stored = bank.ledger.leg(leg).await.unwrap();
    assert_eq!((stored.state, stored.account_id, stored.amount()), (Held, Some(account), Some(cny(300))));
    assert!(stored.account_masked.starts_with("****") && stored.account_masked.len() == 8, "{stored:?}");
    bank.end().await;
}

async fn m4_a_hold_is_refused_by_reason_and_stays_refused(bank: Bank) {
    let (account, leg) = (bank.account_with(100).await, bank.leg_id());
    let refused = Ok(Refused(Reason::InsufficientFunds));
    assert_eq!(bank.hold(leg, account, 200).await, refused);
    bank.deposit(account, 500).await.unwrap();
    assert_eq!(bank.hold(leg, account, 200).await, refused);
    let nobody = AccountId::from_uuid(bank.ids.uuid().unwrap());
    assert_eq!(bank.hold(bank.leg_id(), nobody, 1).await, Ok(Refused(Reason::AccountUnknown)));
    assert_eq!(bank.post(leg).await, Err(Reason::LegRefused));
    assert_eq!(bank.available(account).await, 600);
    bank.end().await;
}

async fn the_same_id_with_other_content_is_refused(bank: Bank) {
    let (account, other, leg) = (bank.account_with(1_000).await, bank.account_with(1_000).await, bank.leg_id());
    assert_eq!(bank.hold(leg, account, 300).await, Ok(Held));
    assert_eq!(bank.hold(leg, account, 301).await, Err(Reason::LegIdTaken));
    assert_eq!(bank.hold(leg, other, 300).await, Err(Reason::LegIdTaken));
    assert_eq!(bank.refund(leg, bank.leg_id(), 300).await, Err(Reason::LegIdTaken));
    let mut order = hold_order(leg, account, 300);
    order.payment_id = PaymentId::from_uuid(bank.ids.uuid().unwrap());
    let taken = bank.ledger.hold(order).await;
    assert!(matches!(taken, Err(LedgerError::Refused(Reason::LegIdTaken))), "{taken:?}");
    assert_eq!(bank.available(account).await, 700);
    bank.end().await;
}

async fn a_hold_after_a_void_is_refused_by_the_tombstone(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    assert_eq!(bank.void(leg).await, Ok(Voided));
    let bank = bank.restart().await;
    assert_eq!(bank.hold(leg, account, 300).await, Ok(Voided));
    assert_eq!(bank.post(leg).await, Err(Reason::LegVoided));
    assert_eq!(bank.available(account).await, 1_000);
    bank.end().await;
}

async fn hold_post_and_void_end_well_in_any_order(bank: Bank) {
    // h, p, v: the first letters of hold, post, void; what the leg is at the end, and what is left of 1,000.
    let table = [
        ("hpv", Some(Posted), 700),
        ("hvp", Some(Voided), 1_000),
        ("phv", Some(Voided), 1_000),
        ("pvh", Some(Voided), 1_000),
        ("vhp", Some(Voided), 1_000),
        ("vph", Some(Voided), 1_000),
        ("hhpp", Some(Posted), 700),
        ("hvvh", Some(Voided), 1_000),
        ("p", None, 1_000),
    ];
    for (order, state, left) in table {
        let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
        for step in order.chars() {
            let _ = match step {
                'h' => bank.hold(leg, account, 300).await,
                'p' => bank.post(leg).await,
                _ => bank.void(leg).await,
            };
        }
        assert_eq!(bank.ledger.leg(leg).await.ok().map(|leg| leg.state), state, "{order}");
        assert_eq!(bank.available(account).await, left, "{order}");
    }
    bank.end().await;
}

async fn a_thousand_holds_at_once_never_overdraw(bank: Bank) {
    let account = bank.account_with(2_500).await;
    let holds = (0..1_000).map(|_| {
        let (ledger, order) = (bank.ledger.clone(), hold_order(bank.leg_id(), account, 10));
        tokio::spawn(async move { ledger.hold(order).await.unwrap() })
    });
    let mut held = Vec::new();
    for hold in holds.collect::<Vec<_>>() {
        let leg = hold.await.unwrap();
        match leg.state {
            Held => held.push(leg.id),
            state => assert_eq!(state, Refused(Reason::InsufficientFunds)),
        }
    }
    assert_eq!((held.len(), bank.available(account).await), (250, 0));
    assert!(bank.ledger.post(held).await.unwrap().iter().all(|result| result.state == Some(Posted)));
    assert_eq!(bank.ledger.account(account).await.unwrap().balance_minor(), 0);
    bank.end().await;
}

async fn a_hundred_equal_holds_at_once_get_one_answer(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    let holds = (0..100).map(|_| {
        let (ledger, order) = (bank.ledger.clone(), hold_order(leg, account, 300));
        tokio::spawn(async move { ledger.hold(order).await.unwrap() })
    });
    let mut first = None;
    for hold in holds.collect::<Vec<_>>() {
        let mut leg = hold.await.unwrap();
        // The version is of the row and not of the answer.
        leg.version = 0;
        assert_eq!(*first.get_or_insert_with(|| leg.clone()), leg);
    }
    assert_eq!(bank.available(account).await, 700);
    bank.end().await;
}

async fn many_legs_are_posted_in_one_call_each_with_its_own_answer(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let (held, voided, unknown) = (bank.leg_id(), bank.leg_id(), bank.leg_id());
    bank.hold(held, account, 1).await.unwrap();
    bank.hold(voided, account, 2).await.unwrap();
    bank.void(voided).await.unwrap();
    let results = bank.ledger.post(vec![unknown, held, voided, held]).await.unwrap();
    let answers: Vec<_> = results.into_iter().map(|result| (result.leg_id, result.state, result.refusal)).collect();
    assert_eq!(
        answers,
        [
            (unknown, None, Some(Reason::LegUnknown)),
            (held, Some(Posted), None),
            (voided, Some(Voided), Some(Reason::LegVoided)),
            (held, Some(Posted), None),
        ]
    );
    assert_eq!(bank.available(account).await, 999);
    bank.end().await;
}

async fn refunds_are_partial_and_together_at_most_the_amount(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    let (first, second) = (bank.leg_id(), bank.leg_id());
    bank.hold(leg, account, 300).await.unwrap();
    // The original is held still: the refund posts it first.
    assert_eq!(bank.refund(first, leg, 100).await, Ok(Posted));
    assert_eq!(bank.refund(first, leg, 100).await, Ok(Posted));
    assert_eq!(bank.available(account).await, 800);
    assert_eq!(bank.refund(second, leg, 201).await, Ok(Refused(Reason::RefundTooLarge)));
    assert_eq!(bank.refund(bank.leg_id(), leg, 200).await, Ok(Posted));
    assert_eq!(bank.refund(bank.leg_id(), leg, 1).await, Ok(Refused(Reason::RefundTooLarge)));
    assert_eq!(bank.refund(bank.leg_id(), first, 1).await, Ok(Refused(Reason::OriginalUnknown)));
    assert_eq!(bank.refund(second, leg, 201).await, Ok(Refused(Reason::RefundTooLarge)), "the first answer stays");
    let original = bank.ledger.leg(leg).await.unwrap();
    assert_eq!((original.state, original.refunded_minor), (Posted, 300));
    assert_eq!(bank.ledger.leg(first).await.unwrap().account_id, Some(account));
    assert_eq!(bank.available(account).await, 1_000);
    bank.end().await;
}

async fn m6_what_is_held_is_posted_in_spite_of_a_freeze(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    bank.hold(leg, account, 300).await.unwrap();
    bank.freeze(account, true).await;
    assert_eq!(bank.hold(bank.leg_id(), account, 1).await, Ok(Refused(Reason::AccountFrozen)));
    assert_eq!(bank.post(leg).await, Ok(Posted));
    assert_eq!(bank.refund(bank.leg_id(), leg, 300).await, Ok(Posted));
    bank.deposit(account, 5).await.unwrap();
    bank.freeze(account, false).await;
    assert_eq!(bank.hold(bank.leg_id(), account, 1_005).await, Ok(Held));
    bank.end().await;
}

async fn cash_and_openings_count_once(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let number = bank.ledger.account(account).await.unwrap().number;
    let opening = super::Opening {
        account_id: account,
        currency: Currency::CNY,
        holder: Line::parse("王小明").unwrap(),
        payment_limit_minor: 0,
    };
    assert_eq!(
        bank.ledger.open_account(opening.clone(), teller()).await.unwrap().number,
        number,
        "the first number stays"
    );
    let other = super::Opening { payment_limit_minor: 5, ..opening };
    let taken = bank.ledger.open_account(other, teller()).await;
    assert!(matches!(taken, Err(LedgerError::Refused(Reason::IdTaken))), "{taken:?}");

    let id = DepositId::from_uuid(bank.ids.uuid().unwrap());
    let deposit = Deposit { id, account_id: account, amount: cny(5) };
    for _ in 0..3 {
        assert_eq!(bank.ledger.deposit_cash(deposit, teller()).await.unwrap().available_minor(), 1_005);
    }
    let taken = bank.ledger.deposit_cash(Deposit { amount: cny(6), ..deposit }, teller()).await;
    assert!(matches!(taken, Err(LedgerError::Refused(Reason::IdTaken))), "{taken:?}");
    let too_much = bank.deposit(account, i64::MAX).await;
    assert!(matches!(too_much, Err(LedgerError::Refused(Reason::AmountTooLarge))), "{too_much:?}");
    bank.end().await;
}

async fn pages_of_legs_are_complete_and_in_order(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let mut made = BTreeSet::new();
    for _ in 0..25 {
        let leg = bank.leg_id();
        bank.hold(leg, account, 1).await.unwrap();
        made.insert(leg);
    }
    let voided: Vec<LegId> = made.iter().copied().take(5).collect();
    for leg in &voided {
        bank.void(*leg).await.unwrap();
    }
    let (mut after, mut seen) = (At::before(Timestamp::default()), Vec::new());
    let end = Timestamp::from_micros(i64::MAX);
    loop {
        let page = bank.ledger.legs_changed(after, end, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = At::of(last);
        seen.extend(page);
    }
    assert!(seen.windows(2).all(|two| (two[0].changed_at, two[0].id) < (two[1].changed_at, two[1].id)));
    assert_eq!(seen.iter().map(|leg| leg.id).collect::<BTreeSet<_>>(), made);
    assert_eq!(seen.len(), 25);
    assert!(seen[20..].iter().all(|leg| leg.state == Voided), "what changed last comes last");
    let first = seen[0].changed_at;
    assert!(bank.ledger.legs_changed(At::before(first), first, 7).await.unwrap().is_empty(), "the end is not in it");
    assert_eq!(bank.ledger.legs_changed(At::before(first), end, 1).await.unwrap()[0].id, seen[0].id);
    assert_eq!(bank.ledger.legs_held(At::before(first), end, 100).await.unwrap().len(), 20);
    bank.end().await;
}

async fn everything_is_there_after_a_restart(bank: Bank) {
    let (account, held, posted) = (bank.account_with(1_000).await, bank.leg_id(), bank.leg_id());
    bank.hold(held, account, 300).await.unwrap();
    bank.hold(posted, account, 200).await.unwrap();
    bank.post(posted).await.unwrap();
    let before = (bank.ledger.leg(held).await.unwrap(), bank.ledger.account(account).await.unwrap());
    let bank = bank.restart().await;
    assert_eq!((bank.ledger.leg(held).await.unwrap(), bank.ledger.account(account).await.unwrap()), before);
    assert_eq!(bank.hold(held, account, 300).await, Ok(Held));
    assert_eq!(bank.post(held).await, Ok(Posted));
    assert_eq!(bank.available(account).await, 500);
    bank.end().await;
}

async fn transfers_cannot_be_changed(bank: Bank) {
    let account = bank.account_with(1_000).await;
    for sql in ["UPDATE transfers SET amount_minor = amount_minor + 1", "DELETE FROM transfers"] {
        let mut tx = bank.store.begin().await.unwrap();
        let refused = tx.execute(sql, Vec::new()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(bank.available(account).await, 1_000);
    bank.end().await;
}

async fn the_check_of_the_books_finds_what_was_tampered_with(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    bank.hold(leg, account, 300).await.unwrap();
    let report = crate::check_books(&bank.store).await.unwrap();
    assert!(report.is_right() && report.held_legs == 1 && report.legs == 1, "{report:?}");
    assert!(report.by_currency["CNY"].is_balanced());
    for (sql, finds) in [
        ("UPDATE accounts SET credits_posted_minor = credits_posted_minor + 1 WHERE kind = 'CUSTOMER_DEPOSIT'", 2),
        ("UPDATE accounts SET credits_posted_minor = credits_posted_minor - 1 WHERE kind = 'CUSTOMER_DEPOSIT'", 0),
        ("UPDATE legs SET state = 'POSTED'", 1),
        ("UPDATE legs SET state = 'HELD', refunded_minor = 1", 1),
        ("DELETE FROM legs", 1),
    ] {
        let mut tx = bank.store.begin().await.unwrap();
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let report = crate::check_books(&bank.store).await.unwrap();
        assert_eq!(report.faults.len(), finds, "{sql}: {report:?}");
    }
    bank.close().await;
}

async fn the_log_says_who_did_what_at_the_counter(bank: Bank) {
    let account = bank.account_with(1_000).await;
    bank.freeze(account, true).await;
    bank.freeze(account, false).await;
    let chain = server_kit::audit::verify(&bank.store, &*bank.keys).await.unwrap().remove(0).chain;
    let mut log = server_kit::audit::read_chain(&bank.store, &chain).await.unwrap();
    log.retain(|entry| entry.subject == account.uuid());
    let kinds: Vec<&str> = log.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["account.opened", "account.deposited", "account.frozen", "account.unfrozen"]);
    assert!(log.iter().all(|entry| entry.content.ends_with(" by=operator/teller")));
    bank.end().await;
}

async fn the_end_of_the_log_is_signed_when_the_node_stops(bank: Bank) {
    bank.account_with(1_000).await;
    let bank = bank.restart().await;
    let mut tx = bank.store.begin().await.unwrap();
    tx.execute("DELETE FROM audit_log WHERE seq > 1", Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    let chains = server_kit::audit::verify(&bank.store, &*bank.keys).await.unwrap();
    assert_eq!(chains[0].faults, ["the chain ends at entry 1, but a head was signed at entry 2"], "M8");
    bank.close().await;
}

async fn stored_decisions_can_be_decided_again(bank: Bank) {
    let account = bank.account_with(1_000).await;
    for minor in [300, 701, 700] {
        let leg = bank.leg_id();
        bank.hold(leg, account, minor).await.unwrap();
        let stored = bank.ledger.leg(leg).await.unwrap();
        let again = route(&Facts::parse(&stored.decision).unwrap());
        match stored.state {
            Held => assert_eq!(again, Ok(stored.splits)),
            state => assert_eq!(again.err(), state.refusal()),
        }
    }
    bank.end().await;
}
