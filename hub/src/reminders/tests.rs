//! Reminders, on both engines.

use domain::Timestamp;
use futures_util::StreamExt as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use proto::cardholder::reminder::When as Named;
use proto::federation;
use uuid::Uuid;

use super::testing::reminder_parts;
use super::*;
use crate::bills::testing::{World, bill};
use crate::testing::{TestHub, on_each_engine};

/// A replica that sends reminders.
async fn replica(world: &World, name: &str) -> Reminders {
    let hub = &world.recorded.hub;
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    Reminders::start(reminder_parts(hub, &world.recorded.feed, &owner)).0
}

/// At 9:30 UTC, so many days before each due date.
fn before(id: Uuid, days: i32) -> pb::Reminder {
    pb::Reminder {
        reminder_id: id.to_string(),
        bank_id: String::new(),
        account_id: String::new(),
        when: Some(Named::DaysBefore(days)),
        hour: 9,
        minute: 30,
        time_zone: "UTC".to_owned(),
        next_at: None,
    }
}

async fn set(reminders: &Reminders, person: PersonId, reminder: pb::Reminder) -> Result<(), Reason> {
    let request = pb::SetReminderRequest { reminder: Some(reminder) };
    reminders.set(person, &request).await.unwrap()
}

/// Looks until there is nothing to look at.
async fn look(reminders: &Reminders) {
    for _ in 0..100 {
        if reminders.look().await.unwrap() == 0 {
            return;
        }
    }
    panic!("there is always something to look at");
}

async fn next_at(reminders: &Reminders, person: PersonId) -> Vec<Option<Timestamp>> {
    reminders.list(person).await.unwrap().into_iter().map(|(_, at)| at).collect()
}

fn at(on: Date, hour: i8, minute: i8) -> Timestamp {
    let at = on.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).unwrap();
    Timestamp::from_micros(at.timestamp().as_microsecond())
}

