//! The hub is killed while it does what follows from records: counts habits, takes bills in, reminds, answers a bank.

use std::time::Duration;

use domain::credit_history::{Asker, ConsentForm, Field, Fields, InquiryRecord, Purpose, check_chain};
use domain::{BankId, ConsentId, Reason, Timestamp};
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::session::{Session, answered};
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proto::cardholder as phone;
use proto::federation as bank;
use ring::digest::{SHA256, digest};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::fault;
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::store::Store;
use tonic::Status;

const CLOSING: i64 = 150_000;

fn new_id() -> String {
    IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap().to_string()
}

fn day(ahead: i64) -> Date {
    let now = jiff::Timestamp::from_microsecond(SystemClock.now().micros()).unwrap();
    now.to_zoned(TimeZone::UTC).date().saturating_add(ahead.days())
}

/// A bill over 1,500.00 that was closed five days ago and is due in ten, of which so much is paid.
fn bill(payer: &Payer, version: i64, paid_minor: i64) -> bank::BillReport {
    bank::BillReport {
        relation_ended_on: String::new(),
        account_id: payer.person.account.to_string(),
        card_id: String::new(),
        masked: "****4821".to_owned(),
        currency_code: "CNY".to_owned(),
        version,
        opened_on: day(-35).to_string(),
        closed_on: day(-5).to_string(),
        due_on: day(10).to_string(),
        closing_minor: CLOSING,
        minimum_minor: CLOSING / 10,
        paid_minor,
        standing: bank::BillStanding::Due.into(),
        standing_on: String::new(),
        lines: Vec::new(),
    }
}

/// A bank reports until it is answered, and gives why the hub refused the bill.
async fn report(world: &World, bill: bank::BillReport) -> Option<String> {
    let hub = world.hub_as_bank("bank-a");
    let request = bank::ReportBillsRequest { bills: vec![bill] };
    let answer = answered(async || hub.clone().report_bills(request.clone()).await).await.unwrap();
    answer.taken.into_iter().next().unwrap().refusal.map(|refusal| refusal.reason)
}

/// Stops the federation, whose books and log have to be sound, and gives the hub's.
async fn stopped(world: &mut World) -> Store {
    let rest = async || {
        let states = world.states().await;
        let moving = ["HOLDING", "COMMITTED"].iter().any(|state| states.contains_key(*state));
        (!moving).then_some(())
    };
    until("payments to come to rest", World::HEALING, rest).await;
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let store = world.open("hub-1").await;
    assert_eq!(hub::check_books(&store).await.unwrap().faults, Vec::<String>::new());
    store
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
}

/// What people were told as news of a topic, in English.
async fn told(store: &Store, topic: &str) -> Vec<String> {
    let sql = "SELECT text_en FROM events WHERE topic = $1 ORDER BY sequence";
    let rows = store.fetch(sql, vec![topic.into()]).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

async fn end(world: &World, store: Store) {
    closed(store).await;
    world.forget().await;
}

/// Gives a database back to its server: a file has one user.
async fn closed(store: Store) {
    store.close().await;
    drop(store);
}

async fn habits(session: &Session) -> Result<Vec<phone::Habit>, Status> {
    let mut hub = session.hub.clone();
    let answer = hub.list_habits(session.signed_in(phone::ListHabitsRequest { facet: 0 })).await?;
    Ok(answer.into_inner().habits)
}

/// Habits are counted once, whatever dies, and are those of a count from nothing.
async fn habits_killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    let (till, session) = (world.till("till-1"), world.session(&payer).await);
    let mut bought = Vec::new();
    for n in 1..=4 {
        bought.push(till.sell(&payer, fen(1_000 * n)).await);
    }
    habits(&session).await.unwrap();
    for n in 5..=6 {
        bought.push(till.sell(&payer, fen(1_000 * n)).await);
    }
    // One that is counted already is taken back, and a part of another comes back.
    till.insist(async |till| till.reverse(&bought[0], fen(1_000)).await).await;
    let refund = till.new_id();
    till.insist(async |till| till.refund(&refund, &bought[1], fen(500)).await).await;
    world.arm("hub-1", point, 1).await;
    habits(&session).await.expect_err("the hub is dead");
    world.rise_again("hub-1").await;
    let kept = answered_habits(&session).await;
    let shop = kept.iter().find(|habit| habit.facet() == phone::Facet::Merchant).unwrap();
    assert_eq!((shop.count, shop.sum.clone()), (5, Some(fen(19_500))), "{point}");
    let store = stopped(&mut world).await;
    for sql in ["DELETE FROM habits", "DELETE FROM counted_purchases", "DELETE FROM habit_cursors"] {
        let mut tx = store.begin().await.unwrap();
        assert!(tx.execute(sql, Vec::new()).await.unwrap() > 0, "{sql}");
        tx.commit().await.unwrap();
    }
    closed(store).await;
    world.federation.start_again().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answered_habits(&session).await, kept, "{point}: counted anew");
    let store = stopped(&mut world).await;
    end(&world, store).await;
}

