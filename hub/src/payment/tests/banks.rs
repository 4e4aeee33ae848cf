//! What banks call: the calls are theirs alone, and speak of the bank that the certificate names.

use domain::Reason;
use domain::payment::Policy;
use proto::federation::federation_service_server::FederationService as _;
use proto::{common, federation as pb};
use server_kit::identity::Role;

use super::shop::Shop;
use crate::testing::{from_member, from_stranger, on_each_engine, reason};

#[tokio::test]
async fn r9_only_a_bank_asks_for_a_credit_history_and_of_one_that_nobody_has_it_is_told_nothing() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let request = pb::InquireCreditHistoryRequest {
            inquiry_id: hub.id().to_string(),
            name: "王小明".to_owned(),
            phone_number: "+8613800138999".to_owned(),
            purpose: pb::InquiryPurpose::LoanApplication.into(),
            fields: vec![pb::ReportField::Summary.into()],
            consent_id: hub.id().to_string(),
        };
        let ask = async |request| shop.federation.inquire_credit_history(request).await;
        for role in [Role::Terminal, Role::Operator] {
            let asked = ask(from_member(role, "till-1", request.clone())).await;
            assert_eq!(reason(asked), Reason::RoleNotAllowed, "{}", hub.engine);
        }
        assert_eq!(reason(ask(from_stranger(request.clone())).await), Reason::CertificateMissing);
        assert_eq!(shop.count("SELECT count(*) FROM inquiry_answers").await, 0);
        assert_eq!(reason(ask(from_member(Role::Bank, "bank-a", request.clone())).await), Reason::InquiryUnanswered);
        assert_eq!(reason(ask(from_member(Role::Bank, "bank-x", request)).await), Reason::BankUnknown);
        shop.all_is_well().await;
    })
    .await;
}

/// A repayment that is committed, as its capability writes it.
const REPAYMENT: &str = "INSERT INTO repayments (repayment_id, version, state, from_progress, to_progress, tries, person_id, \
    device_id, signed_at, signature, currency, amount_minor, created_at, decide_before, from_leg_id, from_bank_id, from_instrument, \
    from_instrument_id, from_masked, from_named, to_leg_id, to_bank_id, to_instrument, to_instrument_id, to_masked, to_named) \
    VALUES ($1, 1, 'COMMITTED', 'HELD', 'HELD', 0, $1, $1, 0, $2, 'CNY', 1, 0, 0, $3, 'bank-a', 'ACCOUNT', $1, '', $5, \
    $4, 'bank-b', 'CARD', $1, '', $5)";

#[tokio::test]
async fn r8_a_bank_is_told_of_a_repayment_by_its_leg_also_where_a_payment_has_the_same_id() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        shop.holder().await;
        let paid = shop.pay(common::Nature::Purchase, 1_000).await;
        let id = domain::PaymentId::parse(&paid.payment_id).unwrap().uuid();
        let (paying, receiving) = (hub.id(), hub.id());
        let named = r#"{"id":"bank-a","name":"A","category":"6012"}"#;
        let mut tx = hub.store.begin().await.unwrap();
        let args = vec![id.into(), Vec::<u8>::new().into(), paying.into(), receiving.into(), named.into()];
        tx.execute(REPAYMENT, args).await.unwrap();
        tx.commit().await.unwrap();
        let ask = async |bank: &str, leg: uuid::Uuid| {
            let request = pb::ResolveLegRequest { leg_id: leg.to_string(), payment_id: paid.payment_id.clone() };
            let answer = shop.federation.resolve_leg(from_member(Role::Bank, bank, request)).await;
            answer.map(|answer| answer.into_inner().verdict())
        };
        assert_eq!(shop.verdict(&paid.payment_id).await, pb::LegVerdict::Post, "the payment's own leg: {}", hub.engine);
        assert_eq!(ask("bank-a", paying).await.unwrap(), pb::LegVerdict::Post);
        assert_eq!(ask("bank-b", receiving).await.unwrap(), pb::LegVerdict::Post);
        assert_eq!(reason(ask("bank-b", paying).await), Reason::NotYours);
        assert_eq!(reason(ask("bank-a", receiving).await), Reason::NotYours);
        assert_eq!(ask("bank-a", hub.id()).await.unwrap(), pb::LegVerdict::Void);
    })
    .await;
}
