//! A card at one bank is repaid from an account at another (R8, C7), with real processes that are killed wherever it hurts.

use std::process::Stdio;
use std::time::Duration;

use bankhub::phone::PhoneError;
use bankhub::trial::Federation;
use domain::payment::Instrument;
use domain::repayment::Form;
use domain::{BankId, Currency, Money, Reason};
use federation_tests::databases::Engine;
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::cardholder as pb;
use proto::cardholder::event::Kind;
use proto::common;
use tokio::process::Command;

const OWED: i64 = 30_000;
const BALANCE: i64 = 50_000;

async fn world(engine: Engine) -> World {
    Setup::on(engine).with_banks(&["bank-a", "bank-b"]).with_cards().start().await
}

macro_rules! on_both_engines {
    ($($name:ident => $case:ident;)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$case(super::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if super::Engine::Postgres.is_there() {
                    super::$case(super::Engine::Postgres).await;
                }
            })*
        }
    };
}

on_both_engines! {
    r8_c7_a_card_is_repaid_from_another_banks_account_and_both_books_agree => from_elsewhere;
    r8_what_either_bank_will_not_have_moves_nothing_and_it_is_said_why => refused;
    r8_a_bank_that_is_away_costs_nobody_anything => bank_away;
}

async fn from_elsewhere(engine: Engine) {
    let world = world(engine).await;
    let debtor = world.debtor(BALANCE, OWED).await;
    let device = &debtor.holder.device;
    let form = debtor.form(OWED);
    let (id, signed) = (form.id.to_string(), debtor.sign(&form));
    let sent = join_all((0..100).map(|_| device.create_repayment(&signed))).await;
    assert!(sent.iter().all(|answer| answer.as_ref().is_ok_and(|it| it.repayment_id == id)), "{sent:?}");
    let repaid = debtor.insist(&signed).await;
    assert_eq!((repaid.state(), &repaid.refusal), (pb::RepaymentState::Approved, &None));
    assert_eq!(repaid.amount.as_ref().unwrap().minor_units, OWED);
    world.comes_to_stand(&debtor, OWED).await;

    // The feed tells of it once, and it is no purchase.
    let mut feed = debtor.holder.feed();
    let told = bounded("the feed", World::HEALING, async {
        loop {
            if let Kind::PaidIn(paid_in) = feed.next().await.unwrap().kind.unwrap() {
                return paid_in;
            }
        }
    });
    let told = told.await;
    assert_eq!((told.nature(), told.bank_id.as_str()), (common::Nature::Repayment, "bank-b"));
    assert!(told.merchant.unwrap().display_name.starts_with("Bank A ****"));
    let purchases = device.payments(50, "").await.unwrap().purchases;
    assert_eq!(purchases.len(), 1, "what was bought with the card, and nothing else: {purchases:?}");

    // Within one bank, from one side of the card to the other, and while the card is frozen.
    let counter = world.counter("bank-b").await;
    counter.deposit(debtor.holder.card.debit, Money::new(Currency::CNY, 1_000)).await.unwrap();
    let form = debtor.form(1_000);
    let own = debtor.insist(&debtor.sign(&Form { from: form.to.clone(), ..form })).await;
    assert_eq!(own.state(), pb::RepaymentState::Approved, "{own:?}");
    counter.freeze_card(debtor.holder.card.id, true).await.unwrap();
    let frozen = debtor.insist(&debtor.sign(&debtor.form(2_000))).await;
    assert_eq!(frozen.state(), pb::RepaymentState::Approved, "{frozen:?}");
    assert_eq!(device.repayments(50, "").await.unwrap().repayments.len(), 3);
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), OWED, "what was bought; what one bank lost the other one got");
}

