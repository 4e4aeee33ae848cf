//! What a carrier may not, and what nobody may.

use domain::sign_up::State;
use domain::{Reason, SignUpId};
use proto::carrier as pb;
use proto::carrier::carrier_service_server::CarrierService as _;
use server_kit::identity::Role;

use super::{NAME, PHONE, World};
use crate::testing::bank::Play;
use crate::testing::{from_member, from_stranger, on_each_engine, reason};

#[tokio::test]
async fn m1_whatever_cannot_be_read_is_refused_by_reason_and_nothing_is_stored() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let good = world.request("bank-a");
        let consent = good.consent.clone().unwrap();
        let at = |seconds: i64| {
            let now = hub.clock().now().micros();
            Some(proto::to_timestamp(domain::Timestamp::from_micros(now + seconds * 1_000_000)))
        };
        type Spoil = Box<dyn Fn(&mut pb::SignUpRequest)>;
        let cases: Vec<(Reason, Spoil)> = vec![
            (Reason::IdMalformed, Box::new(|it| it.sign_up_id = "7".to_owned())),
            (Reason::PhoneNumberMalformed, Box::new(|it| it.phone_number = "13800138000".to_owned())),
            (Reason::PhoneNumberMalformed, Box::new(|it| it.phone_number = "+86138\u{200f}00138000".to_owned())),
            (Reason::CitizenNumberMalformed, Box::new(|it| it.citizen_number = "110105194912310021".to_owned())),
            (Reason::CitizenNumberMalformed, Box::new(|it| it.citizen_number = "110105194902300028".to_owned())),
            (Reason::CitizenNumberMalformed, Box::new(|it| it.citizen_number = "991105194912310020".to_owned())),
            (Reason::CitizenNumberMalformed, Box::new(|it| it.citizen_number = String::new())),
            (Reason::PersonNameMalformed, Box::new(|it| it.name = "W\u{430}ng Xiaoming".to_owned())),
            (Reason::PersonNameMalformed, Box::new(|it| it.name = "王小明\n管理员".to_owned())),
            (Reason::PersonNameMalformed, Box::new(|it| it.name = "\u{202e}明小王".to_owned())),
            (Reason::NameMalformed, Box::new(|it| it.bank_id = "Bank A".to_owned())),
            (Reason::BankNotOffered, Box::new(|it| it.bank_id = "bank-z".to_owned())),
            (Reason::FieldMissing, Box::new(|it| it.consent = None)),
            (Reason::FieldMissing, Box::new(|it| it.consent.as_mut().unwrap().given_at = None)),
            (Reason::TextMalformed, Box::new(|it| it.consent.as_mut().unwrap().terms_version = String::new())),
            (Reason::TextMalformed, Box::new(|it| it.consent.as_mut().unwrap().given_how = "a\nb".to_owned())),
        ];
        for (wanted, spoil) in cases {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert_eq!(reason(world.ask("east", bad.clone()).await), wanted, "{bad:?}");
        }
        for given_at in [at(-31 * 24 * 3_600), at(3_600)] {
            let consent = Some(pb::SignUpConsent { given_at, ..consent.clone() });
            let bad = pb::SignUpRequest { consent, ..good.clone() };
            assert_eq!(reason(world.ask("east", bad).await), Reason::TimeOutOfRange);
        }
        assert_eq!(world.count("SELECT count(*) FROM sign_ups").await, 0, "{}", hub.engine);
        assert_eq!(world.banks[0].openings(), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn m1_nobody_but_a_registered_carrier_signs_up_and_none_sees_anothers() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        for role in [Role::Terminal, Role::Bank, Role::Operator, Role::Identity] {
            let request = from_member(role, "east", world.request("bank-a"));
            assert_eq!(reason(world.api.sign_up(request).await), Reason::RoleNotAllowed, "{role}");
        }
        let request = from_stranger(world.request("bank-a"));
        assert_eq!(reason(world.api.sign_up(request).await), Reason::CertificateMissing);
        assert_eq!(reason(world.ask("north", world.request("bank-a")).await), Reason::CarrierUnknown);
        let told = world.signed_up("east", world.request("bank-a")).await;
        let get = pb::GetSignUpRequest { sign_up_id: told.sign_up.id.to_string() };
        let seen = world.api.get_sign_up(from_member(Role::Carrier, "west", get.clone())).await;
        assert_eq!(reason(seen), Reason::SignUpUnknown);
        assert!(world.api.get_sign_up(from_member(Role::Carrier, "east", get.clone())).await.is_ok());
        world.register("east", &["bank-a"], true).await.unwrap();
        let request = pb::SignUpRequest { phone_number: "+8613900139000".to_owned(), ..world.request("bank-a") };
        assert_eq!(reason(world.ask("east", request).await), Reason::CarrierSuspended);
        let seen = world.api.get_sign_up(from_member(Role::Carrier, "east", get)).await;
        assert_eq!(reason(seen), Reason::CarrierSuspended);
        assert_eq!(reason(world.register("south", &["bank-z"], false).await), Reason::BankUnknown, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m1_two_carriers_at_once_about_one_number_one_wins_and_the_other_is_told_so() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        // The bank answers nobody yet, so that the first one is under way for long.
        world.banks[0].play_openings(&[Play::LoseCall; 100]);
        let (east, west) = (world.request("bank-a"), world.request("bank-a"));
        let (one, other) = tokio::join!(world.ask("east", east.clone()), world.ask("west", west.clone()));
        let (won, lost, winner) = if one.is_ok() { (east, other, "east") } else { (west, one, "west") };
        assert_eq!(reason(lost), Reason::SignUpUnderWay, "{}", hub.engine);
        world.banks[0].play_openings(&[]);
        world.comes_to(&won, State::Told).await;
        let late = if winner == "east" { "west" } else { "east" };
        let refused = world.ask(late, world.request("bank-b")).await;
        assert_eq!(reason(refused), Reason::PhoneNumberTaken, "the number is with the other carrier");
        assert_eq!(world.count("SELECT count(*) FROM persons").await, 1);
        assert_eq!(world.banks[0].openings().0, 1);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m1_an_id_with_other_content_is_refused_whoever_brings_it() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let first = world.request("bank-a");
        world.signed_up("east", first.clone()).await;
        type Change = Box<dyn Fn(&mut pb::SignUpRequest)>;
        let changes: Vec<Change> = vec![
            Box::new(|it| it.name = "王大明".to_owned()),
            Box::new(|it| it.phone_number = "+8613900139000".to_owned()),
            Box::new(|it| it.citizen_number = "440524188001010014".to_owned()),
            Box::new(|it| it.bank_id = "bank-b".to_owned()),
            Box::new(|it| it.bank_id = String::new()),
            Box::new(|it| it.consent.as_mut().unwrap().terms_version = "2".to_owned()),
        ];
        for change in changes {
            let mut other = first.clone();
            change(&mut other);
            assert_eq!(reason(world.ask("east", other.clone()).await), Reason::IdTaken, "{other:?}");
        }
        assert_eq!(reason(world.ask("west", first).await), Reason::IdTaken, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM sign_ups").await, 1);
    })
    .await;
}

