//! Who may not ask, and what cannot be asked.

use super::*;

/// A call of each sort, made by somebody; why each was refused.
async fn each_call(api: &OperatorApi, by: impl Fn() -> Request<()>) -> Vec<Reason> {
    fn of<T>(from: &Request<()>, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(peer) = from.extensions().get::<Arc<Peer>>() {
            request.extensions_mut().insert(peer.clone());
        }
        request
    }
    let by = by();
    vec![
        reason(api.register_bank(of(&by, a_bank("bank-a"))).await),
        reason(api.list_banks(of(&by, pb::ListBanksRequest {})).await),
        reason(api.register_merchant(of(&by, a_merchant())).await),
        reason(api.register_terminal(of(&by, a_terminal())).await),
        reason(api.set_terminal_suspended(of(&by, pb::SetTerminalSuspendedRequest::default())).await),
        reason(api.register_person(of(&by, pb::RegisterPersonRequest::default())).await),
        reason(api.bind_account(of(&by, pb::BindAccountRequest::default())).await),
        reason(api.bind_card(of(&by, pb::BindCardRequest::default())).await),
        reason(api.issue_enrolment_code(of(&by, pb::IssueEnrolmentCodeRequest::default())).await),
        reason(api.find_person(of(&by, pb::FindPersonRequest::default())).await),
        reason(api.inspect_payment(of(&by, pb::InspectPaymentRequest::default())).await),
        reason(api.get_overview(of(&by, pb::GetOverviewRequest {})).await),
    ]
}

