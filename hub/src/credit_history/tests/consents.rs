//! Consents are given, listed and taken back.

use super::*;
use phone_pb::ConsentState;

#[tokio::test]
async fn r9_a_consent_is_what_the_phone_signed_and_the_person_is_told_of_it() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let form = world.form(&wang);
        let given = world.give(&wang, &form).await.unwrap();
        assert_eq!(given.text, form.to_string(), "{}", hub.engine);
        assert_eq!((given.device_id, given.ended_at), (wang.device_id.to_string(), None));
        let rows = world.rows().await;
        // The same text again, with another signature as ECDSA makes it, is the same consent.
        assert_eq!(world.give(&wang, &form).await.unwrap().text, form.to_string());
        assert_eq!(world.rows().await[..4], rows[..4]);
        assert_eq!(world.consents(&wang).await, [(form.id.to_string(), ConsentState::Given)]);
        let news = world.news(&wang, 1).await;
        assert_eq!((news[0].topic, news[0].subject), (Topic::Security, form.id.uuid()));
        assert_eq!(
            news[0].english,
            "You allowed The bank-c to ask once for your credit history, for a loan application: summary, arrears."
        );
        // What was signed is in no column in the clear.
        let row = hub.store.fetch_one("SELECT text_sealed FROM consents", Vec::new()).await.unwrap().unwrap();
        assert!(!row.bytes(0).unwrap().windows(7).any(|bytes| bytes == b"consent"));
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_a_consent_that_is_not_right_is_refused_for_its_reason_and_nothing_is_stored() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (wang, li) = (world.person(WANG.0, WANG.1).await, world.person(LI.0, LI.1).await);
        let form = world.given(&wang).await;
        let rows = world.rows().await;
        let new = || world.form(&wang);
        let signed = |form: ConsentForm| wang.signed(&form.to_string());
        let edited = |from: &str, to: &str| {
            let request = signed(new());
            phone_pb::GiveConsentRequest { text: request.text.replace(from, to), ..request }
        };
        let plain = new().to_string();
        let unprefixed = phone_pb::GiveConsentRequest {
            signature: wang.sign(plain.as_bytes()),
            text: plain,
            device_id: wang.device_id.to_string(),
        };
        let second = |at: Timestamp, seconds: i64| Timestamp::from_micros(at.micros() + seconds * 1_000_000);
        let all = Fields::new(Field::OF_HISTORY).unwrap();
        let nowhere = bank("bank-x");
        let table = [
            ("of another person", signed(world.form(&li)), Reason::NotYours),
            ("signed by another phone", li.signed(&new().to_string()), Reason::NotYours),
            (
                "signed by another phone in this one's name",
                phone_pb::GiveConsentRequest { device_id: wang.device_id.to_string(), ..li.signed(&new().to_string()) },
                Reason::SignatureRefused,
            ),
            ("more fields after it was signed", edited("SUMMARY,", "SUMMARY,OPEN_BILLS,"), Reason::SignatureRefused),
            ("another bank after it was signed", edited("bank-c", "bank-b"), Reason::SignatureRefused),
            ("another purpose after it was signed", edited("LOAN_A", "CARD_A"), Reason::SignatureRefused),
            ("signed for nothing in particular", unprefixed, Reason::SignatureRefused),
            ("expired", signed(ConsentForm { until: second(new().from, HOUR - 60), ..new() }), Reason::ConsentExpired),
            (
                "for 91 days",
                signed(ConsentForm { until: second(new().from, 91 * 86_400), ..new() }),
                Reason::ConsentMalformed,
            ),
            ("with a line more", wang.signed(&format!("{}more: 1\n", new())), Reason::ConsentMalformed),
            (
                "for two inquiries",
                wang.signed(&new().to_string().replace("inquiries: 1", "inquiries: 2")),
                Reason::ConsentMalformed,
            ),
            ("too long to be one", wang.signed(&"a".repeat(1_025)), Reason::ConsentMalformed),
            ("for no bank", signed(ConsentForm { asker: nowhere, ..new() }), Reason::BankUnknown),
            ("under an id that is taken", signed(ConsentForm { fields: all, ..form.clone() }), Reason::IdTaken),
        ];
        for (name, request, wanted) in table {
            assert_eq!(reason(world.send(&wang, request).await), wanted, "{} {name}", hub.engine);
            assert_eq!(world.rows().await, rows, "{} {name}", hub.engine);
        }
        world.change("UPDATE devices SET revoked = 1", vec![]).await;
        assert_eq!(reason(world.give(&wang, &new()).await), Reason::DeviceRefused, "a phone that was revoked");
        assert_eq!(world.rows().await, rows);
    })
    .await;
}