async fn answered_habits(session: &Session) -> Vec<phone::Habit> {
    until("habits", World::HEALING, async || habits(session).await.ok()).await
}

/// A bill is one row with the last version, and is told once.
async fn bills_killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let payer = world.payer("bank-a", 0).await;
    for (version, paid_minor) in [(2, 0), (3, 50_000)] {
        world.arm("hub-1", point, 1).await;
        let mut hub = world.hub_as_bank("bank-a");
        let request = bank::ReportBillsRequest { bills: vec![bill(&payer, version, paid_minor)] };
        hub.report_bills(request).await.expect_err("the hub is dead");
        world.rise_again("hub-1").await;
        // The bank has no answer and reports again, and what it reported first comes late.
        assert_eq!(report(&world, bill(&payer, version, paid_minor)).await, None, "{point}");
        let late = report(&world, bill(&payer, version - 1, 0)).await;
        assert_eq!(late.as_deref(), Some("HISTORY_OUTDATED"), "{point}");
    }
    let store = stopped(&mut world).await;
    let rows = store.fetch("SELECT report_version, paid_minor FROM bills", Vec::new()).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.int(0).unwrap(), row.int(1).unwrap())).collect();
    assert_eq!(rows, [(3, 50_000)], "{point}");
    assert_eq!(told(&store, "BILL").await.len(), 1, "{point}");
    end(&world, store).await;
}