#[tokio::test]
async fn m9_only_an_operator_may_make_any_of_these_calls() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let api = &office.api;
        assert_eq!(each_call(api, || Request::new(())).await, [Reason::CertificateMissing; 12]);
        assert_eq!(each_call(api, || from_stranger(())).await, [Reason::CertificateMissing; 12]);
        for role in [Role::Terminal, Role::Bank, Role::Carrier] {
            assert_eq!(each_call(api, || from_member(role, "anna", ())).await, [Reason::RoleNotAllowed; 12]);
        }
        let wildcard = || {
            let mut request = from_stranger(());
            let addr = request.extensions().get::<Arc<Peer>>().unwrap().addr;
            let refused = Some(IdentityError::NoUri);
            request.extensions_mut().insert(Arc::new(Peer { principal: None, refused, addr }));
            request
        };
        assert_eq!(each_call(api, wildcard).await, [Reason::CertificateRefused; 12]);
        assert_eq!(office.count("SELECT count(*) FROM audit_log").await, 0, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn bad_input_about_banks_and_terminals_is_refused_by_reason_and_stores_nothing() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let api = &office.api;

        for (change, expected) in [
            (
                Box::new(|bank: &mut pb::Bank| bank.bank_id = "Bank A".into()) as Box<dyn Fn(&mut pb::Bank)>,
                Reason::NameMalformed,
            ),
            (Box::new(|bank| bank.bank_id.clear()), Reason::NameMalformed),
            (Box::new(|bank| bank.display_name = "a\u{1b}[31m".into()), Reason::TextMalformed),
            (Box::new(|bank| bank.endpoint = "http://127.0.0.1:1".into()), Reason::EndpointMalformed),
        ] {
            let mut request = a_bank("bank-a");
            change(request.bank.as_mut().unwrap());
            assert_eq!(reason(api.register_bank(by_operator(request)).await), expected);
        }
        assert_eq!(
            reason(api.register_bank(by_operator(pb::RegisterBankRequest { bank: None })).await),
            Reason::FieldMissing
        );

        let nothing = pb::RegisterMerchantRequest { merchant: None };
        assert_eq!(reason(api.register_merchant(by_operator(nothing)).await), Reason::FieldMissing);
        for (name, category, expected) in [
            ("a\nb", "5812", Reason::TextMalformed),
            ("a", "58", Reason::CategoryMalformed),
            ("a", "５８１２", Reason::CategoryMalformed),
        ] {
            let merchant = common::Merchant {
                merchant_id: "noodles".into(),
                display_name: name.into(),
                category_code: category.into(),
            };
            let request = pb::RegisterMerchantRequest { merchant: Some(merchant) };
            assert_eq!(reason(api.register_merchant(by_operator(request)).await), expected);
        }

        let nothing = pb::RegisterTerminalRequest { terminal: None };
        assert_eq!(reason(api.register_terminal(by_operator(nothing)).await), Reason::FieldMissing);
        for (latitude, place, expected) in [
            (91.0, "a", Reason::LocationMalformed),
            (f64::NAN, "a", Reason::LocationMalformed),
            (0.0, "\u{202e}a", Reason::TextMalformed),
        ] {
            let mut request = a_terminal();
            let terminal = request.terminal.as_mut().unwrap();
            terminal.place = place.into();
            terminal.location = Some(common::Location { latitude, longitude: 0.0 });
            assert_eq!(reason(api.register_terminal(by_operator(request)).await), expected);
        }
        let nameless = pb::SetTerminalSuspendedRequest::default();
        assert_eq!(reason(api.set_terminal_suspended(by_operator(nameless)).await), Reason::NameMalformed);
        assert_eq!(office.count("SELECT count(*) FROM audit_log").await, 0, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn bad_input_about_people_and_payments_is_refused_by_reason_and_stores_nothing() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let api = &office.api;
        let forty = format!("+{}", "1".repeat(40));
        for (id, number, name, expected) in [
            ("", PHONE, NAME, Reason::IdMalformed),
            ("0192f0c1", PHONE, NAME, Reason::IdMalformed),
            ("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", "+8６13800138000", NAME, Reason::PhoneNumberMalformed),
            ("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", "\u{200f}+8613800138000", NAME, Reason::PhoneNumberMalformed),
            ("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", &forty, NAME, Reason::PhoneNumberMalformed),
            ("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", PHONE, "", Reason::TextMalformed),
            ("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", PHONE, "a\u{202e}b", Reason::TextMalformed),
        ] {
            let request =
                pb::RegisterPersonRequest { person_id: id.into(), phone_number: number.into(), name: name.into() };
            assert_eq!(reason(api.register_person(by_operator(request)).await), expected);
        }
        let id = hub.id().to_string();
        for (person, bank, account, expected) in [
            ("x", "bank-a", id.as_str(), Reason::IdMalformed),
            (id.as_str(), "BANK", id.as_str(), Reason::NameMalformed),
            (id.as_str(), "bank-a", "4111111111111111", Reason::IdMalformed),
        ] {
            let request = pb::BindAccountRequest {
                person_id: person.into(),
                bank_id: bank.into(),
                account_id: account.into(),
                make_default: true,
            };
            assert_eq!(reason(office.bind(&request).await), expected);
        }
        let nobody = pb::IssueEnrolmentCodeRequest { person_id: "1".into() };
        assert_eq!(reason(api.issue_enrolment_code(by_operator(nobody)).await), Reason::IdMalformed);
        let nothing = pb::InspectPaymentRequest { payment_id: "1".into() };
        assert_eq!(reason(api.inspect_payment(by_operator(nothing)).await), Reason::IdMalformed);
        let unknown = pb::InspectPaymentRequest { payment_id: hub.id().to_string() };
        assert_eq!(reason(api.inspect_payment(by_operator(unknown)).await), Reason::PaymentUnknown);
        assert_eq!(office.count("SELECT count(*) FROM audit_log").await, 0, "{}", hub.engine);
        assert_eq!(office.bank.asked.load(Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn m8_what_a_bank_shows_too_much_of_is_not_bound() {
    on_each_engine(async |hub| {
        for (phone, shown, fine) in [
            ("+8613800138001", "622848******0015", true),
            ("+8613800138002", "622848*****00015", false),
            ("+8613800138003", "6228480000000015", false),
        ] {
            let office = open(&hub, "hub-1", AnyAccount { shown: Some(shown), ..AnyAccount::default() });
            let person = office.register_person(phone).await;
            office.api.register_bank(by_operator(a_bank("bank-a"))).await.unwrap();
            let answer = office.bind(&office.account(&person, false)).await;
            match fine {
                true => assert_eq!(answer.unwrap(), shown),
                false => assert_eq!(reason(answer), Reason::Fault, "{shown}"),
            }
        }
        let bound = hub.store.fetch("SELECT 1 FROM bindings", Vec::new()).await.unwrap();
        assert_eq!(bound.len(), 1, "{}", hub.engine);
    })
    .await;
}