#[tokio::test]
async fn m2_a_banks_no_is_told_once_and_the_number_is_free_again() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        for (n, no) in
            [Reason::IdentityMismatch, Reason::CitizenUnknown, Reason::AccountsNotOpened].into_iter().enumerate()
        {
            world.banks[0].play_openings(&[Play::LoseCall, Play::Refuse(no)]);
            let request = world.request("bank-a");
            world.ask("east", request.clone()).await.unwrap();
            let refused = world.comes_to(&request, State::Refused).await;
            assert_eq!((refused.sign_up.refusal, refused.sealed), (Some(no), None), "{}", hub.engine);
            let answers = world.answers("east").await;
            assert_eq!(answers.len(), n + 1);
            let said = answers[n].sign_up.clone().unwrap();
            assert_eq!((said.state(), said.refusal.unwrap().reason.as_str()), (pb::SignUpState::Refused, no.code()));
        }
        assert_eq!(world.payer(PHONE).await, None);
        assert_eq!(world.count("SELECT count(*) FROM persons").await, 0);
        world.banks[0].play_openings(&[]);
        world.signed_up("west", world.request("bank-a")).await;
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m1_nobody_joins_a_person_or_takes_a_number_without_being_the_one() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.signed_up("east", world.request("bank-a")).await;
        let other = "440524188001010014".to_owned();
        let stranger =
            pb::SignUpRequest { citizen_number: other, name: "李雷".to_owned(), ..world.request("bank-b") };
        assert_eq!(reason(world.ask("east", stranger).await), Reason::PhoneNumberTaken, "another citizen");
        let renamed = pb::SignUpRequest { name: "王大明".to_owned(), ..world.request("bank-b") };
        let renamed = pb::SignUpRequest { phone_number: "+8613900139000".to_owned(), ..renamed };
        assert_eq!(reason(world.ask("west", renamed).await), Reason::IdentityMismatch, "the citizen by another name");
        assert_eq!(world.count("SELECT count(*) FROM sign_ups").await, 1, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM persons").await, 1);
    })
    .await;
}

#[tokio::test]
async fn m8_nothing_of_who_is_signed_up_stands_in_the_database_or_the_log_in_clear() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.banks[0].play_openings(&[Play::LoseCall; 100]);
        let request = world.request("bank-a");
        world.ask("east", request.clone()).await.unwrap();
        let stored = world.stored(&request).await;
        let shown = format!("{stored:?}");
        assert!(!shown.contains(NAME) && !shown.contains("19491231") && !shown.contains(PHONE));
        let logged = hub.store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap();
        assert!(!logged.is_empty());
        for row in logged {
            let content = row.text(0).unwrap();
            assert!(!content.contains(NAME) && !content.contains("1949") && !content.contains(PHONE), "{content}");
        }
        let id = SignUpId::parse(&request.sign_up_id).unwrap();
        let inspected = proto::operator::InspectSignUpRequest { sign_up_id: id.to_string() };
        assert_eq!(world.sign_ups.inspect(&inspected).await.unwrap().carrier_id, "east");
    })
    .await;
}