/// A reminder that is due reaches the person once.
async fn reminder_killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("reminders.look_every", "200ms").start().await;
    let payer = world.payer("bank-a", 0).await;
    assert_eq!(report(&world, bill(&payer, 1, 0)).await, None);
    let reminder = phone::Reminder {
        reminder_id: new_id(),
        when: Some(phone::reminder::When::DaysBefore(11)),
        hour: 9,
        time_zone: "UTC".to_owned(),
        ..phone::Reminder::default()
    };
    payer.person.device.set_reminder(reminder).await.unwrap();
    let store = stopped(&mut world).await;
    // It was set before the time that it is planned for, and the hub was away then.
    let mut tx = store.begin().await.unwrap();
    let before = SystemClock.now().minus(Duration::from_secs(5 * 24 * 3600));
    let sql = "UPDATE reminders SET set_at = $1, looked_at = $1, next_at = 0";
    assert_eq!(tx.execute(sql, vec![before.into()]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    closed(store).await;
    let hub = world.server("hub-1");
    hub.set_environment(vec![(fault::ENVIRONMENT.to_owned(), point.to_owned())]);
    // It dies at its first look, ready or not.
    hub.spawn().unwrap();
    world.rise_again("hub-1").await;
    let listed = async || {
        let reminders = payer.person.device.reminders().await.ok()?;
        reminders[0].next_at.is_none().then_some(())
    };
    until("the reminder to be sent", World::HEALING, listed).await;
    let store = stopped(&mut world).await;
    assert_eq!(told(&store, "REMINDER").await.len(), 1, "{point}");
    assert_eq!(count(&store, "SELECT count(*) FROM sent_reminders").await, 1, "{point}");
    end(&world, store).await;
}

/// The person signs that bank-b may ask once about summary and arrears, for a loan, from a minute ago for an hour.
async fn consent(session: &Session, payer: &Payer) -> String {
    let now = SystemClock.now().micros() / 1_000_000;
    let form = ConsentForm {
        id: ConsentId::parse(&new_id()).unwrap(),
        person_id: payer.person.id,
        asker: Asker::Bank(BankId::parse("bank-b").unwrap()),
        purpose: Purpose::LoanApplication,
        fields: Fields::new([Field::Summary, Field::Arrears]).unwrap(),
        from: Timestamp::from_secs(now - 60),
        until: Timestamp::from_secs(now + 3_600),
    };
    let (text, device_id) = (form.to_string(), payer.person.device.device_id().to_string());
    let message = format!("bankhub.v1.consent\n{device_id}\n{text}");
    let signature = payer.person.device.key().sign(message.as_bytes()).unwrap();
    let request = phone::GiveConsentRequest { text, device_id, signature };
    session.hub.clone().give_consent(session.signed_in(request)).await.unwrap();
    form.id.to_string()
}

fn inquiry(payer: &Payer, consent_id: &str) -> bank::InquireCreditHistoryRequest {
    bank::InquireCreditHistoryRequest {
        inquiry_id: new_id(),
        name: payer.person.name.clone(),
        phone_number: payer.number().to_owned(),
        purpose: bank::InquiryPurpose::LoanApplication.into(),
        fields: vec![bank::ReportField::Summary.into(), bank::ReportField::Arrears.into()],
        consent_id: consent_id.to_owned(),
    }
}

/// What the person's phone reads of who asked, each record following from the one before.
async fn log(session: &Session, payer: &Payer) -> Vec<InquiryRecord> {
    let request = phone::ListInquiriesRequest::default();
    let log = session.hub.clone().list_inquiries(session.signed_in(request)).await.unwrap().into_inner();
    let records: Vec<_> = log.inquiries.iter().map(|it| InquiryRecord::parse(&it.record).unwrap()).collect();
    let sha256 = |bytes: &[u8]| <[u8; 32]>::try_from(digest(&SHA256, bytes).as_ref()).unwrap();
    let last = check_chain(payer.person.id, &records, sha256).unwrap();
    assert_eq!((log.last_hash, log.last_number), (last.to_vec(), records.len() as i64));
    records
}

/// An inquiry is answered once, and a bank that asks again under its id gets the answer that the first had, or would have had.
async fn inquiry_killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with_banks(&["bank-a", "bank-b"]).start().await;
    let payer = world.payer("bank-a", 0).await;
    assert_eq!(report(&world, bill(&payer, 1, 0)).await, None);
    let session = world.session(&payer).await;
    let asked = inquiry(&payer, &consent(&session, &payer).await);
    world.arm("hub-1", point, 1).await;
    let hub = world.hub_as_bank("bank-b");
    hub.clone().inquire_credit_history(asked.clone()).await.expect_err("the hub is dead");
    world.rise_again("hub-1").await;
    let ask = async |asked: &bank::InquireCreditHistoryRequest| {
        answered(async || hub.clone().inquire_credit_history(asked.clone()).await).await
    };
    let answer = ask(&asked).await.unwrap();
    let summary = answer.report.clone().unwrap().summary.unwrap();
    assert_eq!((summary.accounts, summary.banks), (1, 1), "{point}");
    assert_eq!(ask(&asked).await.unwrap(), answer, "{point}");
    assert_eq!(log(&session, &payer).await.len(), 1, "{point}");
    let another = bank::InquireCreditHistoryRequest { inquiry_id: new_id(), ..asked };
    assert_eq!(crate::refused(ask(&another).await), Reason::ConsentUsed, "{point}");
    assert_eq!(log(&session, &payer).await.len(), 2, "{point}");
    let store = stopped(&mut world).await;
    assert_eq!(told(&store, "INQUIRY").await.len(), 2, "{point}");
    assert_eq!(count(&store, "SELECT count(*) FROM consents WHERE state = 'USED'").await, 1, "{point}");
    end(&world, store).await;
}

macro_rules! kill {
    ($($name:ident: $killed_at:ident $point:literal;)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $killed_at(Engine::Sqlite, $point).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $killed_at(Engine::Postgres, $point).await;
            })*
        }
    };
}

kill! {
    r4_a_hub_killed_before_it_has_counted_counts_once: habits_killed_at "H1.before";
    r4_a_hub_killed_after_it_has_counted_counts_once: habits_killed_at "H1.after";
    r8_a_hub_killed_before_it_has_taken_a_bill_in_keeps_its_last_version: bills_killed_at "B1.before";
    r8_a_hub_killed_after_it_has_taken_a_bill_in_keeps_its_last_version: bills_killed_at "B1.after";
    r10_a_hub_killed_before_it_has_reminded_reminds_once: reminder_killed_at "N1.before";
    r10_a_hub_killed_after_it_has_reminded_reminds_once: reminder_killed_at "N1.after";
    r9_a_hub_killed_before_it_has_answered_a_bank_answers_once: inquiry_killed_at "I1.before";
    r9_a_hub_killed_after_it_has_answered_a_bank_answers_once: inquiry_killed_at "I1.after";
}
