//! What a terminal finds out about numbers: no more than its budget allows, and nothing by how long an answer takes.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::{PhoneNumber, Reason};
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal as pb;
use proto::terminal::terminal_service_server::TerminalService as _;
use server_kit::clock::Stopwatch;
use server_kit::identity::Role;
use tonic::Status;

use super::shop::{Shop, at_once, cny, refusal};
use crate::lookups::LookupsConfig;
use crate::testing::bank::PlayedBank;
use crate::testing::{from_member, on_each_engine, reason};

const KNOWN: &str = "+8613800138000";
const INACTIVE: &str = "+8613800138001";

fn small() -> LookupsConfig {
    LookupsConfig {
        terminal_burst: 100,
        terminal_per_hour: NonZeroU32::MIN,
        merchant_burst: 0,
        ..LookupsConfig::default()
    }
}

fn request(shop: &Shop, phone: &str) -> pb::CreatePaymentRequest {
    pb::CreatePaymentRequest {
        payment_id: shop.hub.id().to_string(),
        payer: Some(pb::create_payment_request::Payer::PhoneNumber(phone.to_owned())),
        amount: Some(cny(100)),
        ..pb::CreatePaymentRequest::default()
    }
}

async fn ask(shop: &Shop, till: &str, request: &pb::CreatePaymentRequest) -> Result<pb::Payment, Status> {
    let answer = shop.terminal.create_payment(from_member(Role::Terminal, till, request.clone())).await;
    answer.map(|answer| answer.into_inner().payment.unwrap())
}

/// A number that nobody has.
fn nobody(n: usize) -> String {
    format!("+86139{n:08}")
}

