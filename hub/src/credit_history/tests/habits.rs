//! Banks ask for habits, and operators for purchases, under consents for that.

use domain::OperatorId;
use proto::{common, operator as operator_pb};

use super::*;
use crate::follow::Followers;
use crate::records::testing::{POSTED, REVERSED, World as Records, purchase};

/// A hub with somebody who has bought tea for 10.00 on each of so many days that are over for two weeks.
async fn bought(hub: &TestHub, times: i64) -> (World, Records, Person, Uuid) {
    let world = World::open(hub).await;
    let mut records = Records::followed(hub, "hub-1-records", &Followers::default()).await;
    let wang = world.person(WANG.0, WANG.1).await;
    let account = hub.id();
    records.bind("bank-a", account, wang.id).await;
    for n in 0..times {
        records.send("bank-a", &[old(hub, account, hub.id(), n)]).await.unwrap();
    }
    (world, records, wang, account)
}

/// Tea for 10.00 as many days ago, and two weeks.
fn old(hub: &TestHub, account: Uuid, id: Uuid, days: i64) -> pb::PurchaseReport {
    let ago = std::time::Duration::from_secs(u64::try_from(days + 14).unwrap() * 86_400);
    let at = Some(proto::to_timestamp(hub.clock().now().minus(ago)));
    pb::PurchaseReport { occurred_at: at, ..purchase(account, id, 1, POSTED, 1_000, 0) }
}

impl World {
    async fn allows(&self, person: &Person, asker: Asker, purpose: Purpose, fields: &[Field]) -> ConsentForm {
        let fields = Fields::new(fields.iter().copied()).unwrap();
        let form = ConsentForm { asker, purpose, fields, ..self.form(person) };
        self.give(person, &form).await.unwrap();
        form
    }

    fn asks_habits(&self, person: &Person, consent: &ConsentForm) -> pb::InquireHabitsRequest {
        pb::InquireHabitsRequest {
            inquiry_id: self.hub.id().to_string(),
            name: person.name.to_owned(),
            phone_number: person.number.to_owned(),
            purpose: pb::InquiryPurpose::Offers.into(),
            consent_id: consent.id.to_string(),
        }
    }

    async fn habits(&self, bank: &str, request: &pb::InquireHabitsRequest) -> Result<common::HabitTotals, Reason> {
        let answer = self.history.inquire_habits(BankId::parse(bank).unwrap(), request).await.unwrap();
        answer.map(|answer| answer.habits.unwrap())
    }

    fn asks_payments(&self, person: &Person, consent: &ConsentForm) -> operator_pb::ListPersonPaymentsRequest {
        operator_pb::ListPersonPaymentsRequest {
            inquiry_id: self.hub.id().to_string(),
            person_id: person.id.to_string(),
            consent_id: consent.id.to_string(),
            purpose: operator_pb::RecordsPurpose::Dispute.into(),
            fields: vec![operator_pb::RecordField::Amounts.into()],
            ..operator_pb::ListPersonPaymentsRequest::default()
        }
    }

    async fn payments(
        &self,
        who: &str,
        request: &operator_pb::ListPersonPaymentsRequest,
    ) -> Result<operator_pb::ListPersonPaymentsResponse, Status> {
        self.history.person_payments(OperatorId::parse(who).unwrap(), request).await
    }
}

fn operator(id: &str) -> Asker {
    Asker::Operator(OperatorId::parse(id).unwrap())
}

