//! Queued once, sent once, whoever dies.

use std::time::Duration;

use domain::notice::{ChannelKind, Choices, MailAddress, NoticeKind, QuietHours, Variables};
use domain::{DeviceId, PersonId};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::store::StoreError;

use super::super::channel::{Address, PushTarget, Vendor};
use super::super::{Notice, Preferences};
use super::{NoticesOptions, Office, PHONE, Told, charge, code, eventually, open, quick};
use crate::testing::{on_each_engine, on_postgres};

const ALL: &[ChannelKind] = &[ChannelKind::Sms, ChannelKind::Mail, ChannelKind::Push];
const SMS: &[ChannelKind] = &[ChannelKind::Sms];

#[tokio::test]
async fn r6_a_notice_is_queued_once_for_each_channel_that_the_person_wants() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), ALL);
        let person = office.person(PHONE).await;
        assert_eq!(office.queue(&[charge(person, "1")]).await, 1, "SMS alone: there is no phone and no address");
        assert_eq!(office.queue(&[charge(person, "1"), charge(person, "1")]).await, 0, "once");
        for (device, token) in [(1_u128, "a"), (2, "b")] {
            let target = PushTarget { vendor: Vendor::Fcm, token: token.to_owned() };
            let device = DeviceId::from_uuid(uuid::Uuid::from_u128(device));
            assert_eq!(office.notices.register_push(person, device, target).await.unwrap(), Ok(()));
        }
        let mut choices = Choices::default();
        choices.choose(NoticeKind::Charge, ChannelKind::Mail, true).unwrap();
        choices.choose(NoticeKind::Charge, ChannelKind::Sms, false).unwrap();
        let mail = MailAddress::parse("wang@example.com").ok();
        office.notices.set_preferences(person, Preferences { choices, mail, ..Preferences::default() }).await.unwrap();
        assert_eq!(office.queue(&[charge(person, "2")]).await, 3, "mail and two phones");
        assert_eq!(office.queue(&[code(person, "2", Duration::from_secs(180))]).await, 3, "SMS and two phones");
        let other = office.person("+8613900139000").await;
        assert_eq!(office.queue(&[charge(other, "2")]).await, 1, "the same event of somebody else");
        assert_eq!(office.count("QUEUED").await, 8);
        let none = open(&hub, quick(), &[]);
        assert_eq!(none.queue(&[charge(person, "3")]).await, 0, "no channel, nothing to pile up");
    })
    .await;
}

