//! What a carrier's word does to a number (M5).

use domain::{BankId, PersonId, Reason};
use proto::carrier as pb;
use proto::carrier::carrier_service_server::CarrierService as _;
use server_kit::identity::Role;
use tonic::Status;

use super::{PHONE, World};
use crate::lookups::LookupsConfig;
use crate::testing::{from_member, on_each_engine, reason};

impl World {
    fn report(&self, change: pb::NumberChange) -> pb::ReportNumberChangeRequest {
        pb::ReportNumberChangeRequest {
            report_id: self.hub.id().to_string(),
            phone_number: PHONE.to_owned(),
            change: change.into(),
            to_carrier_id: String::new(),
            happened_at: Some(proto::to_timestamp(self.hub.clock().now())),
        }
    }

    async fn reported(&self, carrier: &str, report: &pb::ReportNumberChangeRequest) -> Result<i64, Status> {
        let answer = self.api.report_number_change(from_member(Role::Carrier, carrier, report.clone())).await?;
        Ok(answer.into_inner().number_epoch)
    }

    /// How the person's number stands where payments look: the epoch, and why it is closed.
    async fn guard(&self, person: PersonId) -> (i64, Option<String>) {
        let sql = "SELECT number_epoch, number_closed FROM payers WHERE person_id = $1";
        let rows = self.hub.store.fetch(sql, vec![person.uuid().into()]).await.unwrap();
        (rows[0].int(0).unwrap(), rows[0].maybe_text(1).unwrap())
    }
}

#[tokio::test]
async fn m5_each_report_raises_the_epoch_once_and_a_repeat_is_the_first_answer() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let person = world.signed_up("east", world.request("bank-a")).await.sign_up.bound.unwrap().0;
        assert_eq!(world.guard(person).await, (0, None));
        let closed = Some("UNPROVED".to_owned());
        for (n, change) in [(1, pb::NumberChange::SimChanged), (2, pb::NumberChange::Lost)] {
            let report = world.report(change);
            assert_eq!(world.reported("east", &report).await.unwrap(), n);
            assert_eq!(world.reported("east", &report).await.unwrap(), n, "{}: a repeat", hub.engine);
            assert_eq!(world.guard(person).await, (n, closed.clone()));
            let other = pb::ReportNumberChangeRequest { change: pb::NumberChange::GivenBack.into(), ..report.clone() };
            assert_eq!(reason(world.reported("east", &other).await), Reason::IdTaken);
            assert_eq!(reason(world.reported("west", &report).await), Reason::IdTaken);
        }
        assert_eq!(world.payer(PHONE).await, Some(person), "the number is the person's still");
        assert_eq!(world.count("SELECT count(*) FROM events WHERE topic = 'SECURITY'").await, 3);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m5_a_carrier_about_anothers_number_learns_nothing_and_changes_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let person = world.signed_up("east", world.request("bank-a")).await.sign_up.bound.unwrap().0;
        let theirs = world.report(pb::NumberChange::Recycled);
        assert_eq!(reason(world.reported("west", &theirs).await), Reason::NumberNotYours);
        let nobodys = pb::ReportNumberChangeRequest { phone_number: "+8613900139000".to_owned(), ..theirs.clone() };
        assert_eq!(reason(world.reported("west", &nobodys).await), Reason::NumberNotYours, "the same words");
        assert_eq!(world.guard(person).await, (0, None), "{}", hub.engine);
        type Spoil = Box<dyn Fn(&mut pb::ReportNumberChangeRequest)>;
        let cases: Vec<(Reason, Spoil)> = vec![
            (Reason::IdMalformed, Box::new(|it| it.report_id = "7".to_owned())),
            (Reason::PhoneNumberMalformed, Box::new(|it| it.phone_number = "138".to_owned())),
            (Reason::FieldMissing, Box::new(|it| it.change = 0)),
            (Reason::FieldUnknown, Box::new(|it| it.change = 99)),
            (Reason::FieldMissing, Box::new(|it| it.change = pb::NumberChange::PortedOut.into())),
            (Reason::FieldUnknown, Box::new(|it| it.to_carrier_id = "west".to_owned())),
            (Reason::FieldMissing, Box::new(|it| it.happened_at = None)),
        ];
        for (wanted, spoil) in cases {
            let mut bad = world.report(pb::NumberChange::SimChanged);
            spoil(&mut bad);
            assert_eq!(reason(world.reported("east", &bad).await), wanted, "{bad:?}");
        }
        for nobody in ["north", "east"] {
            let to_carrier_id = nobody.to_owned();
            let ported = world.report(pb::NumberChange::PortedOut);
            let ported = pb::ReportNumberChangeRequest { to_carrier_id, ..ported };
            assert_eq!(reason(world.reported("east", &ported).await), Reason::CarrierUnknown);
        }
        assert_eq!(world.guard(person).await, (0, None));
        assert_eq!(world.count("SELECT count(*) FROM number_reports").await, 0);
    })
    .await;
}