/// Sets the clock to this moment, ahead or back; it goes on from there.
fn set_clock(hub: &TestHub, to: Timestamp) {
    let now = hub.clock().now();
    hub.clock.advance(to.since(now));
    hub.clock.set_back(now.since(to));
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn r10_a_reminder_names_what_is_due_once_over_restarts_and_two_replicas() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let at_b = hub.id();
        world.recorded.bind("bank-b", at_b, person).await;
        let due = world.day(10);
        world.send("bank-a", vec![bill(account, world.day(-5), due)]).await;
        world.send("bank-b", vec![bill(at_b, world.day(-5), due)]).await;
        let reminders = replica(&world, "hub-4").await;
        let id = hub.id();
        assert_eq!(set(&reminders, person, before(id, 3)).await, Ok(()));
        let planned = at(world.day(7), 9, 30);
        assert_eq!(next_at(&reminders, person).await, [Some(planned)], "{}", hub.engine);
        set_clock(&hub, planned.minus(MINUTE));
        look(&reminders).await;
        assert_eq!(world.told(person, "REMINDER").await, Vec::<String>::new(), "{}", hub.engine);
        set_clock(&hub, planned.plus(MINUTE));
        let other = replica(&world, "hub-5").await;
        let looks = (0..6).map(|n| if n % 2 == 0 { reminders.look() } else { other.look() });
        for looked in futures_util::future::join_all(looks).await {
            looked.unwrap();
        }
        let wanted = format!(
            "To pay: bank-a ****4821 1500.00 CNY, at least 150.00 CNY, by {due}; \
             bank-b ****4821 1500.00 CNY, at least 150.00 CNY, by {due}."
        );
        assert_eq!(world.told(person, "REMINDER").await, [wanted], "{}", hub.engine);
        assert_eq!(next_at(&reminders, person).await, [None]);
        drop((reminders, other));
        let again = replica(&world, "hub-6").await;
        set_clock(&hub, planned.plus(DAY));
        look(&again).await;
        assert_eq!(world.told(person, "REMINDER").await.len(), 1, "{}", hub.engine);
        assert_eq!(world.recorded.count("SELECT count(*) FROM sent_reminders").await, 2);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r10_no_clock_that_jumps_sends_twice_and_none_is_forgotten() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        world.send("bank-a", vec![bill(account, world.day(-5), world.day(10))]).await;
        let reminders = replica(&world, "hub-4").await;
        let began = hub.clock().now();
        assert_eq!(set(&reminders, person, before(hub.id(), 3)).await, Ok(()));
        look(&reminders).await;
        let told = async || world.told(person, "REMINDER").await.len();
        // The clock runs so far ahead that the reminder would be too late, and is set right again.
        set_clock(&hub, began.plus(DAY * 300));
        look(&reminders).await;
        assert_eq!((told().await, next_at(&reminders, person).await), (0, vec![None]), "{}", hub.engine);
        set_clock(&hub, began);
        look(&reminders).await;
        let planned = at(world.day(7), 9, 30);
        set_clock(&hub, planned.plus(MINUTE));
        look(&reminders).await;
        assert_eq!(told().await, 1, "{}", hub.engine);
        for moment in [began, planned.plus(MINUTE), planned.minus(MINUTE), planned.plus(DAY), planned] {
            set_clock(&hub, moment);
            look(&reminders).await;
            assert_eq!(told().await, 1, "{}", hub.engine);
        }
        // The next bill is another matter.
        world.send("bank-a", vec![bill(account, world.day(1), world.day(12))]).await;
        set_clock(&hub, at(world.day(9), 9, 31));
        look(&reminders).await;
        assert_eq!(told().await, 2, "{}", hub.engine);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r10_a_bill_that_comes_moves_or_is_paid_plans_the_reminder_anew() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let reminders = replica(&world, "hub-4").await;
        let whole = federation::BillReport { ..world.bill(account) };
        assert_eq!(set(&reminders, person, before(hub.id(), 3)).await, Ok(()));
        let next = async || {
            look(&reminders).await;
            let row = "SELECT next_at FROM reminders";
            let stored = world.fetch(row, Vec::new()).await[0].maybe_time(0).unwrap();
            assert_eq!(next_at(&reminders, person).await, [stored], "{}", hub.engine);
            stored
        };
        assert_eq!(next().await, None, "nothing is due");
        world.send("bank-a", vec![whole.clone()]).await;
        assert_eq!(next().await, Some(at(world.day(7), 9, 30)), "{}", hub.engine);
        let moved = federation::BillReport { version: 2, due_on: world.day(12).to_string(), ..whole.clone() };
        world.send("bank-a", vec![moved]).await;
        assert_eq!(next().await, Some(at(world.day(9), 9, 30)), "{}", hub.engine);
        let paid = federation::BillReport {
            version: 3,
            paid_minor: 150_000,
            standing: federation::BillStanding::PaidInTime.into(),
            standing_on: world.day(-1).to_string(),
            ..whole
        };
        world.send("bank-a", vec![paid]).await;
        assert_eq!(next().await, None, "{}", hub.engine);
        set_clock(&hub, at(world.day(9), 9, 31));
        look(&reminders).await;
        assert_eq!(world.told(person, "REMINDER").await, Vec::<String>::new(), "nothing is left to pay");
    })
    .await;
}

