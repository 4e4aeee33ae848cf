//! What a bank must not send, each refused by its reason and nothing stored.

use super::*;

fn unreadable(world: &World, account: Uuid) -> Vec<(pb::BillReport, Reason)> {
    let change = |change: &dyn Fn(&mut pb::BillReport)| version(&world.bill(account), 1, change);
    let line = |change: &dyn Fn(&mut pb::BillLine)| {
        let mut line = pb::BillLine {
            posted_on: world.day(-6).to_string(),
            amount_minor: 100,
            text: "Tea".to_owned(),
            payment_id: String::new(),
        };
        change(&mut line);
        version(&world.bill(account), 1, |it| it.lines = vec![line])
    };
    let is = |named: pb::BillStanding, on: String, paid_minor: i64| {
        version(&world.bill(account), 1, |it| {
            (it.standing, it.standing_on, it.paid_minor) = (named.into(), on, paid_minor);
        })
    };
    let day = |ahead| world.day(ahead).to_string();
    vec![
        (change(&|it| it.account_id = "7".to_owned()), Reason::IdMalformed),
        (change(&|it| it.account_id.clear()), Reason::IdMalformed),
        (change(&|it| it.card_id = "7".to_owned()), Reason::IdMalformed),
        (change(&|it| it.masked = "6228480000000015".to_owned()), Reason::TextMalformed),
        (change(&|it| it.masked.clear()), Reason::TextMalformed),
        (change(&|it| it.currency_code = "yuan".to_owned()), Reason::CurrencyUnknown),
        (change(&|it| it.version = 0), Reason::SequenceOutOfRange),
        (change(&|it| it.version = -1), Reason::SequenceOutOfRange),
        (change(&|it| it.version = i64::MAX), Reason::SequenceOutOfRange),
        (change(&|it| it.opened_on.clear()), Reason::DayMalformed),
        (change(&|it| it.closed_on = "20261122".to_owned()), Reason::DayMalformed),
        (change(&|it| it.due_on = "2026-02-30".to_owned()), Reason::DayMalformed),
        (change(&|it| it.due_on = it.closed_on.clone()), Reason::BillMalformed),
        (change(&|it| it.opened_on = it.due_on.clone()), Reason::BillMalformed),
        (change(&|it| it.opened_on = "1999-12-31".to_owned()), Reason::TimeOutOfRange),
        (change(&|it| (it.closed_on, it.due_on) = (day(3), day(20))), Reason::TimeOutOfRange),
        (change(&|it| it.due_on = day(400)), Reason::TimeOutOfRange),
        (change(&|it| it.minimum_minor = 150_001), Reason::BillMalformed),
        (change(&|it| it.minimum_minor = -1), Reason::BillMalformed),
        (change(&|it| it.paid_minor = -1), Reason::BillMalformed),
        (change(&|it| it.closing_minor = i64::MIN), Reason::AmountTooLarge),
        (change(&|it| it.closing_minor = i64::MAX), Reason::AmountTooLarge),
        (change(&|it| it.paid_minor = i64::MAX), Reason::AmountTooLarge),
        (change(&|it| it.standing = 0), Reason::FieldUnknown),
        (change(&|it| it.standing = 99), Reason::FieldUnknown),
        (is(pb::BillStanding::Due, day(0), 0), Reason::HistoryMalformed),
        (is(pb::BillStanding::PaidInTime, String::new(), 150_000), Reason::DayMalformed),
        (is(pb::BillStanding::PaidInTime, day(-6), 150_000), Reason::HistoryMalformed),
        (is(pb::BillStanding::PaidInTime, day(-1), 149_999), Reason::BillMalformed),
        (is(pb::BillStanding::PaidInTime, day(3), 150_000), Reason::TimeOutOfRange),
        (is(pb::BillStanding::PaidLate, day(-1), 150_000), Reason::HistoryMalformed),
        (is(pb::BillStanding::Settled, day(-1), 150_000), Reason::HistoryMalformed),
        (is(pb::BillStanding::Arrears, day(-1), 0), Reason::HistoryMalformed),
        (is(pb::BillStanding::Arrears, day(-1), 150_000), Reason::BillMalformed),
        (line(&|it| it.posted_on.clear()), Reason::DayMalformed),
        (line(&|it| it.posted_on = day(-4)), Reason::TimeOutOfRange),
        (line(&|it| it.text.clear()), Reason::TextMalformed),
        (line(&|it| it.text = "two\nlines".to_owned()), Reason::TextMalformed),
        (line(&|it| it.amount_minor = i64::MIN), Reason::AmountTooLarge),
        (line(&|it| it.payment_id = "7".to_owned()), Reason::IdMalformed),
        (
            change(&|it| {
                it.lines = vec![pb::BillLine { posted_on: day(-6), text: "x".into(), ..Default::default() }; 501]
            }),
            Reason::TooManyItems,
        ),
    ]
}

#[tokio::test]
async fn r8_a_bill_that_cannot_be_is_refused_by_itself_and_leaves_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        for (report, wanted) in unreadable(&world, account) {
            assert_eq!(world.send("bank-a", vec![report.clone()]).await, [Err(wanted)], "{} {report:?}", hub.engine);
        }
        assert_eq!((world.table().await, world.told(person, "BILL").await), (Vec::new(), Vec::new()));
        let (bad, _) = unreadable(&world, account).remove(0);
        let mixed = vec![bad.clone(), world.bill(account), bad];
        let refused = Err(Reason::IdMalformed);
        assert_eq!(world.send("bank-a", mixed).await, [refused, Ok(()), refused], "{}", hub.engine);
        assert_eq!(world.table().await.len(), 1);
        let answer = wire::taken(&[refused, Ok(())]);
        assert_eq!(answer.taken[0].refusal.as_ref().map(|it| it.reason.as_str()), Some("ID_MALFORMED"));
        assert_eq!(answer.taken[1].refusal, None);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r8_a_message_without_bills_or_with_too_many_is_refused_as_a_whole() {
    on_each_engine(async |hub: TestHub| {
        let world = World::open(&hub).await;
        let (_, account) = world.person("bank-a").await;
        assert_eq!(report(&world.bills, "bank-a", Vec::new()).await, Err(Reason::FieldMissing));
        let many = vec![world.bill(account); 21];
        assert_eq!(report(&world.bills, "bank-a", many).await, Err(Reason::TooManyItems), "{}", hub.engine);
    })
    .await;
}

#[test]
fn r8_the_largest_bill_fits_a_message() {
    let line = pb::BillLine {
        posted_on: "2026-11-22".to_owned(),
        amount_minor: i64::MIN,
        text: "𠀀".repeat(100),
        payment_id: Uuid::nil().to_string(),
    };
    let report = pb::BillReport { lines: vec![line; 500], ..Default::default() };
    let bytes = proto::bill_content(&report).len();
    assert!(bytes + 1_000 < proto::MAX_REPORT_BYTES, "{bytes}");
}