async fn refused(engine: Engine) {
    let world = world(engine).await;
    let debtor = world.debtor(BALANCE, 0).await;
    let declined = async |form: Form| {
        let answer = debtor.insist(&debtor.sign(&form)).await;
        assert_eq!(answer.state(), pb::RepaymentState::Declined, "{answer:?}");
        (answer.refusal.clone().unwrap().reason, answer.refused_by())
    };
    let (paying, receiving) = (pb::RepaymentSide::Paying, pb::RepaymentSide::Receiving);
    let says = |reason: Reason, side| (reason.code().to_owned(), side);
    assert_eq!(declined(debtor.form(BALANCE + 1)).await, says(Reason::InsufficientFunds, paying));
    let yen = Form { amount: Money::new(Currency::parse("JPY").unwrap(), 100), ..debtor.form(1) };
    let (reason, _) = declined(yen).await;
    assert_eq!(reason, Reason::CurrencyMismatch.code());
    // Nothing is owed, and the bank keeps at most the limit to its holder's credit.
    let more = world.counter("bank-a").await;
    more.deposit(debtor.account, Money::new(Currency::CNY, 100_000)).await.unwrap();
    assert_eq!(declined(debtor.form(100_001)).await, says(Reason::RepaymentTooLarge, receiving));
    more.freeze(debtor.account, true).await.unwrap();
    assert_eq!(declined(debtor.form(100)).await, says(Reason::AccountFrozen, paying));
    more.freeze(debtor.account, false).await.unwrap();
    world.counter("bank-b").await.close_card(debtor.holder.card.id).await.unwrap();
    assert_eq!(declined(debtor.form(100)).await, says(Reason::CardClosed, receiving));
    // A card without money on its debit side does not pay with its credit.
    let form = debtor.form(100);
    assert_eq!(declined(Form { from: form.to.clone(), ..form }).await.1, paying);

    let send = async |form: &Form| debtor.holder.device.create_repayment(&debtor.sign(form)).await;
    let refused = async |form: Form| send(&form).await.unwrap_err().reason();
    let stranger = world.payer("bank-a", 1_000).await;
    let mut theirs = debtor.form(100);
    theirs.from.instrument = Instrument::Account(stranger.person.account);
    assert_eq!(refused(theirs).await, Some(Reason::InstrumentUnknown));
    let mut elsewhere = debtor.form(100);
    elsewhere.to.bank_id = BankId::parse("bank-a").unwrap();
    assert_eq!(refused(elsewhere).await, Some(Reason::InstrumentUnknown));
    let form = debtor.form(100);
    assert_eq!(refused(Form { to: form.from.clone(), ..form }).await, Some(Reason::RepaymentSameAccount));
    // What another phone has signed.
    let other = stranger.person.device.sign_repayment(&debtor.form(100)).unwrap();
    let error: PhoneError = debtor.holder.device.create_repayment(&other).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::NotYours));
    let error = stranger.person.device.create_repayment(&other).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::InstrumentUnknown), "it is not bound to this person");
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), 0);
}

async fn bank_away(engine: Engine) {
    let mut world = world(engine).await;
    let debtor = world.debtor(BALANCE, OWED).await;
    for (bank, side) in [("bank-b", pb::RepaymentSide::Receiving), ("bank-a", pb::RepaymentSide::Paying)] {
        world.server(bank).kill().await.unwrap();
        let answer = debtor.insist(&debtor.sign(&debtor.form(OWED))).await;
        assert_eq!((answer.state(), answer.refused_by()), (pb::RepaymentState::Declined, side), "{answer:?}");
        assert_eq!(answer.refusal.unwrap().reason, Reason::DecisionTimedOut.code());
        world.server(bank).start().await.unwrap();
        world.comes_to_stand(&debtor, 0).await;
    }
    let answer = debtor.insist(&debtor.sign(&debtor.form(OWED))).await;
    assert_eq!(answer.state(), pb::RepaymentState::Approved, "{answer:?}");
    world.comes_to_stand(&debtor, OWED).await;
    world.settled().await;
}

/// Whatever dies at a point, the money is at one bank or at the other.
async fn killed_at(engine: Engine, server: &str, point: &str, minor: i64) {
    if !engine.is_there() {
        return;
    }
    let mut world = world(engine).await;
    let debtor = world.debtor(BALANCE, OWED).await;
    world.arm(server, point, 1).await;
    let signed = debtor.sign(&debtor.form(minor));
    let (answer, ()) = tokio::join!(debtor.insist(&signed), world.rise_again(server));
    let affordable = minor <= BALANCE;
    let expected = if affordable { pb::RepaymentState::Approved } else { pb::RepaymentState::Declined };
    assert_eq!(answer.state(), expected, "{server} {point}: {answer:?}");
    world.comes_to_stand(&debtor, if affordable { minor } else { 0 }).await;
    assert_eq!(debtor.insist(&signed).await.state(), expected, "an answer stands");
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), OWED, "{server} {point}");
}

macro_rules! kill {
    ($($name:ident: $server:literal $point:literal $minor:expr;)*) => {
        mod killed_on_sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Sqlite, $server, $point, $minor).await;
            })*
        }
        mod killed_on_postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Postgres, $server, $point, $minor).await;
            })*
        }
    };
}

kill! {
    r8_a_hub_killed_before_it_has_taken_it_in: "hub-1" "repayment.taken.before" OWED;
    r8_a_hub_killed_after_it_has_taken_it_in: "hub-1" "repayment.taken.after" OWED;
    r8_a_hub_killed_before_it_has_asked_the_banks: "hub-1" "repayment.hold.before" OWED;
    r8_a_hub_killed_after_both_banks_hold: "hub-1" "repayment.hold.after" OWED;
    r8_a_hub_killed_before_the_commit_point: "hub-1" "repayment.held.before" OWED;
    r8_a_hub_killed_after_the_commit_point: "hub-1" "repayment.held.after" OWED;
    r8_a_hub_killed_before_it_has_noted_the_posts: "hub-1" "repayment.posted.before" OWED;
    r8_a_hub_killed_after_it_has_noted_the_posts: "hub-1" "repayment.posted.after" OWED;
    r8_a_hub_killed_before_it_has_given_up: "hub-1" "repayment.aborting.before" BALANCE + 1;
    r8_a_hub_killed_after_it_has_given_up: "hub-1" "repayment.aborting.after" BALANCE + 1;
    r8_a_hub_killed_before_it_has_noted_the_voids: "hub-1" "repayment.voided.before" BALANCE + 1;
    r8_the_paying_bank_killed_before_it_holds: "bank-a" "D3.before" OWED;
    r8_the_paying_bank_killed_after_it_holds: "bank-a" "D3.after" OWED;
    r8_the_paying_bank_killed_before_it_posts: "bank-a" "D5.before" OWED;
    r8_the_paying_bank_killed_after_it_has_posted: "bank-a" "D5.after" OWED;
    r8_the_receiving_bank_killed_before_it_holds: "bank-b" "D3.before" OWED;
    r8_the_receiving_bank_killed_after_it_holds: "bank-b" "D3.after" OWED;
    r8_the_receiving_bank_killed_before_it_posts: "bank-b" "D5.before" OWED;
    r8_the_receiving_bank_killed_after_it_has_posted: "bank-b" "D5.after" OWED;
    r8_the_receiving_bank_killed_before_it_releases: "bank-b" "void.before" BALANCE + 1;
    r8_the_receiving_bank_killed_after_it_has_released: "bank-b" "void.after" BALANCE + 1;
}

