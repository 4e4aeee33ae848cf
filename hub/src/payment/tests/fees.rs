//! What merchants are charged for payments, over the calls of terminals and operators, with two replicas.

use domain::fee::{Fee, Returns, Scope, Terms};
use domain::payment::{NewRefund, State};
use domain::{FeeScheduleId, OperatorId, PaymentId, PhoneNumber, Reason, Timestamp};
use proto::common::Nature;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal::PaymentState;
use server_kit::identity::Role;
use server_kit::store::testing::databases;
use tonic::Status;

use super::shop::{Shop, at_once, cny};
use super::{Desk, desk, till};
use crate::fees::NewSchedule;
use crate::payment::steps::Step;
use crate::testing::{from_member, on_each_engine, reason};

/// A schedule of one per cent, of which the issuer gets 70 % and the hub 10 %.
fn schedule(shop: &Shop, (merchant, category, way): (&str, &str, pb::FeeWay)) -> pb::FeeSchedule {
    pb::FeeSchedule {
        schedule_id: shop.hub.id().to_string(),
        merchant_id: merchant.to_owned(),
        category_code: category.to_owned(),
        way: way.into(),
        currency_code: "CNY".to_owned(),
        rate_ppm: 10_000,
        issuer_share_ppm: 700_000,
        hub_share_ppm: 100_000,
        returns: pb::FeeReturns::Proportional.into(),
        ..pb::FeeSchedule::default()
    }
}

fn for_all(shop: &Shop) -> pb::FeeSchedule {
    schedule(shop, ("", "", pb::FeeWay::Unspecified))
}

async fn set(shop: &Shop, schedule: pb::FeeSchedule) -> Result<pb::FeeSchedule, Status> {
    let request = pb::SetFeeScheduleRequest { schedule: Some(schedule) };
    let answer = shop.operator.set_fee_schedule(from_member(Role::Operator, "olga", request)).await;
    answer.map(|answer| answer.into_inner().schedule.unwrap())
}

async fn withdraw(shop: &Shop, id: &str) -> Result<pb::FeeSchedule, Status> {
    let request = pb::WithdrawFeeScheduleRequest { schedule_id: id.to_owned() };
    let answer = shop.operator.withdraw_fee_schedule(from_member(Role::Operator, "rita", request)).await;
    answer.map(|answer| answer.into_inner().schedule.unwrap())
}

async fn listed(shop: &Shop, with_past: bool) -> Vec<pb::FeeSchedule> {
    let request = pb::ListFeeSchedulesRequest { with_past };
    let answer = shop.operator.list_fee_schedules(from_member(Role::Operator, "vic", request)).await;
    answer.unwrap().into_inner().schedules
}