#[tokio::test]
async fn m4_a_terminal_that_has_used_its_budget_up_is_told_the_same_of_every_number() {
    on_each_engine(async |hub| {
        let shop = Shop::open_budgeted(&hub, small()).await;
        shop.holder().await;
        shop.person(INACTIVE).await;
        let first = request(&shop, &nobody(0));
        for n in 0..4 {
            let asked = if n == 0 { first.clone() } else { request(&shop, &nobody(n)) };
            assert_eq!(refusal(&ask(&shop, "till-1", &asked).await.unwrap()), Reason::PayerUnavailable);
        }
        let fifth = ask(&shop, "till-1", &request(&shop, INACTIVE)).await.unwrap();
        assert_eq!(refusal(&fifth), Reason::PayerUnavailable, "{}", hub.engine);
        let payments = shop.count("SELECT count(*) FROM payments").await;
        for phone in [KNOWN, INACTIVE, &nobody(0), &nobody(9)] {
            let refused = ask(&shop, "till-1", &request(&shop, phone)).await.unwrap_err();
            let said = (proto::reason_of(&refused), refused.message().to_owned());
            let wanted = (Some(Reason::LookupsExhausted), Reason::LookupsExhausted.english().to_owned());
            assert_eq!(said, wanted, "{}: {phone}", hub.engine);
        }
        assert_eq!(shop.count("SELECT count(*) FROM payments").await, payments, "nothing is stored of them");
        let again = ask(&shop, "till-1", &first).await.unwrap();
        assert_eq!(refusal(&again), Reason::PayerUnavailable, "what was asked before has its answer");
        let other = pb::CreatePaymentRequest { amount: Some(cny(200)), ..first };
        assert_eq!(reason(ask(&shop, "till-1", &other).await), Reason::PaymentIdTaken);
        let known = ask(&shop, "till-2", &request(&shop, KNOWN)).await.unwrap();
        assert_eq!(known.state(), pb::PaymentState::AwaitingCode, "{}: others go on", hub.engine);

        let fill = proto::operator::FillLookupBudgetRequest { scope: "TERMINAL".to_owned(), id: "till-1".to_owned() };
        shop.operator.fill_lookup_budget(from_member(Role::Operator, "anna", fill.clone())).await.unwrap();
        assert_eq!(
            refusal(&ask(&shop, "till-1", &request(&shop, &nobody(7))).await.unwrap()),
            Reason::PayerUnavailable
        );
        for (scope, id, wanted) in [
            ("TERMINAL", "till-9", Reason::LookupBudgetUnknown),
            ("PHONE", "till-1", Reason::FieldUnknown),
            ("BANK", "Bank A", Reason::NameMalformed),
        ] {
            let fill = proto::operator::FillLookupBudgetRequest { scope: scope.to_owned(), id: id.to_owned() };
            let refused = shop.operator.fill_lookup_budget(from_member(Role::Operator, "anna", fill)).await;
            assert_eq!(reason(refused), wanted, "{scope} {id}");
        }
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m4_what_operators_see_of_budgets_comes_in_pages() {
    on_each_engine(async |hub| {
        let shop = Shop::open_budgeted(&hub, LookupsConfig { merchant_burst: 100, ..small() }).await;
        for till in ["till-1", "till-2"] {
            ask(&shop, till, &request(&shop, &nobody(1))).await.unwrap();
        }
        let list = async |page_size: i32, page_token: &str, only_dry: bool| {
            let asked =
                proto::operator::ListLookupBudgetsRequest { only_dry, page_size, page_token: page_token.to_owned() };
            shop.operator.list_lookup_budgets(from_member(Role::Operator, "anna", asked)).await
        };
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = list(1, &token, false).await.unwrap().into_inner();
            assert_eq!(page.budgets.len(), 1);
            seen.extend(page.budgets.iter().map(|it| format!("{} {} {}/{}", it.scope, it.id, it.left, it.burst)));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let wanted = ["MERCHANT noodles 20/100", "TERMINAL till-1 20/100", "TERMINAL till-2 20/100"];
        assert_eq!(seen, wanted, "{}", hub.engine);
        assert!(list(0, "", true).await.unwrap().into_inner().budgets.is_empty(), "none is dry");
        assert_eq!(reason(list(201, "", false).await), Reason::PageSizeOutOfRange);
        assert_eq!(reason(list(1, "till-1", false).await), Reason::PageTokenMalformed);
    })
    .await;
}

#[tokio::test]
async fn m4_payments_give_back_what_look_ups_cost_once_for_each() {
    on_each_engine(async |hub| {
        // One miss is all there is: a hit costs ten of it, and a payment gives thirty back.
        let config = LookupsConfig { terminal_burst: 40, hit: 10, miss: 40, paid: 30, ..small() };
        let shop = Shop::open_budgeted(&hub, config).await;
        shop.holder().await;
        let phone = PhoneNumber::parse(KNOWN).unwrap();
        let paid = shop.pay_by_phone(&phone, 100).await;
        assert_eq!(paid.state(), pb::PaymentState::Approved, "{}", hub.engine);
        let missed = ask(&shop, "till-1", &request(&shop, &nobody(1))).await.unwrap();
        assert_eq!(refusal(&missed), Reason::PayerUnavailable, "{}: all forty are there again", hub.engine);
        let refused = ask(&shop, "till-1", &request(&shop, &nobody(2))).await;
        assert_eq!(reason(refused), Reason::LookupsExhausted);
    })
    .await;
}

/// How often the first of two groups is the slower one, half for a tie: one half when both take the same time (Mann and Whitney).
fn slower(first: &[Duration], second: &[Duration]) -> f64 {
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (a, b)));
    let score = |(a, b): (&Duration, &Duration)| match a.cmp(b) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    pairs.map(score).sum::<f64>() / (first.len() * second.len()) as f64
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

const ROUNDS: usize = 250;

#[tokio::test]
async fn m4_an_unknown_number_takes_as_long_as_one_that_cannot_pay() {
    on_each_engine(async |hub| {
        let none = LookupsConfig { terminal_burst: 0, merchant_burst: 0, ..LookupsConfig::default() };
        let shop = Shop::open_budgeted(&hub, none).await;
        for n in 0..ROUNDS {
            shop.person(&format!("+86137{n:08}")).await;
        }
        let (mut unknown, mut inactive) = (Vec::new(), Vec::new());
        for n in 0..ROUNDS {
            let mut pair = [(nobody(n), &mut unknown), (format!("+86137{n:08}"), &mut inactive)];
            // In turn, so that whatever else the machine does falls on both.
            if n % 2 == 0 {
                pair.reverse();
            }
            for (phone, times) in pair {
                let asked = request(&shop, &phone);
                let watch = Stopwatch::start();
                let answer = ask(&shop, "till-1", &asked).await;
                times.push(watch.elapsed());
                assert_eq!(refusal(&answer.unwrap()), Reason::PayerUnavailable);
            }
        }
        let (rank, medians) = (slower(&unknown, &inactive), (median(&unknown), median(&inactive)));
        // By chance alone the share lies within 0.026 of one half in two of three runs.
        assert!((0.30..=0.70).contains(&rank), "{}: {rank}, medians {medians:?}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m4_a_second_replica_of_the_hub_gives_a_terminal_no_second_budget() {
    on_each_engine(async |hub| {
        let shop = Shop::open_budgeted(&hub, small()).await;
        let bank = PlayedBank::default();
        let second = Shop::budgeted(&hub, &bank, ("hub-2", at_once()), small()).await;
        let mut answered = 0;
        for n in 0..40 {
            let shop = if n % 2 == 0 { &shop } else { &second };
            answered += usize::from(ask(shop, "till-1", &request(shop, &nobody(n))).await.is_ok());
        }
        assert_eq!(answered, 5, "{}: a hundred tokens at twenty each", hub.engine);
    })
    .await;
}