#[tokio::test]
async fn r8_links_that_are_cut_and_mended_lose_no_repayment() {
    let world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).with_cards().interposed().start().await;
    let debtor = world.debtor(BALANCE, OWED).await;
    let signed: Vec<_> = (1..=8).map(|n| debtor.sign(&debtor.form(n * 100))).collect();
    let cutting = async {
        for bank in ["bank-b", "bank-a", "bank-b", "bank-a"] {
            let relay = world.relay(bank);
            relay.hold_back();
            tokio::time::sleep(Duration::from_millis(700)).await;
            relay.cut();
            relay.let_pass();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (answers, ()) = tokio::join!(join_all(signed.iter().map(|signed| debtor.insist(signed))), cutting);
    let approved = answers.iter().filter(|it| it.state() == pb::RepaymentState::Approved);
    let moved = approved.map(|it| it.amount.as_ref().unwrap().minor_units).sum();
    world.comes_to_stand(&debtor, moved).await;
    world.settled().await;
}

/// The program, as somebody types it.
async fn typed(federation: &Federation, dir: &std::path::Path, words: &[&str], fault: &str) -> (Option<i32>, String) {
    let mut command = Command::new(federation_tests::bankhub());
    command.args(["phone", "--dir"]).arg(dir).args(words).stdin(Stdio::null());
    command.env(server_kit::fault::ENVIRONMENT, fault).current_dir(federation.folder());
    let done = bounded("the program", World::HEALING, command.output()).await.unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn r8_a_phone_that_dies_with_what_it_has_signed_asks_for_the_same_again() {
    let world = world(Engine::Sqlite).await;
    let debtor = world.debtor(BALANCE, OWED).await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("phone");
    let federation = &world.federation;
    let code = federation.operator().unwrap().enrolment_code(debtor.holder.person).await.unwrap().enrolment_code;
    let (hub, ca) = (federation.hub_endpoint().unwrap(), federation.authority_certificate());
    let number = debtor.holder.phone.as_e164();
    let enrol = ["enrol", number, "--hub", &hub, "--ca", ca.to_str().unwrap(), "--code", &code, "--keep-password"];
    let enrol = [&enrol[..], &["--federation", federation.name()]].concat();
    let (status, said) = typed(federation, &dir, &enrol, "").await;
    assert_eq!(status, Some(0), "{said}");
    let repay = ["repay", "--from", "bank-a", "--to", "bank-b", "--amount", "300.00"];
    for (point, kept) in [("D0.before", false), ("D0.after", true)] {
        assert_eq!(typed(federation, &dir, &repay, point).await.0, None, "it dies at {point}");
        assert_eq!(dir.join("data/repayment").exists(), kept, "{point}");
    }
    let (status, said) = typed(federation, &dir, &repay, "").await;
    assert_eq!(status, Some(2), "not a second one: {said}");
    let (status, said) = typed(federation, &dir, &["repay", "--resume"], "").await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("approved") && said.contains("300.00 CNY"), "{said}");
    world.comes_to_stand(&debtor, OWED).await;
    assert_eq!(typed(federation, &dir, &["repay", "--resume"], "").await.0, Some(0));
    let (status, said) =
        typed(federation, &dir, &["repay", "--from", "bank-a", "--to", "bank-b", "--statement"], "").await;
    assert_eq!(status, Some(2), "there is no bill: {said}");
    let too_much = ["repay", "--from", "bank-a", "--to", "bank-b", "--amount", "900"];
    let (status, said) = typed(federation, &dir, &too_much, "").await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("INSUFFICIENT_FUNDS") && said.contains("bank-a"), "{said}");
    let (status, said) = typed(federation, &dir, &["repayments"], "").await;
    assert!(status == Some(0) && said.contains("approved") && said.contains("declined"), "{said}");
    let (status, said) = typed(federation, &dir, &["instruments"], "").await;
    assert!(status == Some(0) && said.contains("Bank A") && said.contains("622848"), "{said}");
    let gone = async || (!dir.join("data/repayment").exists()).then_some(());
    until("nothing left to ask for", World::HEALING, gone).await;
    world.settled().await;
}
