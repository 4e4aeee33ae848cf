//! Cash paid in over the terminal's call, to a bank that is played.

use std::time::Duration;

use domain::payment::{Policy, State, TopUpLimits};
use domain::{AccountId, Reason};
use futures_util::future::join_all;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal::terminal_service_server::TerminalService as _;
use proto::{bank, operator, terminal as pb};
use server_kit::identity::Role;
use tonic::Status;

use super::shop::{Shop, at_once, cny, refusal};
use crate::testing::bank::Play;
use crate::testing::{TestHub, from_member, on_each_engine, reason};

const PHONE: &str = "+8613800138000";

fn request(shop: &Shop, minor: i64) -> pb::CreateTopUpRequest {
    pb::CreateTopUpRequest {
        payment_id: shop.hub.id().to_string(),
        phone_number: PHONE.to_owned(),
        amount: Some(cny(minor)),
        merchant_reference: String::new(),
    }
}

async fn ask_at(shop: &Shop, till: &str, request: &pb::CreateTopUpRequest) -> Result<pb::Payment, Status> {
    let answer = shop.terminal.create_top_up(from_member(Role::Terminal, till, request.clone())).await;
    answer.map(|answer| answer.into_inner().payment.unwrap())
}

async fn ask(shop: &Shop, request: &pb::CreateTopUpRequest) -> Result<pb::Payment, Status> {
    ask_at(shop, "till-1", request).await
}

/// Somebody with an account, active or not.
async fn payee(shop: &Shop, active: bool) -> (String, AccountId) {
    let person = shop.person(PHONE).await;
    let account = AccountId::from_uuid(shop.hub.id());
    let mut tx = shop.hub.store.begin().await.unwrap();
    let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, is_default, bound_at) \
               VALUES ('bank-a', $1, 1, 'ACCOUNT', $2, '****4821', $3, 1, 0)";
    let id = domain::PersonId::parse(&person).unwrap().uuid();
    tx.execute(sql, vec![account.uuid().into(), id.into(), i64::from(active).into()]).await.unwrap();
    tx.commit().await.unwrap();
    (person, account)
}

async fn taken(hub: &TestHub, holder: &str) -> i64 {
    let sql = "SELECT taken_minor FROM cash_taken WHERE holder = $1";
    hub.store.fetch_one(sql, vec![holder.into()]).await.unwrap().map_or(0, |row| row.int(0).unwrap())
}

#[tokio::test]
async fn m3_cash_is_credited_once_told_and_no_purchase() {
    for active in [true, false] {
        on_each_engine(async |hub| {
            let shop = Shop::open(&hub, Policy::default()).await;
            let (person, account) = payee(&shop, active).await;
            let asked = request(&shop, 10_000);
            let paid = ask(&shop, &asked).await.unwrap();
            assert_eq!((paid.state(), paid.nature()), (pb::PaymentState::Approved, proto::common::Nature::TopUp));
            assert_eq!((paid.bank_id.as_str(), paid.account_masked.as_str()), ("bank-a", "****4821"));
            shop.until(&paid.payment_id, State::Posted).await;
            assert_eq!(ask(&shop, &asked).await.unwrap().state(), pb::PaymentState::Approved);
            let [hold] = shop.bank.holds().try_into().unwrap();
            assert_eq!(hold.payer, Some(bank::hold::Payer::AccountId(account.to_string())));
            assert_eq!((hold.nature(), shop.bank.moved()), (proto::common::Nature::TopUp, 10_000));
            assert_eq!(shop.told(&person).await, ["PAID_IN"], "{}", hub.engine);
            assert_eq!(shop.feed(&person, 1).await[0].kind.name(), "PAID_IN");
            assert_eq!(shop.count("SELECT count(*) FROM purchases").await, 0);
            let other = pb::CreateTopUpRequest { amount: Some(cny(10_001)), ..asked.clone() };
            assert_eq!(reason(ask(&shop, &other).await), Reason::PaymentIdTaken);
            assert_eq!(reason(ask_at(&shop, "till-2", &asked).await), Reason::PaymentIdTaken);
            // It may be spent by now: what has come in stays in.
            assert_eq!(reason(shop.reverse(&paid.payment_id, 10_000).await), Reason::NotReversible);
            assert_eq!(reason(shop.refund(&paid.payment_id, 1).await), Reason::NotRefundable);
            shop.all_is_well().await;
        })
        .await;
    }
}

