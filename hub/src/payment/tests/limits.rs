//! Limits on payments, over the calls of terminals and operators, with two replicas.

use domain::payment::State;
use domain::{PhoneNumber, Reason};
use proto::common::Nature;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal::PaymentState;
use proto::terminal::terminal_service_server::TerminalService as _;
use server_kit::identity::Role;
use tonic::Status;

use super::shop::{Shop, at_once, cny, refusal};
use crate::testing::{from_member, on_each_engine, reason};

fn limit(words: &str, most: i64) -> pb::Limit {
    let words: Vec<&str> = words.split(' ').collect();
    let subject = format!("LIMIT_SUBJECT_{}", words[0]);
    let measure = format!("LIMIT_MEASURE_{}", words[3]);
    pb::Limit {
        subject: pb::LimitSubject::from_str_name(&subject).unwrap().into(),
        of: if words[1] == "*" { String::new() } else { words[1].to_owned() },
        currency_code: words[2].to_owned(),
        measure: pb::LimitMeasure::from_str_name(&measure).unwrap().into(),
        window_seconds: words[4].parse().unwrap(),
        most,
        ..pb::Limit::default()
    }
}

async fn lower(shop: &Shop, words: &str, most: i64) -> Result<(), Status> {
    let request = pb::LowerLimitRequest { limit: Some(limit(words, most)) };
    shop.operator.lower_limit(from_member(Role::Operator, "rita", request)).await.map(drop)
}

async fn raise(shop: &Shop, words: &str, most: Option<i64>) -> Result<(), Status> {
    let request = pb::RaiseLimitRequest { limit: Some(limit(words, most.unwrap_or(0))), remove: most.is_none() };
    shop.operator.raise_limit(from_member(Role::Operator, "rita", request)).await.map(drop)
}

async fn listed(shop: &Shop) -> Vec<(String, i64, String)> {
    let answer = shop.operator.list_limits(from_member(Role::Operator, "vic", pb::ListLimitsRequest {})).await.unwrap();
    let limits = answer.into_inner().limits;
    limits.iter().map(|it| (it.measure().as_str_name().to_owned(), it.most, it.changed_by.clone())).collect()
}

/// What a terminal is told of a purchase with a card.
async fn by_card(shop: &Shop, minor: i64) -> Result<(), Reason> {
    let paid = shop.pay(Nature::Purchase, minor).await;
    if paid.state() == PaymentState::Approved { Ok(()) } else { Err(refusal(&paid)) }
}