#[tokio::test]
async fn m5_a_ported_number_is_the_other_carriers_to_speak_of() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.signed_up("east", world.request("bank-a")).await;
        let ported = world.report(pb::NumberChange::PortedOut);
        let ported = pb::ReportNumberChangeRequest { to_carrier_id: "west".to_owned(), ..ported };
        assert_eq!(world.reported("east", &ported).await.unwrap(), 1);
        let lost = world.report(pb::NumberChange::Lost);
        assert_eq!(reason(world.reported("east", &lost).await), Reason::NumberNotYours, "{}", hub.engine);
        assert_eq!(world.reported("west", &lost).await.unwrap(), 2);
        assert_eq!(world.reported("east", &ported).await.unwrap(), 1, "a repeat after the port");
        let change = world.request("bank-b");
        assert_eq!(reason(world.ask("east", change.clone()).await), Reason::PhoneNumberTaken);
        world.signed_up("west", change).await;
        assert_eq!(world.pays_from(PHONE).await, BankId::parse("bank-b").ok());
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m5_a_recycled_number_is_somebody_elses_and_nothing_of_the_first_person_goes_there() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let first = world.signed_up("east", world.request("bank-a")).await.sign_up.bound.unwrap().0;
        assert_eq!(world.payer(PHONE).await, Some(first), "it is cached whose the number is");
        world.reported("east", &world.report(pb::NumberChange::Recycled)).await.unwrap();
        assert_eq!(world.payer(PHONE).await, None, "{}: it is nobody's at once", hub.engine);
        assert_eq!(world.guard(first).await, (1, Some("ENDED".to_owned())));
        let next = pb::SignUpRequest {
            name: "李雷".to_owned(),
            citizen_number: "440524188001010014".to_owned(),
            ..world.request("bank-b")
        };
        let second = world.signed_up("east", next).await.sign_up.bound.unwrap().0;
        assert_ne!(first, second);
        assert_eq!(world.payer(PHONE).await, Some(second));
        // The first one gets another number, from another carrier, and pays again.
        let back = pb::SignUpRequest { phone_number: "+8613900139000".to_owned(), ..world.request("bank-b") };
        let again = world.signed_up("west", back).await.sign_up.bound.unwrap().0;
        assert_eq!(again, first);
        assert_eq!(world.guard(first).await, (2, None));
        assert_eq!(world.payer("+8613900139000").await, Some(first));
        let phones = "SELECT count(*) FROM persons WHERE phone_hash IN (SELECT phone_hash FROM numbers)";
        assert_eq!(world.count(phones).await, 2);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m5_who_gives_one_of_two_numbers_back_keeps_the_other() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let person = world.signed_up("east", world.request("bank-a")).await.sign_up.bound.unwrap().0;
        let other = pb::SignUpRequest { phone_number: "+8613900139000".to_owned(), ..world.request("bank-b") };
        world.signed_up("west", other).await;
        world.reported("east", &world.report(pb::NumberChange::GivenBack)).await.unwrap();
        assert_eq!(world.payer(PHONE).await, None);
        assert_eq!(world.payer("+8613900139000").await, Some(person), "{}", hub.engine);
        assert_eq!(world.guard(person).await, (1, Some("UNPROVED".to_owned())));
        let first = "SELECT count(*) FROM persons p JOIN numbers n ON n.phone_hash = p.phone_hash";
        assert_eq!(world.count(first).await, 1, "SMS goes to the number that is left");
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m4_a_carrier_finds_out_about_no_more_numbers_of_others_than_its_budget() {
    on_each_engine(async |hub| {
        let first = World::open(&hub).await;
        first.signed_up("east", first.request("bank-a")).await;
        let hour = std::num::NonZeroU32::MIN;
        let five = LookupsConfig { carrier_burst: 100, carrier_per_hour: hour, ..LookupsConfig::default() };
        let world = World::with(&hub, first.banks, "hub-2", five).await;
        let about = |number: &str| {
            let report = world.report(pb::NumberChange::Recycled);
            pb::ReportNumberChangeRequest { phone_number: number.to_owned(), ..report }
        };
        let mut told = Vec::new();
        for n in 0..12 {
            let number = if n % 2 == 0 { PHONE.to_owned() } else { format!("+86139001390{n:02}") };
            told.push(reason(world.reported("west", &about(&number)).await));
        }
        let (learnt, dry): (Vec<Reason>, Vec<Reason>) = told.iter().partition(|it| **it == Reason::NumberNotYours);
        assert_eq!(learnt.len(), 5, "{}: {told:?}", hub.engine);
        assert!(dry.iter().all(|it| *it == Reason::LookupsExhausted), "{told:?}");
        // Its own budget alone is dry.
        world.reported("east", &world.report(pb::NumberChange::SimChanged)).await.unwrap();
    })
    .await;
}