#[tokio::test]
async fn m3_who_cannot_be_paid_cash_is_refused_and_no_bank_is_asked() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let refused = async |request: &pb::CreateTopUpRequest, why: Reason| {
            let payment = ask(&shop, request).await.unwrap();
            assert_eq!((payment.state(), refusal(&payment)), (pb::PaymentState::Declined, why));
        };
        refused(&request(&shop, 100), Reason::NumberNotServed).await;
        payee(&shop, true).await;
        refused(&request(&shop, 500_001), Reason::TopUpTooLarge).await;
        for (what, request, expected) in [
            ("no id", pb::CreateTopUpRequest { payment_id: "7".into(), ..request(&shop, 1) }, Reason::IdMalformed),
            (
                "no number",
                pb::CreateTopUpRequest { phone_number: "138".into(), ..request(&shop, 1) },
                Reason::PhoneNumberMalformed,
            ),
            ("nothing", request(&shop, 0), Reason::AmountNotPositive),
            ("less than nothing", request(&shop, -1), Reason::AmountNotPositive),
            ("no amount", pb::CreateTopUpRequest { amount: None, ..request(&shop, 1) }, Reason::FieldMissing),
            (
                "a reference of two lines",
                pb::CreateTopUpRequest { merchant_reference: "a\nb".into(), ..request(&shop, 1) },
                Reason::TextMalformed,
            ),
        ] {
            assert_eq!(reason(ask(&shop, &request).await), expected, "{what}");
        }
        let by_bank = shop.terminal.create_top_up(from_member(Role::Bank, "bank-a", request(&shop, 1))).await;
        assert_eq!(reason(by_bank), Reason::RoleNotAllowed);
        let suspend = operator::SetTerminalSuspendedRequest { terminal_id: "till-1".to_owned(), suspended: true };
        shop.operator.set_terminal_suspended(from_member(Role::Operator, "anna", suspend)).await.unwrap();
        assert_eq!(reason(ask(&shop, &request(&shop, 1)).await), Reason::TerminalSuspended);
        assert!(shop.bank.holds().is_empty(), "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_a_day_has_so_much_cash_for_a_person_and_at_a_terminal_also_when_all_come_at_once() {
    on_each_engine(async |hub| {
        let limits = TopUpLimits { once_minor: 1_000, person_day_minor: 3_000, terminal_day_minor: 3_500 };
        let shop = Shop::open(&hub, Policy { top_ups: limits, ..Policy::default() }).await;
        let (person, _) = payee(&shop, true).await;
        let asked: Vec<_> = (0..8).map(|_| request(&shop, 700)).collect();
        let paid = join_all(asked.iter().map(|request| ask(&shop, request))).await;
        let states: Vec<_> = paid.into_iter().map(|payment| payment.unwrap()).collect();
        let approved = states.iter().filter(|payment| payment.state() == pb::PaymentState::Approved).count();
        assert_eq!(approved, 4, "{}", hub.engine);
        for declined in states.iter().filter(|payment| payment.state() != pb::PaymentState::Approved) {
            assert_eq!(refusal(declined), Reason::TopUpsExhausted);
        }
        shop.until_nothing_is_due().await;
        assert_eq!(shop.bank.moved(), 2_800);
        assert_eq!(taken(&hub, &format!("person/{person}/CNY")).await, 2_800);
        assert_eq!(taken(&hub, "terminal/till-1/CNY").await, 2_800);
        // What the bank refuses counts no more, and what the hub refuses never did.
        shop.bank.play(&[Play::Refuse(Reason::AccountClosed)]);
        let refused = ask(&shop, &request(&shop, 200)).await.unwrap();
        assert_eq!(refusal(&refused), Reason::AccountClosed);
        assert_eq!(taken(&hub, "terminal/till-1/CNY").await, 2_800);
        assert_eq!(ask_at(&shop, "till-2", &request(&shop, 200)).await.unwrap().state(), pb::PaymentState::Approved);
        assert_eq!(taken(&hub, &format!("person/{person}/CNY")).await, 3_000);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_a_top_up_whose_answers_are_lost_is_carried_on_and_credited_once() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let (person, _) = payee(&shop, true).await;
        shop.bank.play(&[Play::LoseAnswer, Play::LoseCall, Play::LoseAnswer]);
        let pending = ask(&shop, &request(&shop, 5_000)).await.unwrap();
        shop.sweep();
        shop.until(&pending.payment_id, State::Posted).await;
        assert_eq!((shop.bank.moved(), shop.bank.held()), (5_000, 0), "{}", hub.engine);
        assert_eq!(shop.told(&person).await, ["PAID_IN"]);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_a_hub_killed_in_the_middle_of_a_top_up_credits_it_once() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let (person, _) = payee(&shop, true).await;
        shop.bank.play(&[Play::LoseAnswer]);
        let asked = request(&shop, 5_000);
        assert_eq!(ask(&shop, &asked).await.unwrap().state(), pb::PaymentState::Pending);
        let next = shop.killed(at_once()).await;
        next.sweep();
        next.until(&asked.payment_id, State::Posted).await;
        assert_eq!(ask(&next, &asked).await.unwrap().state(), pb::PaymentState::Approved);
        assert_eq!((next.bank.moved(), next.told(&person).await.len()), (5_000, 1), "{}", hub.engine);
        next.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_a_top_up_is_reversed_until_it_is_approved_and_before_it_comes() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy { decide_within: Duration::from_secs(600), ..Policy::default() }).await;
        payee(&shop, true).await;
        let early = request(&shop, 700);
        assert_eq!(shop.reverse(&early.payment_id, 700).await.unwrap().state(), pb::PaymentState::Reversed);
        assert_eq!(ask(&shop, &early).await.unwrap().state(), pb::PaymentState::Reversed);
        shop.bank.play(&[Play::LoseAnswer]);
        let pending = ask(&shop, &request(&shop, 800)).await.unwrap();
        assert_eq!(pending.state(), pb::PaymentState::Pending);
        assert_eq!(taken(&hub, "terminal/till-1/CNY").await, 800);
        assert_eq!(reason(shop.reverse(&pending.payment_id, 801).await), Reason::ReversalAmountMismatch);
        assert_eq!(shop.reverse(&pending.payment_id, 800).await.unwrap().state(), pb::PaymentState::Declined);
        shop.until(&pending.payment_id, State::Aborted).await;
        assert_eq!((shop.bank.moved(), shop.bank.held()), (0, 0), "{}", hub.engine);
        assert_eq!(taken(&hub, "terminal/till-1/CNY").await, 0);
        shop.all_is_well().await;
    })
    .await;
}
