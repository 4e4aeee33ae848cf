//! What is tried again, how often, and what is given up.

use std::time::Duration;

use domain::notice::{ChannelKind, NoticeKind};
use domain::{DeviceId, Reason};
use uuid::Uuid;

use super::super::channel::{PushTarget, Receipt, SendError, Sent, Vendor};
use super::{NoticesOptions, PHONE, Told, charge, code, eventually, open, quick};
use crate::testing::on_each_engine;

const SMS: &[ChannelKind] = &[ChannelKind::Sms];

fn later() -> Result<Sent, SendError> {
    Err(SendError::Later { code: "SMPP_58".to_owned(), pause: Duration::from_millis(5) })
}

fn unknown() -> Result<Sent, SendError> {
    Err(SendError::Unknown { code: "LOST".to_owned() })
}

fn away() -> Result<Sent, SendError> {
    Err(SendError::Away { code: "CONNECT".to_owned() })
}

#[tokio::test]
async fn r6_what_fails_is_tried_again_under_the_same_id() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        // Being away counts as no try, so that the other side may be away for longer than a notice has tries.
        let answers = [away(), away(), away(), away(), away(), later(), unknown()];
        let channel = Told::to(ChannelKind::Sms, answers);
        let worker = office.work(&channel);
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("SENT", 1).await;
        let ids = channel.ids();
        assert_eq!(ids.len(), 8);
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let texts = channel.texts();
        assert!(texts.iter().all(|text| *text == texts[0]), "the same code");
        assert_eq!(office.number("SELECT tries FROM notices", Vec::new()).await, 3);
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_dead_letter_is_seen_and_tried_again_when_somebody_says_so() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let refused = Err(SendError::Refused { code: "SMPP_0B".to_owned() });
        let channel = Told::to(ChannelKind::Sms, [refused, later(), later(), later(), later()]);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "refused")]).await;
        office.becomes("DEAD", 1).await;
        office.queue(&[charge(person, "busy")]).await;
        office.becomes("DEAD", 2).await;
        let dead = office.notices.dead_letters(None, 10).await.unwrap();
        let seen: Vec<_> = dead.iter().map(|letter| (letter.error.as_str(), letter.tries)).collect();
        assert_eq!(seen, [("TRIED_TOO_OFTEN SMPP_58", 4), ("SMPP_0B", 1)]);
        assert!(dead.iter().all(|letter| letter.person_id == person && letter.kind == NoticeKind::Charge));
        assert_eq!(office.notices.dead_letters(Some(dead[0].notice_id), 10).await.unwrap(), dead[1..]);
        assert_eq!(office.notices.retry(dead[0].notice_id, "anna").await.unwrap(), Ok(()));
        office.becomes("SENT", 1).await;
        assert_eq!(channel.ids().last(), Some(&dead[0].notice_id));
        assert_eq!(
            office.notices.retry(dead[0].notice_id, "anna").await.unwrap(),
            Err(Reason::NoticeUnknown),
            "it is sent"
        );
        assert_eq!(office.notices.retry(Uuid::from_u128(1), "anna").await.unwrap(), Err(Reason::NoticeUnknown));
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_code_that_has_ended_is_dropped_and_wiped() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[code(person, "1", Duration::ZERO)]).await;
        office.becomes("DEAD", 1).await;
        assert!(channel.ids().is_empty());
        let dead = office.notices.dead_letters(None, 10).await.unwrap();
        assert_eq!(dead[0].error, "EXPIRED");
        let wiped = "SELECT count(*) FROM notices WHERE payload_sealed IS NULL";
        assert_eq!(office.number(wiped, Vec::new()).await, 1);
        assert_eq!(office.notices.retry(dead[0].notice_id, "anna").await.unwrap(), Err(Reason::NoticeUnknown));
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_code_whose_sending_is_not_known_is_tried_again_only_while_it_is_good() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let long = Err(SendError::Later { code: "SMPP_58".to_owned(), pause: Duration::from_secs(300) });
        let channel = Told::to(ChannelKind::Sms, [unknown(), long]);
        let worker = office.work(&channel);
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("DEAD", 1).await;
        assert_eq!(channel.ids().len(), 2);
        assert_eq!(office.notices.dead_letters(None, 10).await.unwrap()[0].error, "EXPIRED SMPP_58");
        let kept = "SELECT count(*) FROM notices WHERE payload_sealed IS NOT NULL";
        assert_eq!(office.number(kept, Vec::new()).await, 0, "no code stays");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_channel_that_hangs_leaves_room_for_codes() {
    on_each_engine(async |hub| {
        let options = NoticesOptions { at_once: 4, kept_for_urgent: 1, ..quick() };
        let office = open(&hub, options, SMS);
        let person = office.person(PHONE).await;
        let channel = Told::mute(ChannelKind::Sms);
        let worker = office.work(&channel);
        let charges: Vec<_> = (0..20).map(|n| charge(person, &n.to_string())).collect();
        office.queue(&charges).await;
        eventually("three hang", async || channel.ids().len() == 3).await;
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        eventually("the code is sent", async || channel.ids().len() == 4).await;
        assert_eq!(channel.letters.lock().unwrap()[3].kind, NoticeKind::Code);
        worker.abort();
        let _ = worker.await;
    })
    .await;
}

