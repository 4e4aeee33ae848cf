//! What banks call: the calls are theirs alone, and speak of the bank that the certificate names.

use domain::Reason;
use domain::payment::Policy;
use proto::federation as pb;
use proto::federation::federation_service_server::FederationService as _;
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