/// Limits have just been set: what is taken back has been counted for sure only a while after that.
async fn long_ago(shop: &Shop) {
    let mut tx = shop.hub.store.begin().await.unwrap();
    tx.execute("UPDATE limits SET set_at = set_at - 3600000000, version = version + 1", Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    // A change of something else has the limits read again.
    lower(shop, "PERSON * USD EACH 0", 1).await.unwrap();
}

#[tokio::test]
async fn m9_each_limit_holds_for_cards_and_phone_numbers_and_the_bank_is_left_with_nothing() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        let phone = PhoneNumber::parse("+8613800138000").unwrap();
        lower(&shop, "PERSON * CNY SUM 86400", 1_000).await.unwrap();
        assert_eq!(by_card(&shop, 600).await, Ok(()), "{}", hub.engine);
        assert_eq!(by_card(&shop, 401).await, Err(Reason::SpendingLimitReached), "{}", hub.engine);
        assert_eq!(shop.pay_by_phone(&phone, 400).await.state(), PaymentState::Approved, "one sum for both");
        assert_eq!(by_card(&shop, 1).await, Err(Reason::SpendingLimitReached), "{}", hub.engine);
        raise(&shop, &format!("PERSON {person} CNY SUM 86400"), Some(1_100)).await.unwrap();
        assert_eq!(by_card(&shop, 100).await, Ok(()), "{}: the person's own limit holds", hub.engine);
        lower(&shop, "TERMINAL till-1 CNY COUNT 3600", 0).await.unwrap();
        raise(&shop, &format!("PERSON {person} CNY SUM 86400"), Some(100_000)).await.unwrap();
        assert_eq!(by_card(&shop, 1).await, Err(Reason::PaymentsTooMany));
        assert_eq!(
            shop.pay(Nature::Deposit, 5_000).await.state(),
            PaymentState::Approved,
            "money that comes in is not limited"
        );
        shop.until_nothing_is_due().await;
        assert_eq!(shop.count_in("ABORTED").await, 3, "{}: what was held is released", hub.engine);
        let told = listed(&shop).await;
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|(_, _, by)| by == "rita"), "{told:?}");
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_what_is_too_much_for_one_payment_is_refused_before_anybody_is_looked_up() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        lower(&shop, "TERMINAL * CNY EACH 0", 999).await.unwrap();
        for phone in ["+8613800138000", "+8613900139000"] {
            let request = proto::terminal::CreatePaymentRequest {
                payment_id: shop.hub.id().to_string(),
                payer: Some(proto::terminal::create_payment_request::Payer::PhoneNumber(phone.to_owned())),
                amount: Some(cny(1_000)),
                ..Default::default()
            };
            let answer = shop.terminal.create_payment(from_member(Role::Terminal, "till-1", request)).await.unwrap();
            assert_eq!(refusal(&answer.into_inner().payment.unwrap()), Reason::PaymentAboveLimit, "{phone}");
        }
        assert_eq!(shop.told(&person).await, Vec::<String>::new(), "{}: no code was sent", hub.engine);
        assert_eq!(by_card(&shop, 1_000).await, Err(Reason::PaymentAboveLimit));
        assert_eq!(by_card(&shop, 999).await, Ok(()));
        assert_eq!(shop.pay(Nature::Deposit, 5_000).await.state(), PaymentState::Approved);
        lower(&shop, &format!("PERSON {person} CNY EACH 0"), 500).await.unwrap();
        assert_eq!(by_card(&shop, 501).await, Err(Reason::PaymentAboveLimit), "whose card it is says the bank");
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_what_is_taken_back_counts_no_more_and_what_is_refunded_does() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        lower(&shop, "PERSON * CNY SUM 86400", 1_000).await.unwrap();
        long_ago(&shop).await;
        let first = shop.pay(Nature::Purchase, 1_000).await;
        assert_eq!(by_card(&shop, 1).await, Err(Reason::SpendingLimitReached));
        shop.reverse(&first.payment_id, 1_000).await.unwrap();
        shop.reverse(&first.payment_id, 1_000).await.unwrap();
        let second = shop.pay(Nature::Purchase, 1_000).await;
        assert_eq!(
            second.state(),
            PaymentState::Approved,
            "{}: taken back once, however often it is asked",
            hub.engine
        );
        shop.refund(&second.payment_id, 1_000).await.unwrap();
        assert_eq!(by_card(&shop, 1).await, Err(Reason::SpendingLimitReached), "{}: the goods were bought", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_pre_authorisation_counts_what_is_reserved_then_what_was_used_or_nothing() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        lower(&shop, "PERSON * CNY SUM 86400", 1_000).await.unwrap();
        long_ago(&shop).await;
        let reserved = shop.pay(Nature::PreAuthorisation, 900).await;
        assert_eq!(reserved.state(), PaymentState::Authorised);
        assert_eq!(by_card(&shop, 101).await, Err(Reason::SpendingLimitReached), "{}", hub.engine);
        shop.complete(&reserved.payment_id, 300).await.unwrap();
        shop.complete(&reserved.payment_id, 300).await.unwrap();
        assert_eq!(by_card(&shop, 701).await, Err(Reason::SpendingLimitReached), "{}", hub.engine);
        assert_eq!(by_card(&shop, 600).await, Ok(()), "{}", hub.engine);
        let given_up = shop.pay(Nature::PreAuthorisation, 100).await;
        assert_eq!(by_card(&shop, 1).await, Err(Reason::SpendingLimitReached));
        shop.reverse(&given_up.payment_id, 100).await.unwrap();
        shop.until(&given_up.payment_id, State::Aborted).await;
        assert_eq!(by_card(&shop, 100).await, Ok(()), "{}: nothing was charged", hub.engine);
        shop.until_nothing_is_due().await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_payments_at_once_at_two_replicas_do_not_pass_a_limit() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        lower(&shop, "PERSON * CNY SUM 86400", 1_000).await.unwrap();
        lower(&shop, "TERMINAL * CNY COUNT 3600", 8).await.unwrap();
        // It reads what stands when it starts.
        let second = Shop::replica(&hub, &shop.bank, "hub-2", at_once()).await;
        let asked = (0..40).map(|n| by_card(if n % 2 == 0 { &shop } else { &second }, 150));
        let done = futures_util::future::join_all(asked).await;
        let approved = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!(approved, 6, "{}: six times 150 are 900, and seven are too much: {done:?}", hub.engine);
        assert!(done.iter().all(|done| matches!(done, Ok(()) | Err(Reason::SpendingLimitReached))), "{done:?}");
        let approved = futures_util::future::join_all((0..10).map(|_| by_card(&second, 1))).await;
        assert_eq!(approved.iter().filter(|done| done.is_ok()).count(), 2, "{}: eight payments", hub.engine);
        let sql = "SELECT CAST(COALESCE(sum(amount_minor), 0) AS BIGINT) FROM purchases";
        assert_eq!(shop.count(sql).await, 902, "{}", hub.engine);
        shop.sweep();
        shop.until_nothing_is_due().await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_suspended_card_numbers_pay_nothing_whatever_their_bank_registers_and_what_was_paid_goes_its_way() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        let paid = shop.pay(Nature::Purchase, 500).await;
        let reserved = shop.pay(Nature::PreAuthorisation, 500).await;
        let set = async |first: &str, last: &str, suspended: bool| {
            let request = pb::SetBinSuspendedRequest { first: first.to_owned(), last: last.to_owned(), suspended };
            shop.operator.set_bin_suspended(from_member(Role::Operator, "rita", request)).await
        };
        for _ in 0..2 {
            set("62284800", "62284809", true).await.unwrap();
        }
        shop.register_bins("bank-a", &[("622848", "622848"), ("622850", "622850")]).await.unwrap();
        let refused = shop.ask(&shop.request(Nature::Purchase, 100)).await;
        assert_eq!(reason(refused), Reason::BinSuspended, "{}", hub.engine);
        assert_eq!(reason(shop.inquire(shop.request(Nature::Purchase, 1).card).await), Reason::BinSuspended);
        shop.complete(&reserved.payment_id, 300).await.unwrap();
        shop.refund(&paid.payment_id, 200).await.unwrap();
        let listed =
            shop.operator.list_bin_ranges(from_member(Role::Operator, "vic", pb::ListBinRangesRequest {})).await;
        let listed = listed.unwrap().into_inner();
        let ranges: Vec<_> = listed.ranges.iter().map(|it| (it.bank_id.as_str(), it.first.as_str())).collect();
        assert_eq!(ranges, [("bank-a", "622848"), ("bank-a", "622850")]);
        assert_eq!(listed.suspensions.len(), 1, "{}", hub.engine);
        set("62284800", "62284809", false).await.unwrap();
        assert_eq!(by_card(&shop, 100).await, Ok(()), "{}", hub.engine);
        for (first, last) in [("62284809", "62284800"), ("62284", "62284"), ("", "")] {
            assert_eq!(reason(set(first, last, true).await), Reason::BinMalformed, "{first} {last}");
        }
        let lines = server_kit::audit::read_chain(&hub.store, "hub-1/directory").await.unwrap();
        let said: Vec<_> = lines.iter().filter(|line| line.kind.starts_with("BINS_")).collect();
        let kinds: Vec<_> = said.iter().map(|line| line.kind.as_str()).collect();
        assert_eq!(kinds, ["BINS_SUSPENDED", "BINS_RESUMED"], "{}", hub.engine);
        assert!(said.iter().all(|line| line.content == "first=62284800 last=62284809 by=rita"), "{said:?}");
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_limit_that_one_person_has_set_for_somebody_lets_nobody_above_that_of_everybody() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        let own = format!("PERSON {person} CNY EACH 0");
        lower(&shop, &own, 900).await.unwrap();
        assert_eq!(by_card(&shop, 900).await, Ok(()), "{}", hub.engine);
        lower(&shop, "PERSON * CNY EACH 0", 500).await.unwrap();
        assert_eq!(by_card(&shop, 501).await, Err(Reason::PaymentAboveLimit), "{}", hub.engine);
        assert_eq!(by_card(&shop, 500).await, Ok(()), "{}", hub.engine);
        assert_eq!(reason(lower(&shop, &own, 900).await), Reason::LimitNotLower, "{}", hub.engine);
        raise(&shop, &own, Some(900)).await.unwrap();
        assert_eq!(by_card(&shop, 900).await, Ok(()), "{}: agreed to by a second person", hub.engine);
        lower(&shop, &own, 800).await.unwrap();
        assert_eq!(by_card(&shop, 800).await, Ok(()), "{}: and so is less than that", hub.engine);
        let limits = shop.operator.list_limits(from_member(Role::Operator, "vic", pb::ListLimitsRequest {})).await;
        let above: Vec<_> = limits.unwrap().into_inner().limits.iter().map(|it| it.above_everybody).collect();
        assert_eq!(above, [false, true], "{}", hub.engine);
        // Another one, set by one person after all, is none that was agreed to.
        raise(&shop, &own, None).await.unwrap();
        lower(&shop, &own, 400).await.unwrap();
        lower(&shop, "PERSON * CNY EACH 0", 300).await.unwrap();
        assert_eq!(by_card(&shop, 301).await, Err(Reason::PaymentAboveLimit), "{}", hub.engine);
        let lines = server_kit::audit::read_chain(&hub.store, "hub-1/limits").await.unwrap();
        let said: Vec<_> = lines.iter().filter_map(|line| line.content.split(" above_everybody=").nth(1)).collect();
        let wanted = ["false", "true", "true", "true", "false"].map(|above| format!("{above} by=rita"));
        assert_eq!(said, wanted, "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_limit_is_lowered_by_one_and_raised_otherwise_and_the_log_has_both() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let sum = "PERSON * CNY SUM 86400";
        for most in [1_000, 900, 900, 0] {
            lower(&shop, sum, most).await.unwrap();
        }
        assert_eq!(reason(lower(&shop, sum, 1).await), Reason::LimitNotLower, "{}", hub.engine);
        let own = format!("PERSON {} CNY SUM 86400", shop.hub.id());
        assert_eq!(reason(lower(&shop, &own, 1).await), Reason::LimitNotLower, "that of everybody holds before it");
        raise(&shop, sum, Some(5_000)).await.unwrap();
        assert_eq!(listed(&shop).await, [("LIMIT_MEASURE_SUM".to_owned(), 5_000, "rita".to_owned())]);
        raise(&shop, sum, None).await.unwrap();
        raise(&shop, sum, None).await.unwrap();
        assert!(listed(&shop).await.is_empty());
        lower(&shop, sum, 7_000).await.unwrap();
        for (words, most, wanted) in [
            ("PERSON * CNY SUM 59", 1, Reason::LimitMalformed),
            ("PERSON * CNY EACH 60", 1, Reason::LimitMalformed),
            ("PERSON * CNY SUM -1", 1, Reason::LimitMalformed),
            ("PERSON * CNY EACH 0", -1, Reason::AmountMalformed),
            ("PERSON nobody CNY EACH 0", 1, Reason::IdMalformed),
            ("TERMINAL Till CNY EACH 0", 1, Reason::NameMalformed),
            ("PERSON * cny EACH 0", 1, Reason::CurrencyUnknown),
            ("PERSON * CNY UNSPECIFIED 0", 1, Reason::FieldUnknown),
            ("UNSPECIFIED * CNY EACH 0", 1, Reason::FieldUnknown),
        ] {
            assert_eq!(reason(lower(&shop, words, most).await), wanted, "{words}");
            assert_eq!(reason(raise(&shop, words, Some(most)).await), wanted, "{words}");
        }
        let nothing = pb::LowerLimitRequest { limit: None };
        let refused = shop.operator.lower_limit(from_member(Role::Operator, "rita", nothing)).await;
        assert_eq!(reason(refused), Reason::FieldMissing);
        let lines = server_kit::audit::read_chain(&hub.store, "hub-1/limits").await.unwrap();
        let said: Vec<String> =
            lines.iter().map(|line| line.content.split(" before=").nth(1).unwrap().to_owned()).collect();
        let wanted =
            ["none most=1000", "1000 most=900", "900 most=0", "0 most=5000", "5000 most=none", "none most=7000"];
        assert_eq!(said, wanted.map(|words| format!("{words} by=rita")), "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}