#[tokio::test]
async fn r10_while_bills_change_at_two_replicas_and_two_look_each_person_is_told_once() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let other_bills = crate::bills::testing::replica(&hub, &world.recorded.feed, "hub-7").await;
        let (one, other) = (replica(&world, "hub-4").await, replica(&world, "hub-5").await);
        let mut people = Vec::new();
        for _ in 0..8 {
            let (person, account) = world.person("bank-a").await;
            assert_eq!(set(&one, person, before(hub.id(), 3)).await, Ok(()));
            people.push((person, account));
        }
        set_clock(&hub, at(world.day(7), 9, 31));
        let reports = (1..=6).flat_map(|version| people.iter().map(move |(_, account)| (version, *account)));
        let reporting = reports.enumerate().map(|(n, (version, account))| {
            let bills = if n % 2 == 0 { &world.bills } else { &other_bills };
            let report = federation::BillReport { version, paid_minor: version, ..world.bill(account) };
            crate::bills::testing::report(bills, "bank-a", vec![report])
        });
        let looking = (0..40).map(|n| if n % 2 == 0 { one.look() } else { other.look() });
        let (reported, looked) =
            tokio::join!(futures_util::future::join_all(reporting), futures_util::future::join_all(looking));
        assert!(reported.iter().all(Result::is_ok) && looked.iter().all(Result::is_ok), "{} {looked:?}", hub.engine);
        look(&one).await;
        for (person, _) in people {
            assert_eq!(world.told(person, "REMINDER").await.len(), 1, "{}", hub.engine);
        }
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r10_a_time_that_the_zone_skips_is_the_first_moment_after_the_gap() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let zone = crate::records::query::zone_of("America/New_York").unwrap();
        // The next time that clocks are set forward there.
        let now = jiff::Timestamp::from_microsecond(hub.clock().now().micros()).unwrap();
        let gap = zone.following(now).find(|it| it.dst().is_dst()).unwrap().timestamp();
        let day = zone.to_datetime(gap).date();
        let closed = day.saturating_sub(20.days());
        set_clock(&hub, at(closed, 12, 0));
        let reminders = replica(&world, "hub-4").await;
        world.send("bank-a", vec![bill(account, closed, day)]).await;
        let skipped =
            pb::Reminder { hour: 2, minute: 30, time_zone: "America/New_York".to_owned(), ..before(hub.id(), 0) };
        assert_eq!(set(&reminders, person, skipped).await, Ok(()));
        let gap = Timestamp::from_micros(gap.as_microsecond());
        assert_eq!(next_at(&reminders, person).await, [Some(gap)], "{}", hub.engine);
        set_clock(&hub, gap.minus(MINUTE));
        look(&reminders).await;
        assert_eq!(world.told(person, "REMINDER").await.len(), 0, "{}", hub.engine);
        set_clock(&hub, gap);
        look(&reminders).await;
        assert_eq!(world.told(person, "REMINDER").await.len(), 1, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r10_a_reminder_of_one_account_by_month_is_set_changed_and_taken_away() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let at_b = hub.id();
        world.recorded.bind("bank-b", at_b, person).await;
        world.send("bank-a", vec![world.bill(account)]).await;
        world.send("bank-b", vec![world.bill(at_b)]).await;
        let reminders = replica(&world, "hub-4").await;
        let id = hub.id();
        let monthly = pb::Reminder {
            bank_id: "bank-b".to_owned(),
            account_id: at_b.to_string(),
            when: Some(Named::DayOfMonth(i32::from(world.day(2).day()))),
            time_zone: String::new(),
            ..before(id, 0)
        };
        assert_eq!(set(&reminders, person, monthly.clone()).await, Ok(()));
        assert_eq!(set(&reminders, person, monthly.clone()).await, Ok(()), "the same again");
        let listed = wire::list(&reminders.list(person).await.unwrap()).reminders;
        let planned = at(world.day(2), 9, 30);
        let shown = pb::Reminder {
            next_at: Some(proto::to_timestamp(planned)),
            time_zone: "UTC".to_owned(),
            ..monthly.clone()
        };
        assert_eq!(listed, [shown], "{}", hub.engine);
        set_clock(&hub, planned.plus(MINUTE));
        look(&reminders).await;
        let told = world.told(person, "REMINDER").await;
        assert_eq!(told.len(), 1, "{}", hub.engine);
        assert!(told[0].starts_with("To pay: bank-b ****4821 1500.00 CNY") && !told[0].contains("bank-a"), "{told:?}");
        // Taken away and set anew under its id it does not tell of the same month again.
        let reminder_id = ReminderId::from_uuid(id);
        let stranger = world.recorded.past.person().await;
        assert_eq!(reminders.delete(stranger, reminder_id).await.unwrap(), Ok(()));
        assert_eq!(reminders.list(person).await.unwrap().len(), 1, "it is not the stranger's");
        assert_eq!(set(&reminders, stranger, monthly.clone()).await, Err(Reason::IdTaken));
        for _ in 0..2 {
            assert_eq!(reminders.delete(person, reminder_id).await.unwrap(), Ok(()));
        }
        assert_eq!(reminders.list(person).await.unwrap().len(), 0);
        set_clock(&hub, planned.minus(MINUTE));
        assert_eq!(set(&reminders, person, monthly).await, Ok(()));
        set_clock(&hub, planned.plus(MINUTE));
        look(&reminders).await;
        assert_eq!(world.told(person, "REMINDER").await.len(), 1, "{}", hub.engine);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r10_a_reminder_that_cannot_be_is_refused_by_reason() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let reminders = replica(&world, "hub-4").await;
        let fine = || before(hub.id(), 3);
        let table = [
            (pb::Reminder { reminder_id: "7".to_owned(), ..fine() }, Reason::IdMalformed),
            (pb::Reminder { bank_id: "bank-a".to_owned(), ..fine() }, Reason::FieldMissing),
            (pb::Reminder { account_id: account.to_string(), ..fine() }, Reason::FieldMissing),
            (pb::Reminder { bank_id: "Bank".into(), account_id: account.to_string(), ..fine() }, Reason::NameMalformed),
            (pb::Reminder { when: None, ..fine() }, Reason::FieldMissing),
            (before(hub.id(), 31), Reason::ReminderMalformed),
            (before(hub.id(), -1), Reason::ReminderMalformed),
            (before(hub.id(), 300), Reason::ReminderMalformed),
            (pb::Reminder { when: Some(Named::DayOfMonth(0)), ..fine() }, Reason::ReminderMalformed),
            (pb::Reminder { when: Some(Named::DayOfMonth(32)), ..fine() }, Reason::ReminderMalformed),
            (pb::Reminder { hour: 24, ..fine() }, Reason::ReminderMalformed),
            (pb::Reminder { minute: 60, ..fine() }, Reason::ReminderMalformed),
            (pb::Reminder { time_zone: "Mars/Olympus".to_owned(), ..fine() }, Reason::TimeZoneUnknown),
        ];
        for (reminder, wanted) in table {
            assert_eq!(set(&reminders, person, reminder.clone()).await, Err(wanted), "{} {reminder:?}", hub.engine);
        }
        let nothing = pb::SetReminderRequest { reminder: None };
        assert_eq!(reminders.set(person, &nothing).await.unwrap(), Err(Reason::FieldMissing));
        for _ in 0..20 {
            assert_eq!(set(&reminders, person, fine()).await, Ok(()));
        }
        assert_eq!(set(&reminders, person, fine()).await, Err(Reason::TooManyItems), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r10_one_that_cannot_be_read_holds_up_nobody_else() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        world.send("bank-a", vec![world.bill(account)]).await;
        let reminders = replica(&world, "hub-4").await;
        assert_eq!(set(&reminders, person, before(hub.id(), 30)).await, Ok(()));
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE reminders SET time_zone = 'Atlantis/Poseidonis'", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        look(&reminders).await;
        let (anna, of_anna) = world.person("bank-a").await;
        let (ben, of_ben) = world.person("bank-a").await;
        world.send("bank-a", vec![world.bill(of_anna), world.bill(of_ben)]).await;
        for person in [anna, ben] {
            assert_eq!(set(&reminders, person, before(hub.id(), 3)).await, Ok(()));
        }
        let mut tx = hub.store.begin().await.unwrap();
        let sql = "UPDATE bills SET due_on = 'LOST' WHERE person_id = $1";
        tx.execute(sql, vec![anna.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        set_clock(&hub, at(world.day(7), 9, 31));
        look(&reminders).await;
        assert_eq!(world.told(anna, "REMINDER").await.len(), 0, "{}", hub.engine);
        assert_eq!(world.told(ben, "REMINDER").await.len(), 1, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r10_the_hub_sends_by_itself_until_it_drains() {
    let database = server_kit::store::testing::TestDatabase::sqlite();
    crate::testing::on(&database, &async |hub: TestHub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        world.send("bank-a", vec![world.bill(account)]).await;
        let reminders = replica(&world, "hub-4").await;
        assert_eq!(set(&reminders, person, before(hub.id(), 3)).await, Ok(()));
        let mut watch = world.recorded.feed.watch(person, 1).unwrap();
        let draining = CancellationToken::new();
        let sending = tokio::spawn(remind(reminders, Duration::from_millis(5), draining.clone()));
        set_clock(&hub, at(world.day(7), 9, 31));
        let event = watch.next().await.unwrap().unwrap();
        assert!(
            matches!(&event.kind, domain::feed::EventKind::News(news) if news.topic == domain::feed::Topic::Reminder)
        );
        draining.cancel();
        sending.await.unwrap();
    })
    .await;
}