/// What was set holds already, by an hour.
async fn hold(shop: &Shop) {
    let mut tx = shop.hub.store.begin().await.unwrap();
    let sql = "UPDATE fee_schedules SET valid_from = valid_from - 3600000000, version = version + 1";
    tx.execute(sql, Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    // A change of something else has the schedules read again.
    let other = pb::FeeSchedule { currency_code: "USD".to_owned(), ..for_all(shop) };
    set(shop, other).await.unwrap();
}

/// What the noodle shop is paid for today: sales, gross, refunded, reversed, fees, issuer's, hub's, net.
async fn today(shop: &Shop) -> [i64; 8] {
    let request = pb::ListSettlementsRequest { merchant_id: "noodles".to_owned(), ..Default::default() };
    let answer = shop.operator.list_settlements(from_member(Role::Operator, "vic", request)).await.unwrap();
    let answer = answer.into_inner();
    assert!(!answer.closed);
    let [it] = answer.settlements.as_slice() else { panic!("{answer:?}") };
    assert_eq!((it.merchant_id.as_str(), it.currency_code.as_str()), ("noodles", "CNY"));
    assert_eq!(it.issuer_minor + it.hub_minor + it.acquirer_minor, it.fees_minor, "{it:?}");
    assert_eq!(it.gross_minor - it.refunds_minor - it.reversals_minor - it.fees_minor, it.net_minor, "{it:?}");
    let money = [it.gross_minor, it.refunds_minor, it.reversals_minor, it.fees_minor, it.issuer_minor, it.hub_minor];
    let [gross, refunds, reversals, fees, issuer, hub] = money;
    [it.sale_count, gross, refunds, reversals, fees, issuer, hub, it.net_minor]
}

#[tokio::test]
async fn m9_a_schedule_that_is_set_is_charged_and_the_day_shows_it_and_the_payer_pays_the_same() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        let phone = PhoneNumber::parse("+8613800138000").unwrap();
        shop.pay(Nature::Purchase, 10_000).await;
        assert_eq!(today(&shop).await, [1, 10_000, 0, 0, 0, 0, 0, 10_000], "{}: no schedule, no fee", hub.engine);
        set(&shop, for_all(&shop)).await.unwrap();
        shop.pay(Nature::Purchase, 10_000).await;
        assert_eq!(today(&shop).await, [2, 20_000, 0, 0, 0, 0, 0, 20_000], "{}: it does not hold yet", hub.engine);
        hold(&shop).await;
        let paid = shop.pay(Nature::Purchase, 10_000).await;
        assert_eq!(paid.amount.as_ref().map(|amount| amount.minor_units), Some(10_000));
        assert_eq!(shop.pay_by_phone(&phone, 5_050).await.state(), PaymentState::Approved);
        // Half of 50.5 goes to the even one.
        assert_eq!(today(&shop).await, [4, 35_050, 0, 0, 150, 105, 15, 34_900], "{}", hub.engine);
        // Money that comes in, notes and money that is passed on bear no charge and are in no settlement.
        for nature in [Nature::Deposit, Nature::CashWithdrawal] {
            assert_eq!(shop.pay(nature, 7_000).await.state(), PaymentState::Approved, "{nature:?}");
        }
        assert_eq!(today(&shop).await[0], 4, "{}", hub.engine);
        shop.sweep();
        shop.until_nothing_is_due().await;
        let stored = shop.stored(&paid.payment_id).await;
        let fee = stored.fee.unwrap();
        assert_eq!((fee.parts.minor, fee.schedule.is_some(), stored.state), (100, true, State::Posted));
        let sql = "SELECT count(*) FROM settlement_entries WHERE way = 'CARD_DEBIT' AND fee_minor = 100";
        assert_eq!(shop.count(sql).await, 1, "{}: 700 of 10,000 were borne by credit", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_the_nearest_schedule_is_charged_by_merchant_category_and_way() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        let phone = PhoneNumber::parse("+8613800138000").unwrap();
        let rated = |of, rate_ppm| pb::FeeSchedule { rate_ppm, ..schedule(&shop, of) };
        set(&shop, rated(("", "", pb::FeeWay::Unspecified), 10_000)).await.unwrap();
        set(&shop, rated(("", "5812", pb::FeeWay::CardCredit), 20_000)).await.unwrap();
        set(&shop, rated(("noodles", "", pb::FeeWay::Phone), 30_000)).await.unwrap();
        hold(&shop).await;
        shop.pay(Nature::Purchase, 10_000).await;
        assert_eq!(today(&shop).await[4], 100, "{}", hub.engine);
        // The credit side bears 700 of 1,000.
        shop.pay(Nature::Purchase, 1_000).await;
        assert_eq!(today(&shop).await[4], 120, "{}", hub.engine);
        shop.pay_by_phone(&phone, 10_000).await;
        assert_eq!(today(&shop).await[4], 420, "{}", hub.engine);
        let end = pb::FeeSchedule { ends: true, ..rated(("", "5812", pb::FeeWay::CardCredit), 0) };
        set(&shop, end).await.unwrap();
        hold(&shop).await;
        shop.pay(Nature::Purchase, 1_000).await;
        assert_eq!(today(&shop).await[4], 430, "{}: the wider one holds again", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_reversal_gives_the_whole_fee_back_and_a_refund_its_part_or_nothing() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        let floor = Some(cny(101));
        set(&shop, pb::FeeSchedule { floor, ..for_all(&shop) }).await.unwrap();
        hold(&shop).await;
        let first = shop.pay(Nature::Purchase, 3_000).await;
        for _ in 0..2 {
            shop.reverse(&first.payment_id, 3_000).await.unwrap();
        }
        assert_eq!(today(&shop).await, [1, 3_000, 0, 3_000, 0, 0, 0, 0], "{}", hub.engine);
        let second = shop.pay(Nature::Purchase, 3_000).await;
        shop.refund(&second.payment_id, 1_000).await.unwrap();
        // A third of 101 is 33.67, of which the issuer's 70 are 23 and the hub's 10 are 3.
        assert_eq!(today(&shop).await, [2, 6_000, 1_000, 3_000, 67, 47, 7, 1_933], "{}", hub.engine);
        for _ in 0..2 {
            shop.refund(&second.payment_id, 1_000).await.unwrap();
        }
        assert_eq!(today(&shop).await, [2, 6_000, 3_000, 3_000, 0, 0, 0, 0], "{}", hub.engine);
        let kept = pb::FeeSchedule { returns: pb::FeeReturns::Nothing.into(), ..for_all(&shop) };
        set(&shop, kept).await.unwrap();
        // What was charged before stays under the schedule by which it was.
        let third = shop.pay(Nature::Purchase, 10_000).await;
        hold(&shop).await;
        let fourth = shop.pay(Nature::Purchase, 10_000).await;
        shop.refund(&third.payment_id, 10_000).await.unwrap();
        shop.refund(&fourth.payment_id, 10_000).await.unwrap();
        assert_eq!(today(&shop).await, [4, 26_000, 23_000, 3_000, 100, 70, 10, -100], "{}", hub.engine);
        let fifth = shop.pay(Nature::Purchase, 10_000).await;
        shop.reverse(&fifth.payment_id, 10_000).await.unwrap();
        assert_eq!(today(&shop).await[4], 100, "{}: there was no sale", hub.engine);
        shop.sweep();
        shop.until_nothing_is_due().await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_pre_authorisation_is_charged_for_what_was_used_when_it_is_completed() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        set(&shop, schedule(&shop, ("", "", pb::FeeWay::CardDebit))).await.unwrap();
        hold(&shop).await;
        let reserved = shop.pay(Nature::PreAuthorisation, 90_000).await;
        assert_eq!(shop.count("SELECT count(*) FROM settlement_entries").await, 0, "{}", hub.engine);
        for _ in 0..2 {
            shop.complete(&reserved.payment_id, 30_000).await.unwrap();
        }
        assert_eq!(today(&shop).await, [1, 30_000, 0, 0, 300, 210, 30, 29_700], "{}", hub.engine);
        let given_up = shop.pay(Nature::PreAuthorisation, 100).await;
        shop.reverse(&given_up.payment_id, 100).await.unwrap();
        shop.sweep();
        shop.until_nothing_is_due().await;
        assert_eq!(today(&shop).await[0], 1, "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_payments_at_once_at_two_replicas_bear_one_fee_each() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        set(&shop, for_all(&shop)).await.unwrap();
        hold(&shop).await;
        // It reads what stands when it starts.
        let second = Shop::replica(&hub, &shop.bank, "hub-2", at_once()).await;
        let asked = (0..40).map(|n| if n % 2 == 0 { &shop } else { &second }.pay(Nature::Purchase, 10_000));
        let paid = futures_util::future::join_all(asked).await;
        assert!(paid.iter().all(|paid| paid.state() == PaymentState::Approved), "{}", hub.engine);
        let back = paid.iter().map(|paid| second.refund(&paid.payment_id, 3_333));
        assert!(futures_util::future::join_all(back).await.iter().all(Result::is_ok));
        assert_eq!(today(&shop).await[..5], [40, 400_000, 133_320, 0, 4_000 - 40 * 33], "{}", hub.engine);
        shop.sweep();
        second.sweep();
        shop.until_nothing_is_due().await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m9_a_refund_that_its_bank_refuses_leaves_the_fee_as_if_it_had_never_been() {
    for database in databases().await {
        let desk = desk(&database).await;
        let terms = Terms {
            rate_ppm: 10_000,
            fixed_minor: 0,
            floor_minor: 101,
            cap_minor: None,
            issuer_ppm: 700_000,
            hub_ppm: 100_000,
            returns: Returns::Proportional,
        };
        let new = NewSchedule {
            id: FeeScheduleId::from_uuid(desk.ids.uuid().unwrap()),
            scope: Scope::parse("* * * CNY").unwrap(),
            terms: Some(terms),
            valid_from: None,
        };
        desk.steps.fees.set(OperatorId::parse("olga").unwrap(), new.clone()).await.unwrap().unwrap();
        let mut tx = desk.store.begin().await.unwrap();
        tx.execute("UPDATE fee_schedules SET valid_from = 0, version = version + 1", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        desk.steps.fees.withdraw(OperatorId::parse("olga").unwrap(), new.id).await.unwrap().unwrap_err();
        let paid = desk.committed(1_000).await;
        assert_eq!(paid.fee.map(|fee| fee.parts.minor), Some(101));
        let refund = async |minor: i64| {
            let new = NewRefund {
                id: desk.payment_id(),
                original: paid.id,
                terminal_id: till(),
                fingerprint: [1; 32],
                amount: super::cny(minor),
                leg_id: desk.leg(),
            };
            desk.write(Step::Refund(new)).await.payment.unwrap()
        };
        let (first, second) = (refund(5).await, refund(5).await);
        let given = |fee: Option<Fee>| fee.unwrap().parts.minor;
        // 0.505 and 1.01 in all.
        assert_eq!((given(first.fee), given(second.fee)), (1, 0));
        for _ in 0..2 {
            let step = Step::RefundRefused { refund: first.id, original: paid.id, reason: Reason::AccountClosed };
            desk.write(step).await.payment.unwrap();
        }
        assert_eq!(fees_of(&desk, paid.id, [first.id, second.id]).await, 101 - 1);
        let rest = refund(995).await;
        assert_eq!(given(rest.fee), 100, "all that is left, once all is refunded");
        desk.all_is_well().await;
    }
}

/// What all entries of a payment and its refunds come to.
async fn fees_of(desk: &Desk, payment: PaymentId, refunds: [PaymentId; 2]) -> i64 {
    let sql = "SELECT CAST(sum(fee_minor) AS BIGINT) FROM settlement_entries WHERE payment_id IN ($1, $2, $3)";
    let [first, second] = refunds.map(|id| id.uuid().into());
    desk.store.fetch_one(sql, vec![payment.uuid().into(), first, second]).await.unwrap().unwrap().int(0).unwrap()
}

#[tokio::test]
async fn m9_what_cannot_be_charged_is_refused_by_its_reason_and_nothing_is_set() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let good = || for_all(&shop);
        let usd = |minor_units| Some(proto::common::Money { currency_code: "USD".to_owned(), minor_units });
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let max = i64::MAX;
        for (bad, wanted) in [
            (pb::FeeSchedule { rate_ppm: -1, ..good() }, Reason::FeeRateOutOfRange),
            (pb::FeeSchedule { rate_ppm: 1_000_001, ..good() }, Reason::FeeRateOutOfRange),
            (pb::FeeSchedule { rate_ppm: max, ..good() }, Reason::FeeRateOutOfRange),
            (pb::FeeSchedule { fixed: Some(cny(-1)), ..good() }, Reason::AmountMalformed),
            (pb::FeeSchedule { fixed: Some(cny(max)), ..good() }, Reason::AmountTooLarge),
            (pb::FeeSchedule { floor: Some(cny(2)), cap: Some(cny(1)), ..good() }, Reason::FeeFloorAboveCap),
            (pb::FeeSchedule { cap: Some(cny(-1)), ..good() }, Reason::AmountMalformed),
            (pb::FeeSchedule { cap: usd(1), ..good() }, Reason::CurrencyMismatch),
            (pb::FeeSchedule { fixed: usd(1), ..good() }, Reason::CurrencyMismatch),
            (pb::FeeSchedule { issuer_share_ppm: 900_001, ..good() }, Reason::FeeSharesTooLarge),
            (pb::FeeSchedule { hub_share_ppm: -1, ..good() }, Reason::FeeSharesTooLarge),
            (pb::FeeSchedule { currency_code: "cny".to_owned(), ..good() }, Reason::CurrencyUnknown),
            (pb::FeeSchedule { merchant_id: "nobody".to_owned(), ..good() }, Reason::MerchantUnknown),
            (pb::FeeSchedule { merchant_id: "No Body".to_owned(), ..good() }, Reason::NameMalformed),
            (pb::FeeSchedule { category_code: "0001".to_owned(), ..good() }, Reason::CategoryUnknown),
            (pb::FeeSchedule { category_code: "x".to_owned(), ..good() }, Reason::CategoryMalformed),
            (pb::FeeSchedule { way: 99, ..good() }, Reason::FieldUnknown),
            (pb::FeeSchedule { returns: 0, ..good() }, Reason::FieldUnknown),
            (pb::FeeSchedule { schedule_id: "1".to_owned(), ..good() }, Reason::IdMalformed),
            (pb::FeeSchedule { ends: true, ..good() }, Reason::FeeScheduleUnknown),
            (pb::FeeSchedule { valid_from: at(1), ..good() }, Reason::FeeValidityOutOfRange),
            (pb::FeeSchedule { valid_from: at(-max), ..good() }, Reason::FeeValidityOutOfRange),
            (pb::FeeSchedule { valid_from: at(max), ..good() }, Reason::FeeValidityOutOfRange),
        ] {
            assert_eq!(reason(set(&shop, bad.clone()).await), wanted, "{}: {bad:?}", hub.engine);
        }
        let request = pb::SetFeeScheduleRequest { schedule: None };
        let answer = shop.operator.set_fee_schedule(from_member(Role::Operator, "olga", request)).await;
        assert_eq!(reason(answer), Reason::FieldMissing);
        assert_eq!(listed(&shop, true).await, Vec::<pb::FeeSchedule>::new(), "{}", hub.engine);
        for (day, token, size, wanted) in [
            ("2026-13-01", "", 0, Reason::TimeOutOfRange),
            ("1999-12-31", "", 0, Reason::TimeOutOfRange),
            ("today", "", 0, Reason::TimeOutOfRange),
            ("9999-12-30", "", 0, Reason::TimeOutOfRange),
            ("20261123", "", 0, Reason::TimeOutOfRange),
            ("2026-11-23", "No Body", 0, Reason::PageTokenMalformed),
            ("2026-11-23", "", 201, Reason::PageSizeOutOfRange),
            ("2026-11-23", "", -1, Reason::PageSizeOutOfRange),
        ] {
            let request = pb::ListSettlementsRequest {
                day: day.to_owned(),
                page_token: token.to_owned(),
                page_size: size,
                ..Default::default()
            };
            let answer = shop.operator.list_settlements(from_member(Role::Operator, "vic", request)).await;
            assert_eq!(reason(answer), wanted, "{day} {token} {size}");
        }
    })
    .await;
}

#[tokio::test]
async fn m9_a_schedule_is_set_once_follows_those_before_it_and_is_withdrawn_only_before_it_holds() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let asked = for_all(&shop);
        let first = set(&shop, asked.clone()).await.unwrap();
        assert_eq!(set(&shop, asked.clone()).await.unwrap(), first, "{}: the same again changes nothing", hub.engine);
        let other = pb::FeeSchedule { rate_ppm: 1, ..asked.clone() };
        assert_eq!(reason(set(&shop, other).await), Reason::FeeScheduleTaken);
        let from = proto::from_timestamp(first.valid_from.as_ref().unwrap());
        let later = |seconds: u64| proto::to_timestamp(from.plus(std::time::Duration::from_secs(seconds)));
        let coming = pb::FeeSchedule { valid_from: Some(later(3_600)), ..for_all(&shop) };
        let second = set(&shop, coming).await.unwrap();
        assert_eq!((first.number, second.number, listed(&shop, false).await.len()), (1, 2, 2), "{}", hub.engine);
        let at_once_with = pb::FeeSchedule { valid_from: Some(later(3_600)), ..for_all(&shop) };
        assert_eq!(reason(set(&shop, at_once_with).await), Reason::FeeValidityOverlaps);
        let before = pb::FeeSchedule { valid_from: Some(later(3_000)), ..for_all(&shop) };
        assert_eq!(reason(set(&shop, before.clone()).await), Reason::FeeValidityOverlaps);
        let withdrawn = withdraw(&shop, &second.schedule_id).await.unwrap();
        assert_eq!((withdrawn.withdrawn_by.as_str(), withdrawn.set_by.as_str()), ("rita", "olga"));
        assert_eq!(withdraw(&shop, &second.schedule_id).await.unwrap(), withdrawn, "{}", hub.engine);
        let third = set(&shop, before).await.unwrap();
        assert_eq!(third.number, 3, "{}: a number is never given again", hub.engine);
        hold(&shop).await;
        assert_eq!(reason(withdraw(&shop, &first.schedule_id).await), Reason::FeeScheduleInForce);
        assert_eq!(reason(withdraw(&shop, &hub.id().to_string()).await), Reason::FeeScheduleUnknown);
        let standing: Vec<String> = listed(&shop, false).await.into_iter().map(|it| it.schedule_id).collect();
        assert!(standing.contains(&third.schedule_id), "{}: {standing:?}", hub.engine);
        assert!(!standing.contains(&first.schedule_id) && !standing.contains(&second.schedule_id), "{standing:?}");
        assert!(listed(&shop, true).await.iter().any(|it| it.schedule_id == second.schedule_id));
        // Another replica sets one for the same at the same time: one of the two has to come after the other.
        let second = Shop::replica(&hub, &shop.bank, "hub-2", at_once()).await;
        let same = |shop: &Shop| schedule(shop, ("noodles", "", pb::FeeWay::Unspecified));
        let at = Some(proto::to_timestamp(hub.clock().now().plus(std::time::Duration::from_secs(600))));
        let (one, other) = tokio::join!(
            set(&shop, pb::FeeSchedule { valid_from: at, ..same(&shop) }),
            set(&second, pb::FeeSchedule { valid_from: at, ..same(&second) })
        );
        assert_eq!([one, other].iter().filter(|done| done.is_ok()).count(), 1, "{}", hub.engine);
        assert_eq!(shop.count("SELECT count(*) FROM fee_schedules WHERE scope LIKE 'noodles%'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn m9_settlements_come_in_pages_of_merchants_and_a_changed_one_is_found() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        shop.holder().await;
        set(&shop, for_all(&shop)).await.unwrap();
        hold(&shop).await;
        shop.pay(Nature::Purchase, 10_000).await;
        shop.all_is_well().await;
        let changed = [
            "UPDATE settlement_entries SET fee_minor = fee_minor - 1",
            "UPDATE settlement_entries SET amount_minor = amount_minor + 1, fee_minor = fee_minor + 1",
            "DELETE FROM settlement_entries",
        ];
        for sql in changed {
            let mut tx = shop.hub.store.begin().await.unwrap();
            tx.execute(sql, Vec::new()).await.unwrap();
            tx.commit().await.unwrap();
            let faults = crate::check_books(&shop.hub.store).await.unwrap().faults;
            assert!(
                faults.iter().any(|fault| fault.contains("settled otherwise")),
                "{}: {sql}: {faults:?}",
                hub.engine
            );
        }
        for merchant in ["a", "b", "c", "d", "e"] {
            for (n, currency) in ["CNY", "USD"].into_iter().enumerate() {
                let mut tx = shop.hub.store.begin().await.unwrap();
                let sql = "INSERT INTO settlement_entries (day, merchant_id, payment_id, kind, terminal_id, currency, \
                           amount_minor, fee_minor, issuer_minor, hub_minor, occurred_at) \
                           VALUES ('2026-11-22', $1, $2, 'SALE', 'till-1', $3, $4, 1, 0, 0, 0)";
                let amount = i64::try_from(n).unwrap() + 100;
                let args = vec![merchant.into(), hub.id().into(), currency.into(), amount.into()];
                tx.execute(sql, args).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let day = "2026-11-22".to_owned();
            let request = pb::ListSettlementsRequest { day, page_size: 2, page_token, ..Default::default() };
            let page = shop.operator.list_settlements(from_member(Role::Operator, "vic", request)).await;
            let page = page.unwrap().into_inner();
            assert!(page.settlements.len() <= 4, "{page:?}");
            found.extend(page.settlements.into_iter().map(|it| (it.merchant_id, it.currency_code, it.net_minor)));
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        let of = |merchant: &str| {
            [(merchant.to_owned(), "CNY".to_owned(), 99), (merchant.to_owned(), "USD".to_owned(), 100)]
        };
        assert_eq!(found, ["a", "b", "c", "d", "e"].map(of).concat(), "{}", hub.engine);
    })
    .await;
}

#[test]
fn m9_a_business_day_is_that_of_the_zone() {
    let zone = crate::zone::Zone::shanghai();
    let before = Timestamp::from_secs(1_795_190_399);
    let day = |at| crate::zone::day_of(at, zone.rules()).unwrap().to_string();
    assert_eq!(day(before), "2026-11-20");
    assert_eq!(day(before.plus(std::time::Duration::from_secs(1))), "2026-11-21");
}