#[tokio::test]
async fn r5_a_bank_is_given_totals_under_a_consent_as_often_as_it_asks_and_each_time_the_person_hears_of_it() {
    on_each_engine(async |hub| {
        let (world, _records, wang, _) = bought(&hub, 7).await;
        let consent = world.allows(&wang, bank("bank-c"), Purpose::Offers, &[Field::Habits]).await;
        let request = world.asks_habits(&wang, &consent);
        let totals = world.habits("bank-c", &request).await.unwrap();
        let groups: Vec<_> = totals.totals.iter().filter(|it| it.slice.starts_with("group:")).collect();
        assert_eq!(groups.len(), 1, "{}: {totals:?}", hub.engine);
        assert_eq!((groups[0].slice.as_str(), groups[0].count_at_least), ("group:restaurants", 5));
        assert_eq!(world.habits("bank-c", &request).await.as_ref(), Ok(&totals), "the same inquiry");
        assert_eq!(world.habits("bank-c", &world.asks_habits(&wang, &consent)).await.as_ref(), Ok(&totals));
        assert_eq!(world.consents(&wang).await[0].1, phone_pb::ConsentState::Given);
        let log = world.log(&wang).await;
        assert_eq!(log.len(), 2, "{}: two inquiries", hub.engine);
        assert_eq!((log[0].purpose, log[0].fields.to_string().as_str()), (Purpose::Offers, "HABITS"));
        let sql = "SELECT count(*) FROM events WHERE topic = 'INQUIRY' AND text_en LIKE 'The bank-c asked for your spending habits%'";
        assert_eq!(world.count(sql).await, 2);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r5_what_is_given_of_a_week_stays_the_same_for_every_bank_whatever_comes_back_meanwhile() {
    on_each_engine(async |hub| {
        let (world, mut records, wang, account) = bought(&hub, 5).await;
        let one = world.allows(&wang, bank("bank-c"), Purpose::Offers, &[Field::Habits]).await;
        let other = world.allows(&wang, bank("bank-b"), Purpose::Offers, &[Field::Habits]).await;
        let before = world.habits("bank-c", &world.asks_habits(&wang, &one)).await.unwrap();
        // One more of those weeks is reported late, and one comes back.
        let id = hub.id();
        let late = old(&hub, account, id, 1);
        records.send("bank-a", std::slice::from_ref(&late)).await.unwrap();
        let back = pb::PurchaseReport { version: 2, state: REVERSED.into(), given_back_minor: 1_000, ..late };
        records.send("bank-a", &[back, old(&hub, account, hub.id(), 2)]).await.unwrap();
        let after = world.habits("bank-c", &world.asks_habits(&wang, &one)).await.unwrap();
        let others = world.habits("bank-b", &world.asks_habits(&wang, &other)).await.unwrap();
        assert_eq!((&after, &others), (&before, &before), "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM given_habits").await, 1);
    })
    .await;
}

#[tokio::test]
async fn r5_fewer_purchases_than_the_floor_are_given_to_nobody() {
    on_each_engine(async |hub| {
        let (world, _records, wang, _) = bought(&hub, 4).await;
        let consent = world.allows(&wang, bank("bank-c"), Purpose::Offers, &[Field::Habits]).await;
        let totals = world.habits("bank-c", &world.asks_habits(&wang, &consent)).await.unwrap();
        assert_eq!(totals.totals, [], "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r5_a_consent_to_habits_that_is_anothers_expired_revoked_or_for_something_else_gives_nothing() {
    on_each_engine(async |hub| {
        let (world, _records, wang, _) = bought(&hub, 7).await;
        let li = world.person(LI.0, LI.1).await;
        let consent = world.allows(&wang, bank("bank-c"), Purpose::Offers, &[Field::Habits]).await;
        let lis = world.allows(&li, bank("bank-c"), Purpose::Offers, &[Field::Habits]).await;
        let history = world.given(&wang).await;
        let form = world.form(&wang);
        let over = ConsentForm {
            until: Timestamp::from_secs(form.until.micros() / 1_000_000 - 24 * HOUR),
            from: Timestamp::from_secs(form.from.micros() / 1_000_000 - 24 * HOUR),
            fields: consent.fields.clone(),
            purpose: Purpose::Offers,
            ..form
        };
        let over = world.stored(&wang, over).await;
        let ask = |consent: &ConsentForm| world.asks_habits(&wang, consent);
        let review = pb::InquireHabitsRequest { purpose: pb::InquiryPurpose::Review.into(), ..ask(&consent) };
        let misnamed = pb::InquireHabitsRequest { name: "王大明".to_owned(), ..ask(&consent) };
        for (who, request, wanted) in [
            ("bank-b", ask(&consent), Reason::InquiryUnanswered),
            ("bank-c", ask(&lis), Reason::InquiryUnanswered),
            ("bank-c", ask(&over), Reason::ConsentExpired),
            ("bank-c", ask(&history), Reason::ConsentPurposeMismatch),
            ("bank-c", review, Reason::ConsentPurposeMismatch),
            ("bank-c", misnamed, Reason::InquiryUnanswered),
            ("bank-z", ask(&consent), Reason::BankUnknown),
        ] {
            assert_eq!(world.habits(who, &request).await, Err(wanted), "{}: {who} {request:?}", hub.engine);
        }
        // A consent to habits is none to the history.
        assert_eq!(world.ask(&world.inquiry(&wang, &consent)).await, Err(Reason::ConsentPurposeMismatch));
        world.revoke(&wang, &consent).await.unwrap();
        assert_eq!(world.habits("bank-c", &ask(&consent)).await, Err(Reason::ConsentRevoked), "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM given_habits").await, 0);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn m9_an_operator_sees_what_the_person_has_signed_for_and_the_person_sees_that() {
    on_each_engine(async |hub| {
        let (world, mut records, wang, account) = bought(&hub, 3).await;
        let fields = [Field::Amounts, Field::Items];
        let consent = world.allows(&wang, operator("anna"), Purpose::Dispute, &fields).await;
        let first = operator_pb::ListPersonPaymentsRequest { page_size: 2, ..world.asks_payments(&wang, &consent) };
        let page = world.payments("anna", &first).await.unwrap();
        assert_eq!(page.purchases.len(), 2, "{}", hub.engine);
        let shown = &page.purchases[0];
        assert_eq!(shown.amount.as_ref().unwrap().minor_units, 1_000);
        assert!(
            shown.merchant.is_none() && shown.items.is_empty() && shown.place.is_empty() && shown.location.is_none()
        );
        // What is bought meanwhile is of another inquiry.
        records.send("bank-a", &[old(&hub, account, hub.id(), 0)]).await.unwrap();
        let next = operator_pb::ListPersonPaymentsRequest { page_token: page.next_page_token, ..first.clone() };
        let rest = world.payments("anna", &next).await.unwrap();
        assert_eq!((rest.purchases.len(), rest.next_page_token.as_str()), (1, ""), "{}", hub.engine);
        assert_eq!(world.payments("anna", &first).await.unwrap().purchases, page.purchases);
        let log = world.log(&wang).await;
        assert_eq!(
            (log.len(), log[0].asker.clone()),
            (1, operator("anna")),
            "{}: the pages are one inquiry",
            hub.engine
        );
        let other = operator_pb::ListPersonPaymentsRequest {
            page_token: next.page_token,
            ..world.asks_payments(&wang, &consent)
        };
        assert_eq!(reason(world.payments("anna", &other).await), Reason::PageTokenMalformed);
        // Taken back, the next page is refused, and so is the first.
        world.revoke(&wang, &consent).await.unwrap();
        for request in [&first, &world.asks_payments(&wang, &consent)] {
            assert_eq!(reason(world.payments("anna", request).await), Reason::ConsentRevoked, "{}", hub.engine);
        }
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn m9_without_a_consent_an_operator_is_refused_in_the_same_words_whoever_is_asked_about() {
    on_each_engine(async |hub| {
        let (world, _records, wang, _) = bought(&hub, 1).await;
        let consent = world.allows(&wang, operator("anna"), Purpose::Dispute, &[Field::Amounts]).await;
        let ask = || world.asks_payments(&wang, &consent);
        let stranger = operator_pb::ListPersonPaymentsRequest { person_id: hub.id().to_string(), ..ask() };
        let unknown = operator_pb::ListPersonPaymentsRequest { consent_id: hub.id().to_string(), ..ask() };
        for (who, request) in [("bert", ask()), ("anna", stranger), ("anna", unknown)] {
            assert_eq!(reason(world.payments(who, &request).await), Reason::ConsentRequired, "{}: {who}", hub.engine);
        }
        let items = vec![operator_pb::RecordField::Items.into()];
        let by_amount = proto::cardholder::PurchaseFilter { least_minor: Some(1), ..Default::default() };
        let more = operator_pb::ListPersonPaymentsRequest { fields: items.clone(), ..ask() };
        let sly = operator_pb::ListPersonPaymentsRequest { fields: items, filter: Some(by_amount), ..ask() };
        let support = operator_pb::RecordsPurpose::Support.into();
        let other = operator_pb::ListPersonPaymentsRequest { purpose: support, ..ask() };
        let none = operator_pb::ListPersonPaymentsRequest { fields: Vec::new(), ..ask() };
        for (request, wanted) in [
            (more, Reason::ConsentFieldsExceeded),
            (sly, Reason::ConsentFieldsExceeded),
            (other, Reason::ConsentPurposeMismatch),
            (none, Reason::FieldMissing),
        ] {
            assert_eq!(reason(world.payments("anna", &request).await), wanted, "{}: {request:?}", hub.engine);
        }
        // Those that were about the person are in the log, with what came of them.
        let answers: Vec<_> = world.log(&wang).await.iter().map(|record| record.answer.as_str()).collect();
        let refused = ["CONSENT_REQUIRED", "CONSENT_REQUIRED", "CONSENT_FIELDS_EXCEEDED", "CONSENT_PURPOSE_MISMATCH"];
        assert_eq!(answers, refused, "{}", hub.engine);
    })
    .await;
}