#[tokio::test]
async fn r6_a_message_that_was_lost_on_its_way_is_a_dead_letter() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let sent = |id: &str| Ok(Sent { provider_id: Some(id.to_owned()) });
        let channel = Told::to(ChannelKind::Sms, [sent("m-1"), sent("m-2")]);
        let worker = office.work(&channel);
        let receipts = channel.receipts.lock().unwrap().clone().unwrap();
        let receipt = |id: &str, status: &str, is_lost| Receipt {
            provider_id: id.to_owned(),
            status: status.to_owned(),
            is_lost,
        };
        // This one is here before the message that it is about was sent at all.
        receipts.send(receipt("m-1", "UNDELIV", true)).await.unwrap();
        receipts.send(receipt("nobody's", "DELIVRD", false)).await.unwrap();
        office.queue(&[charge(person, "1")]).await;
        office.becomes("DEAD", 1).await;
        let dead = office.notices.dead_letters(None, 10).await.unwrap();
        assert_eq!((dead[0].error.as_str(), dead[0].receipt.as_deref()), ("NOT_DELIVERED", Some("UNDELIV")));
        assert_eq!(office.notices.retry(dead[0].notice_id, "anna").await.unwrap(), Ok(()));
        office.becomes("SENT", 1).await;
        receipts.send(receipt("m-2", "DELIVRD", false)).await.unwrap();
        let delivered = "SELECT count(*) FROM notices WHERE state = 'SENT' AND receipt = 'DELIVRD'";
        eventually("the receipt stands there", async || office.number(delivered, Vec::new()).await == 1).await;
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_phone_that_is_gone_is_pushed_to_no_more() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), &[ChannelKind::Push]);
        let person = office.person(PHONE).await;
        let device = DeviceId::from_uuid(hub.id());
        let target = PushTarget { vendor: Vendor::Fcm, token: "t".to_owned() };
        assert_eq!(office.notices.register_push(person, device, target.clone()).await.unwrap(), Ok(()));
        for bad in ["", "with space", "line\n", &"t".repeat(4_097)] {
            let bad = PushTarget { token: bad.to_owned(), ..target.clone() };
            assert_eq!(office.notices.register_push(person, device, bad).await.unwrap(), Err(Reason::TextMalformed));
        }
        let channel = Told::to(ChannelKind::Push, [Err(SendError::Gone { code: "HTTP_410".to_owned() })]);
        let worker = office.work(&channel);
        assert_eq!(office.queue(&[charge(person, "1")]).await, 1);
        office.becomes("DEAD", 1).await;
        assert_eq!(channel.texts(), [""], "a vendor is told nothing");
        assert_eq!(office.queue(&[charge(person, "2")]).await, 0);
        office.notices.forget_push(person, device).await.unwrap();
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_row_that_cannot_be_read_is_given_up_and_holds_nobody_up() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        office.queue(&[charge(person, "broken")]).await;
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE notices SET payload_sealed = $1", vec![vec![1_u8, 2, 3].into()]).await.unwrap();
        // A zone, a kind and a way of telling that this program does not know.
        let sql = "INSERT INTO preferences (person_id, version, language, time_zone, choices, prices) \
                   VALUES ($1, 1, 'en', $2, $3, 'SHOUTED')";
        tx.execute(sql, vec![person.uuid().into(), "Mars/Olympus".into(), "-FAX/SMS".into()]).await.unwrap();
        tx.commit().await.unwrap();
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.becomes("DEAD", 1).await;
        assert_eq!(office.notices.dead_letters(None, 10).await.unwrap()[0].error, "TRIED_TOO_OFTEN UNREADABLE");
        office.queue(&[charge(person, "fine")]).await;
        office.becomes("SENT", 1).await;
        assert!(channel.texts()[0].contains("paid at"));
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn m5_a_code_that_was_refused_is_wiped_when_it_has_ended() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), SMS);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Sms, [Err(SendError::Refused { code: "SMPP_0B".to_owned() })]);
        let worker = office.work(&channel);
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("DEAD", 1).await;
        let kept = "SELECT count(*) FROM notices WHERE payload_sealed IS NOT NULL";
        for (later, left) in [(0, 1), (200, 0)] {
            let tx = hub.store.begin().await.unwrap();
            let then = tx.now().plus(Duration::from_secs(later));
            let mut tx = tx.at(then);
            super::super::sql::wipe_ended(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(office.number(kept, Vec::new()).await, left);
        }
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_what_was_queued_while_a_channel_was_away_goes_out_when_it_is_back() {
    on_each_engine(async |hub| {
        let options = NoticesOptions { at_once: 4, kept_for_urgent: 0, ..quick() };
        let office = open(&hub, options, SMS);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Sms, std::iter::repeat_with(away).take(8));
        let worker = office.work(&channel);
        let charges: Vec<_> = (0..30).map(|n| charge(person, &n.to_string())).collect();
        office.queue(&charges).await;
        office.becomes("SENT", 30).await;
        assert_eq!(channel.ids().len(), 38);
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