#[tokio::test]
async fn r9_a_person_takes_back_what_is_not_used_and_nobody_elses() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (wang, li) = (world.person(WANG.0, WANG.1).await, world.person(LI.0, LI.1).await);
        let form = world.given(&wang).await;
        assert_eq!(reason(world.revoke(&li, &form).await), Reason::ConsentUnknown, "{}", hub.engine);
        assert_eq!(reason(world.revoke(&wang, &world.form(&wang)).await), Reason::ConsentUnknown);
        assert_eq!(world.consents(&li).await, []);
        for _ in 0..2 {
            assert_eq!(world.revoke(&wang, &form).await.unwrap(), ConsentState::Revoked);
        }
        assert_eq!(world.consents(&wang).await, [(form.id.to_string(), ConsentState::Revoked)]);
        let news = world.news(&wang, 2).await;
        assert_eq!(
            news[1].english,
            "You took back that The bank-c may ask for your credit history for a loan application."
        );
        // Given again it stays as it is.
        assert_eq!(world.give(&wang, &form).await.unwrap().state(), ConsentState::Revoked);

        let used = world.given(&wang).await;
        world.ask(&world.inquiry(&wang, &used)).await.unwrap();
        assert_eq!(reason(world.revoke(&wang, &used).await), Reason::ConsentUsed);
        let early = ConsentForm { from: Timestamp::from_secs(0), until: Timestamp::from_secs(9), ..world.form(&wang) };
        let over = world.stored(&wang, early).await;
        assert_eq!(reason(world.revoke(&wang, &over).await), Reason::ConsentExpired);
        let states: Vec<_> = world.consents(&wang).await.into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, [ConsentState::Expired, ConsentState::Used, ConsentState::Revoked]);
    })
    .await;
}

#[tokio::test]
async fn r9_consents_are_paged_and_so_many_a_day() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let mut given = Vec::new();
        for _ in 0..100 {
            given.push(world.given(&wang).await.id.to_string());
        }
        assert_eq!(reason(world.give(&wang, &world.form(&wang)).await), Reason::ConsentsTooMany, "{}", hub.engine);
        given.sort_unstable_by(|a, b| b.cmp(a));
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = phone_pb::ListConsentsRequest { page_size: 30, page_token };
            let page = world.history.list_consents(wang.id, &request).await.unwrap();
            listed.extend(page.consents.into_iter().map(|consent| consent.consent_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(listed, given);
        for (page_size, page_token, wanted) in [
            (201, "", Reason::PageSizeOutOfRange),
            (-1, "", Reason::PageSizeOutOfRange),
            (0, "x", Reason::PageTokenMalformed),
        ] {
            let request = phone_pb::ListConsentsRequest { page_size, page_token: page_token.to_owned() };
            assert_eq!(reason(world.history.list_consents(wang.id, &request).await), wanted);
        }
        // Yesterday's do not count.
        let sql = "UPDATE consents SET given_at = given_at - $1";
        world.change(sql, vec![(25 * HOUR * 1_000_000).into()]).await;
        world.given(&wang).await;
    })
    .await;
}
