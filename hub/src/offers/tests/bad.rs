//! What bad input gets: a clear reason, and nothing stored or changed.

use super::*;

/// How many rows there are of everything that this capability writes.
async fn rows(world: &World) -> [i64; 6] {
    [
        world.count("SELECT count(*) FROM offers").await,
        world.count("SELECT count(*) FROM offer_agreements").await,
        world.count("SELECT count(*) FROM offer_recipients").await,
        world.count("SELECT count(*) FROM offer_deliveries WHERE answer <> 'OPEN'").await,
        world.count("SELECT count(*) FROM events").await,
        world.count("SELECT count(*) FROM audit_log").await,
    ]
}

#[tokio::test]
async fn r5_an_offer_that_cannot_be_is_refused_with_its_reason_and_nothing_is_stored() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let before = rows(&world).await;
        let rule = |change: fn(&mut common::OfferRule)| {
            move |filing: &mut common::OfferFiling| change(filing.rule.as_mut().unwrap())
        };
        type Change = Box<dyn Fn(&mut common::OfferFiling)>;
        let text = |text: &'static str| -> Change {
            Box::new(move |filing| filing.title.as_mut().unwrap().text_en = text.to_owned())
        };
        let table: [(Reason, Change); 17] = [
            (Reason::OfferBudgetMalformed, Box::new(|filing| filing.budget = 0)),
            (Reason::OfferBudgetMalformed, Box::new(|filing| filing.budget = 10_000_001)),
            (Reason::OfferTimesMalformed, Box::new(|filing| filing.valid_until = filing.valid_from)),
            (
                Reason::OfferTimesMalformed,
                Box::new(|filing| std::mem::swap(&mut filing.valid_from, &mut filing.valid_until)),
            ),
            (Reason::FieldMissing, Box::new(|filing| filing.valid_until = None)),
            (Reason::FieldMissing, Box::new(|filing| filing.rule = None)),
            (Reason::IdMalformed, Box::new(|filing| filing.offer_id = "7".to_owned())),
            (Reason::TextMalformed, text("")),
            (Reason::TextMalformed, text("\u{202e}kcab % 5")),
            (Reason::TextMalformed, text("two\nlines")),
            (Reason::FieldUnknown, Box::new(rule(|rule| rule.target = "shoe-size:42".to_owned()))),
            (Reason::FieldUnknown, Box::new(rule(|rule| rule.weekday = "Someday".to_owned()))),
            (Reason::OfferRuleSensitive, Box::new(rule(|rule| rule.target = "group:health".to_owned()))),
            (Reason::OfferRuleSensitive, Box::new(rule(|rule| rule.target = "code:8062".to_owned()))),
            (Reason::OfferRuleEmpty, Box::new(rule(|rule| rule.least_count = None))),
            (Reason::OfferRuleOutOfRange, Box::new(rule(|rule| rule.within_days = 70_000))),
            (Reason::OfferRuleOutOfRange, Box::new(rule(|rule| rule.least_count = Some(0)))),
        ];
        for (wanted, change) in &table {
            let mut filing = world.filing(3, 10);
            change(&mut filing);
            let shown = format!("{filing:?}");
            assert_eq!(world.file_as("bank-a", filing).await.err(), Some(*wanted), "{}: {shown}", hub.engine);
        }
        assert_eq!(world.file_as("bank-z", world.filing(3, 10)).await.err(), Some(Reason::BankUnknown));
        assert_eq!(rows(&world).await, before, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r5_the_same_offer_filed_twice_is_one_and_another_banks_is_none_of_ours() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let filing = world.filing(3, 10);
        let id = OfferId::parse(&filing.offer_id).unwrap();
        let filed = world.file_as("bank-a", filing.clone()).await.unwrap();
        assert_eq!(filed.state(), common::OfferState::Filed);
        assert_eq!(world.file_as("bank-a", filing.clone()).await, Ok(filed));
        let dearer = common::OfferFiling { budget: 11, ..filing.clone() };
        assert_eq!(world.file_as("bank-a", dearer).await.err(), Some(Reason::IdTaken), "{}", hub.engine);
        assert_eq!(world.file_as("bank-b", filing).await.err(), Some(Reason::IdTaken));
        let request = pb::WithdrawOfferRequest { offer_id: id.to_string() };
        let other = world.offers.withdraw(bank("bank-b"), &request).await.unwrap();
        assert_eq!(other.err(), Some(Reason::OfferUnknown), "{}", hub.engine);
        assert_eq!(world.start(OfferId::from_uuid(hub.id())).await.err(), Some(Reason::OfferUnknown));
        world.withdraw(id).await.unwrap();
        world.withdraw(id).await.unwrap();
        assert_eq!(world.start(id).await.err(), Some(Reason::OfferNotOpen));
        assert_eq!(world.count("SELECT count(*) FROM offers").await, 1);
    })
    .await;
}