#[tokio::test]
async fn r6_what_is_not_committed_is_told_to_nobody() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let mut tx = hub.store.begin().await.unwrap();
        assert_eq!(office.notices.queue(&mut tx, &[charge(person, "1")]).await.unwrap(), 1);
        drop(tx);
        assert_eq!(office.count("QUEUED").await, 0);
        for bad in [
            Notice { key: String::new(), ..charge(person, "1") },
            Notice { key: "a b".to_owned(), ..charge(person, "1") },
            Notice { key: "k".repeat(101), ..charge(person, "1") },
            Notice { kind: NoticeKind::Code, ..charge(person, "1") },
            Notice { kind: NoticeKind::Code, variables: Variables::new(), ..charge(person, "1") },
        ] {
            let mut tx = hub.store.begin().await.unwrap();
            let refused = office.notices.queue(&mut tx, std::slice::from_ref(&bad)).await;
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{bad:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r6_a_charge_is_told_by_sms_in_chinese_unless_the_person_wants_it_otherwise() {
    on_each_engine(async |hub| {
        let one_by_one = NoticesOptions { at_once: 1, kept_for_urgent: 0, ..quick() };
        let office = open(&hub, one_by_one, SMS);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "1"), code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("SENT", 2).await;
        let letters = channel.letters.lock().unwrap().clone();
        assert_eq!(letters[0].kind, NoticeKind::Code, "a code goes first");
        assert!(letters[0].text.starts_with("验证码271828，在老王面馆支付12.50元，"), "{}", letters[0].text);
        assert_eq!(letters[1].text, "您的第一银行****4821于3月1日12:30在老王面馆支出12.50元。");
        assert!(matches!(&letters[1].to, Address::Phone(phone) if phone.as_e164() == PHONE));
        let wiped = "SELECT count(*) FROM notices WHERE payload_sealed IS NULL AND kind = 'CODE'";
        assert_eq!(office.number(wiped, Vec::new()).await, 1, "no code stays after it was sent");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_worker_that_is_killed_between_sending_and_writing_it_down_is_followed_by_the_same_letter() {
    on_each_engine(async |hub| {
        let office = open(&hub, NoticesOptions { lease_for: Duration::from_millis(300), ..quick() }, SMS);
        let person = office.person(PHONE).await;
        let mute = Told::mute(ChannelKind::Sms);
        let killed = office.work(&mute);
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        eventually("it is sent", async || mute.ids().len() == 1).await;
        killed.abort();
        let _ = killed.await;
        assert_eq!(office.count("QUEUED").await, 1);
        let channel = Told::to(ChannelKind::Sms, []);
        let successor = office.work(&channel);
        office.becomes("SENT", 1).await;
        assert_eq!(channel.ids(), mute.ids(), "the same id");
        assert_eq!(channel.texts(), mute.texts(), "the same code");
        office.draining.cancel();
        successor.await.unwrap();
    })
    .await;
}

async fn two_workers(first: Office, second: Office) {
    const NOTICES: usize = 120;
    let person = first.person(PHONE).await;
    let notices: Vec<_> = (0..NOTICES).map(|n| charge(person, &n.to_string())).collect();
    assert_eq!(first.queue(&notices).await, NOTICES);
    let channels = [Told::to(ChannelKind::Sms, []), Told::to(ChannelKind::Sms, [])];
    let workers = [first.work(&channels[0]), second.work(&channels[1])];
    first.becomes("SENT", NOTICES as i64).await;
    let mut ids: Vec<_> = channels.iter().flat_map(|channel| channel.ids()).collect();
    ids.sort_unstable();
    let sent = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), sent), (NOTICES, NOTICES), "each once");
    first.draining.cancel();
    second.draining.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn r6_two_workers_send_each_notice_once() {
    on_each_engine(async |hub| two_workers(open(&hub, quick(), SMS), open(&hub, quick(), SMS)).await).await;
}

#[tokio::test]
async fn r6_two_followers_that_queue_the_same_at_once_queue_it_once() {
    on_postgres(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let (mut one, mut two) = (hub.store.begin().await.unwrap(), hub.store.begin().await.unwrap());
        let notice = charge(person, "1");
        assert_eq!(office.notices.queue(&mut one, std::slice::from_ref(&notice)).await.unwrap(), 1);
        assert_eq!(office.notices.queue(&mut two, std::slice::from_ref(&notice)).await.unwrap(), 1);
        one.commit().await.unwrap();
        assert!(matches!(two.commit().await, Err(StoreError::Conflict)), "and begins again");
        assert_eq!(office.queue(std::slice::from_ref(&notice)).await, 0);
    })
    .await;
}

/// Quiet hours around this moment, in UTC.
fn quiet_around_now() -> QuietHours {
    let minutes = SystemClock.now().micros() / 60_000_000;
    QuietHours::from_minutes((minutes - 60).rem_euclid(1_440), (minutes + 60).rem_euclid(1_440)).unwrap()
}

#[tokio::test]
async fn r6_quiet_hours_hold_back_a_charge_and_not_a_code() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let zone = crate::zone::Zone::parse("UTC").unwrap();
        let preferences = Preferences { quiet: Some(quiet_around_now()), zone, ..Preferences::default() };
        office.notices.set_preferences(person, preferences.clone()).await.unwrap();
        assert_eq!(office.notices.preferences(person).await.unwrap(), preferences);
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "1"), code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("SENT", 1).await;
        assert_eq!(channel.letters.lock().unwrap()[0].kind, NoticeKind::Code);
        let waits = office.number("SELECT due_at - created_at FROM notices WHERE kind = 'CHARGE'", Vec::new()).await;
        assert!((3_500_000_000..=3_600_000_000).contains(&waits), "{waits}");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn m8_nothing_that_is_said_and_no_address_stands_in_the_database_in_the_clear() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), ALL);
        let person = office.person(PHONE).await;
        let mail = MailAddress::parse("wang@example.com").ok();
        office.notices.set_preferences(person, Preferences { mail, ..Preferences::default() }).await.unwrap();
        let device = DeviceId::from_uuid(hub.id());
        let target = PushTarget { vendor: Vendor::Apns, token: "0123456789abcdef".to_owned() };
        office.notices.register_push(person, device, target).await.unwrap().unwrap();
        let place = (NoticeKind::Charge, domain::notice::Language::Chinese, ChannelKind::Sms);
        office.notices.save_template(person, place, "我的私密模板 {{ amount }}").await.unwrap().unwrap();
        office.queue(&[charge(person, "1"), code(person, "1", Duration::from_secs(180))]).await;
        for sql in [
            "SELECT payload_sealed FROM notices",
            "SELECT mail_sealed FROM preferences",
            "SELECT text_sealed FROM templates",
            "SELECT token_sealed FROM push_targets",
        ] {
            let rows = hub.store.fetch(sql, Vec::new()).await.unwrap();
            assert!(!rows.is_empty(), "{sql}");
            for row in rows {
                let sealed = row.bytes(0).unwrap();
                for secret in ["老王", "271828", "wang", "私密", "0123456789abcdef", "4821"] {
                    assert!(!sealed.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{sql} {secret}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r6_what_was_done_long_ago_is_forgotten() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "1")]).await;
        office.becomes("SENT", 1).await;
        let mut tx = hub.store.begin().await.unwrap();
        let now = tx.now();
        super::super::sql::delete_done(&mut tx, now.minus(Duration::from_secs(60))).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(office.count("SENT").await, 1);
        let mut tx = hub.store.begin().await.unwrap();
        super::super::sql::delete_done(&mut tx, now.plus(Duration::from_secs(60))).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(office.count("SENT").await, 0);
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_person_without_an_address_is_a_dead_letter() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let stranger = PersonId::from_uuid(hub.id());
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[charge(stranger, "1")]).await;
        office.becomes("DEAD", 1).await;
        let dead = office.notices.dead_letters(None, 10).await.unwrap();
        assert_eq!((dead[0].error.as_str(), dead[0].tries), ("NO_ADDRESS", 0));
        assert!(channel.ids().is_empty());
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
