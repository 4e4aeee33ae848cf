//! Bills and reminders as a phone asks for them (R8, R10).

use uuid::Uuid;

use super::*;
use crate::bills::testing::{bill, report};

/// A phone of a person with an account at a bank that is billed.
async fn billed(world: &World) -> (InSession, Uuid) {
    let phone = world.phone_in_session(PHONE).await;
    let account = world.hub.id();
    let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, is_default, bound_at) \
               VALUES ('bank-a', $1, 1, 'ACCOUNT', $2, '****4821', 1, 0, 0)";
    let mut tx = world.hub.store.begin().await.unwrap();
    tx.execute(sql, vec![account.into(), phone.person_id.uuid().into()]).await.unwrap();
    tx.commit().await.unwrap();
    let today = world.bills.today().unwrap();
    let closed = today.yesterday().unwrap();
    let bill = bill(account, closed, closed.saturating_add(jiff::ToSpan::days(20)));
    assert_eq!(report(&world.bills, "bank-a", vec![bill]).await, Ok(vec![Ok(())]));
    (phone, account)
}

#[tokio::test]
async fn r8_a_phone_sees_its_bills_one_by_one_and_in_total() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let (phone, account) = billed(&world).await;
        let token = &phone.token;
        let listed =
            world.api.list_bills(with_token(token, pb::ListBillsRequest::default())).await.unwrap().into_inner();
        let bill = listed.accounts[0].bills[0].clone();
        assert_eq!(
            (bill.account_id.clone(), bill.state()),
            (account.to_string(), pb::BillState::Open),
            "{}",
            hub.engine
        );
        assert_eq!((bill.left_minor, bill.minimum_left_minor), (150_000, 15_000));
        let get = |bill_id: &str| with_token(token, pb::GetBillRequest { bill_id: bill_id.to_owned() });
        let one = world.api.get_bill(get(&bill.bill_id)).await.unwrap().into_inner();
        assert_eq!((one.bill, one.lines.len(), one.differences.len()), (Some(bill), 0, 0));
        let total = world.api.get_total_bill(with_token(token, pb::GetTotalBillRequest {})).await.unwrap().into_inner();
        assert_eq!((total.totals[0].minimum_minor, total.totals[0].open_count), (15_000, 1), "{}", hub.engine);
        for (bill_id, wanted) in [(hub.id().to_string(), Reason::BillUnknown), ("7".to_owned(), Reason::IdMalformed)] {
            assert_eq!(reason(world.api.get_bill(get(&bill_id)).await), wanted);
        }
        for (asked, wanted) in [
            (pb::ListBillsRequest { most: 61, ..Default::default() }, Reason::PageSizeOutOfRange),
            (pb::ListBillsRequest { bank_id: "Bank".to_owned(), ..Default::default() }, Reason::NameMalformed),
            (pb::ListBillsRequest { account_id: "7".to_owned(), ..Default::default() }, Reason::IdMalformed),
        ] {
            assert_eq!(reason(world.api.list_bills(with_token(token, asked)).await), wanted, "{}", hub.engine);
        }
        let stranger = world.api.list_bills(from_stranger(pb::ListBillsRequest::default())).await;
        assert_eq!(reason(stranger), Reason::SessionInvalid);
    })
    .await;
}

#[tokio::test]
async fn r10_a_phone_sets_lists_and_takes_away_its_reminders() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let (phone, _) = billed(&world).await;
        let token = &phone.token;
        let reminder = pb::Reminder {
            reminder_id: hub.id().to_string(),
            when: Some(pb::reminder::When::DaysBefore(3)),
            hour: 9,
            time_zone: "Asia/Shanghai".to_owned(),
            ..Default::default()
        };
        let set = |reminder: pb::Reminder| {
            world.api.set_reminder(with_token(token, pb::SetReminderRequest { reminder: Some(reminder) }))
        };
        set(reminder.clone()).await.unwrap();
        let list = async || {
            let request = with_token(token, pb::ListRemindersRequest {});
            world.api.list_reminders(request).await.unwrap().into_inner().reminders
        };
        let listed = list().await;
        assert!(listed[0].next_at.is_some(), "{}", hub.engine);
        assert_eq!(pb::Reminder { next_at: None, ..listed[0].clone() }, reminder);
        assert_eq!(reason(set(pb::Reminder { hour: 24, ..reminder.clone() }).await), Reason::ReminderMalformed);
        let delete = pb::DeleteReminderRequest { reminder_id: reminder.reminder_id };
        world.api.delete_reminder(with_token(token, delete)).await.unwrap();
        assert_eq!(list().await, [], "{}", hub.engine);
    })
    .await;
}
