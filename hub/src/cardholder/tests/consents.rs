//! A phone gives consents, takes them back and reads who asked, in its session (R9).

use domain::credit_history::{Asker, ConsentForm, Field, Fields, Purpose};
use domain::{BankId, ConsentId, Timestamp};

use super::*;

/// What a phone in session sends of a consent that its person gives to bank-b.
fn consent(world: &World, phone: &InSession, person_id: PersonId) -> pb::GiveConsentRequest {
    let now = world.hub.clock().now().micros() / 1_000_000;
    let form = ConsentForm {
        id: ConsentId::from_uuid(world.hub.id()),
        person_id,
        asker: Asker::Bank(BankId::parse("bank-b").unwrap()),
        purpose: Purpose::CardApplication,
        fields: Fields::new([Field::GoodRecord]).unwrap(),
        from: Timestamp::from_secs(now),
        until: Timestamp::from_secs(now + 3_600),
    };
    let text = form.to_string();
    let message = format!("bankhub.v1.consent\n{}\n{text}", phone.device_id);
    pb::GiveConsentRequest {
        signature: phone.device.sign(message.as_bytes()),
        device_id: phone.device_id.clone(),
        text,
    }
}

#[tokio::test]
async fn r9_a_phone_in_session_gives_its_persons_consents_and_sees_nobody_elses() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let mut tx = hub.store.begin().await.unwrap();
        let sql =
            "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ('bank-b', 1, 'B', '', 0)";
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let phone = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613800138001").await;
        let give = async |token: &str, request| world.api.give_consent(with_token(token, request)).await;

        let good = consent(&world, &phone, phone.person_id);
        let given = give(&phone.token, good.clone()).await.unwrap().into_inner().consent.unwrap();
        assert_eq!(
            (given.text.as_str(), given.state()),
            (good.text.as_str(), pb::ConsentState::Given),
            "{}",
            hub.engine
        );
        assert_eq!(reason(world.api.give_consent(from_stranger(good.clone())).await), Reason::SessionInvalid);
        assert_eq!(reason(give(&other.token, good).await), Reason::NotYours, "another phone's signature");
        let for_other = consent(&world, &phone, other.person_id);
        assert_eq!(reason(give(&phone.token, for_other).await), Reason::NotYours, "another person's consent");

        let list = async |token: &str| {
            let request = with_token(token, pb::ListConsentsRequest::default());
            world.api.list_consents(request).await.unwrap().into_inner().consents
        };
        assert_eq!(list(&phone.token).await, std::slice::from_ref(&given));
        assert_eq!(list(&other.token).await, []);
        let revoke = async |token: &str| {
            let request = pb::RevokeConsentRequest { consent_id: given.consent_id.clone() };
            world.api.revoke_consent(with_token(token, request)).await
        };
        assert_eq!(reason(revoke(&other.token).await), Reason::ConsentUnknown);
        let revoked = revoke(&phone.token).await.unwrap().into_inner().consent.unwrap();
        assert_eq!(revoked.state(), pb::ConsentState::Revoked, "{}", hub.engine);
        let log = world.api.list_inquiries(with_token(&phone.token, pb::ListInquiriesRequest::default())).await;
        let log = log.unwrap().into_inner();
        assert_eq!((log.inquiries, log.last_number, log.last_hash), (vec![], 0, vec![0; 32]));
        let request = with_token(&phone.token, pb::GetCreditHistoryRequest::default());
        assert_eq!(world.api.get_credit_history(request).await.unwrap().into_inner().entries, []);
    })
    .await;
}