#[tokio::test]
async fn r5_an_agreement_that_is_not_the_persons_own_or_old_or_edited_changes_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, other) = (world.person().await, world.person().await);
        let before = rows(&world).await;
        let text = world.agreement(&person, "bank-a", 3);
        let send = async |signer: &Person, device_id: DeviceId, text: &str, signature: Vec<u8>| {
            let request = phone_pb::SetOfferPreferencesRequest {
                text: text.to_owned(),
                device_id: device_id.to_string(),
                signature,
            };
            reason(world.offers.agree(signer.id, signer.device_id, request).await)
        };
        let signed = |person: &Person, text: &str| person.sign("bankhub.v1.offers\n", text);
        let refused = [
            send(&other, other.device_id, &text, signed(&other, &text)).await,
            send(&person, other.device_id, &text, signed(&other, &text)).await,
            send(&person, person.device_id, &text, signed(&other, &text)).await,
            send(&person, person.device_id, &text.replace("3", "9"), signed(&person, &text)).await,
            send(&person, person.device_id, &text, person.sign("bankhub.v1.consent\n", &text)).await,
        ];
        let signature = Reason::SignatureRefused;
        assert_eq!(refused, [Reason::NotYours, Reason::NotYours, signature, signature, signature], "{}", hub.engine);
        for (bad, wanted) in [
            (world.agreement(&person, "bank-z", 3), Reason::BankUnknown),
            (world.agreement(&person, "bank-b,bank-a", 3), Reason::OfferAgreementMalformed),
            (world.agreement(&person, "bank-a", 0), Reason::OfferAgreementMalformed),
            (format!("{text}{}", "x".repeat(5_000)), Reason::OfferAgreementMalformed),
        ] {
            assert_eq!(reason(world.send_agreement(&person, &bad).await), wanted, "{}: {bad}", hub.engine);
        }
        assert_eq!(rows(&world).await, before, "{}", hub.engine);
        world.send_agreement(&person, &text).await.unwrap();
        world.send_agreement(&person, &text).await.unwrap();
        world.stops(&person).await;
        let replayed = world.send_agreement(&person, &text).await;
        assert_eq!(reason(replayed), Reason::OfferAgreementOutdated, "{}: it was taken back since", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM offer_recipients").await, 0);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_nobody_accepts_what_was_not_offered_to_him_or_says_something_else() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, other) = (world.person().await, world.person().await);
        world.agrees(&person, 3).await;
        world.buys(&person, 1).await;
        let id = world.runs(world.filing(1, 10)).await;
        world.sweep().await;
        let text = world.got(&person).await[0].accept_as_customer.clone();
        let before = rows(&world).await;
        let mine = text.replace(&person.id.to_string(), &other.id.to_string());
        for (who, text, wanted) in [
            (&other, text.clone(), Reason::OfferUnknown),
            (&other, mine, Reason::OfferUnknown),
            (&person, text.replace("bank-a", "bank-b"), Reason::AcceptanceMalformed),
            (&person, text.replace("5 % back", "50 % back"), Reason::AcceptanceMalformed),
            (&person, text.replace(&person.id.to_string(), &other.id.to_string()), Reason::NotYours),
            (&person, text.replace(&id.to_string(), &hub.id().to_string()), Reason::OfferUnknown),
            (&person, text.replace("CUSTOMER", "NOBODY"), Reason::AcceptanceMalformed),
        ] {
            assert_eq!(reason(world.send_acceptance(who, &text).await), wanted, "{}: {text}", hub.engine);
        }
        assert_eq!(reason(world.declines(&other, id).await), Reason::OfferUnknown);
        world.withdraw(id).await.unwrap();
        assert_eq!(reason(world.send_acceptance(&person, &text).await), Reason::OfferNotOpen);
        assert!(!world.got(&person).await[0].is_open, "{}", hub.engine);
        let after = rows(&world).await;
        assert_eq!(after[..5], before[..5], "{}", hub.engine);
    })
    .await;
}
