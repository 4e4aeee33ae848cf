//! What a bank is told, and what it is not.

use domain::credit_history::Answer;
use phone_pb::ConsentState;

use super::*;
use crate::lookups::LookupsConfig;

/// A person with good and bad bills at two banks.
async fn person_with_bills(world: &World) -> Person {
    let wang = world.person(WANG.0, WANG.1).await;
    let ago = |days: i64| world.today().saturating_sub(days.days());
    world.bill(&wang, "bank-a", 100, &format!("PAID_IN_TIME on={}", ago(85))).await;
    world.bill(&wang, "bank-a", 70, &format!("PAID_LATE on={}", ago(45))).await;
    world.bill(&wang, "bank-b", 40, &format!("ARREARS on={} left=UP_TO_10000", ago(1))).await;
    world.bill(&wang, "bank-b", 10, "DUE").await;
    wang
}

#[tokio::test]
async fn r9_a_bank_with_name_number_and_consent_is_told_once_and_the_person_sees_it() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = person_with_bills(&world).await;
        let li = world.person(LI.0, LI.1).await;
        world.bill(&li, "bank-a", 300, "DUE").await;
        let form = world.given(&wang).await;
        let request = world.inquiry(&wang, &form);
        let answer = world.ask(&request).await.unwrap();
        let report = answer.report.clone().unwrap();
        let since = world.today().saturating_sub(100.days()).to_string();
        assert_eq!(report.summary, Some(pb::HistorySummary { accounts: 4, banks: 2, since }), "{}", hub.engine);
        let open = vec![pb::ArrearsCount {
            late_by: pb::LateBy::Days1To30.into(),
            left: pb::LeftToPay::UpTo10000.into(),
            bills: 1,
        }];
        let worst = pb::LateBy::Days1To30.into();
        assert_eq!(report.arrears, Some(pb::ArrearsPart { open, paid_late: 1, worst }));
        assert_eq!((report.open_bills, report.good_record), (None, None), "what was not asked for");

        assert_eq!(world.consents(&wang).await, [(form.id.to_string(), ConsentState::Used)]);
        let log = world.log(&wang).await;
        assert_eq!((log.len(), log[0].answer, log[0].asker.name()), (1, Answer::Report, "bank-c"));
        let news = world.news(&wang, 2).await;
        assert_eq!((news[1].topic, news[1].subject.to_string()), (Topic::Inquiry, request.inquiry_id.clone()));
        assert_eq!(
            news[1].english,
            "The bank-c asked for your credit history for a loan application: summary, arrears. It was told, with your consent."
        );
        assert_eq!(news[1].chinese, "The bank-c因申请贷款查询您的信用记录：概要、逾期情况。已凭您的授权提供。");
        // The report is in no column in the clear, and nobody else has heard of it.
        let row = hub.store.fetch_one("SELECT report_sealed FROM inquiry_answers", Vec::new()).await.unwrap().unwrap();
        let since = report.summary.unwrap().since;
        assert!(!row.bytes(0).unwrap().windows(since.len()).any(|bytes| bytes == since.as_bytes()));
        assert_eq!(world.log(&li).await, []);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_an_inquiry_that_its_consent_does_not_allow_is_told_why_and_uses_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = person_with_bills(&world).await;
        let at = |from, until| ConsentForm {
            from: Timestamp::from_secs(from),
            until: Timestamp::from_secs(until),
            ..world.form(&wang)
        };
        let now = world.hub.clock().now().micros() / 1_000_000;
        let good = world.given(&wang).await;
        let over = world.stored(&wang, at(now - 2 * HOUR, now - HOUR)).await;
        let early = world.stored(&wang, at(now + HOUR, now + 2 * HOUR)).await;
        let revoked = world.given(&wang).await;
        world.revoke(&wang, &revoked).await.unwrap();
        let used = world.given(&wang).await;
        world.ask(&world.inquiry(&wang, &used)).await.unwrap();
        let before = world.consents(&wang).await;
        let ask = |consent: &ConsentForm| world.inquiry(&wang, consent);
        let mut more = ask(&good);
        more.fields.push(pb::ReportField::GoodRecord.into());
        let review = pb::InquireCreditHistoryRequest { purpose: pb::InquiryPurpose::Review.into(), ..ask(&good) };
        let table = [
            ("expired", ask(&over), Reason::ConsentExpired),
            ("not valid yet", ask(&early), Reason::ConsentNotYetValid),
            ("revoked a moment ago", ask(&revoked), Reason::ConsentRevoked),
            ("used before", ask(&used), Reason::ConsentUsed),
            ("another purpose", review, Reason::ConsentPurposeMismatch),
            ("more fields", more, Reason::ConsentFieldsExceeded),
        ];
        for (name, request, wanted) in &table {
            assert_eq!(world.ask(request).await, Err(*wanted), "{} {name}", hub.engine);
        }
        assert_eq!(world.consents(&wang).await, before, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM inquiry_answers WHERE report_sealed IS NOT NULL").await, 1);
        // Each of them stands in the person's log, and the person was told of it.
        let answers: Vec<Answer> = world.log(&wang).await.iter().map(|record| record.answer).collect();
        let refused = table.iter().map(|(_, _, reason)| Answer::Refused(*reason));
        assert_eq!(answers, [Answer::Report].into_iter().chain(refused).collect::<Vec<_>>());
        let news = world.news(&wang, 11).await;
        assert!(news[10].english.ends_with("It was told nothing: More is asked for than the consent allows."));
        // What was refused has not spoilt the consent.
        world.ask(&ask(&good)).await.unwrap();
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_a_wrong_name_two_of_one_name_and_a_recycled_number_give_nothing_away() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = person_with_bills(&world).await;
        let li = world.person(LI.0, LI.1).await;
        let namesake = world.person(WANG.0, "+8613800138002").await;
        let heir = world.person(LI.0, "+8613800138003").await;
        let same_heir = world.person(WANG.0, "+8613800138004").await;
        let (form, of_li) = (world.given(&wang).await, world.given(&li).await);
        let for_b = ConsentForm { asker: bank("bank-b"), ..world.form(&wang) };
        world.give(&wang, &for_b).await.unwrap();
        let ask = |name: &str, number: &str, consent: &ConsentForm| pb::InquireCreditHistoryRequest {
            name: name.to_owned(),
            phone_number: number.to_owned(),
            ..world.inquiry(&wang, consent)
        };
        let refused = async |name: &str, request: pb::InquireCreditHistoryRequest| {
            assert_eq!(world.ask(&request).await, Err(Reason::InquiryUnanswered), "{} {name}", hub.engine);
        };
        refused("a wrong name", ask("王大明", wang.number, &form)).await;
        refused("another's name", ask(li.name, wang.number, &form)).await;
        refused("an unknown number", ask(wang.name, "+8613800138999", &form)).await;
        refused("the namesake's number", ask(wang.name, namesake.number, &form)).await;
        refused("another's consent", ask(wang.name, wang.number, &of_li)).await;
        refused("no consent at all", ask(wang.name, wang.number, &world.form(&wang))).await;
        refused("a consent for another bank", ask(wang.name, wang.number, &for_b)).await;
        world.pass_number(wang.number, &wang, &heir).await;
        refused("a number that has passed on", ask(wang.name, wang.number, &form)).await;
        world.pass_number(wang.number, &heir, &same_heir).await;
        refused("a number that has passed on to a namesake", ask(wang.name, wang.number, &form)).await;

        // It stands in the log of whoever was meant by name and number, and nobody else hears of it.
        let lengths = [&wang, &li, &namesake, &heir, &same_heir].map(|person| world.log(person));
        let lengths: Vec<usize> = futures_util::future::join_all(lengths).await.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 0, 1, 0, 1], "{}", hub.engine);
        let states = world.consents(&wang).await;
        assert!(states.iter().all(|(_, state)| *state == ConsentState::Given), "{states:?}");
        assert_eq!(world.count("SELECT count(*) FROM inquiry_answers WHERE report_sealed IS NOT NULL").await, 0);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_what_cannot_be_read_and_banks_that_do_not_take_part_are_refused_before_anything_is_stored() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = person_with_bills(&world).await;
        let form = world.given(&wang).await;
        let rows = world.rows().await;
        let good = world.inquiry(&wang, &form);
        let changed = |change: fn(&mut pb::InquireCreditHistoryRequest)| {
            let mut request = good.clone();
            change(&mut request);
            request
        };
        let table = [
            (changed(|it| it.inquiry_id.clear()), Reason::IdMalformed),
            (changed(|it| it.name = " 王小明".to_owned()), Reason::TextMalformed),
            (changed(|it| it.phone_number = "13800138000".to_owned()), Reason::PhoneNumberMalformed),
            (changed(|it| it.purpose = 0), Reason::FieldMissing),
            (changed(|it| it.purpose = 9), Reason::FieldUnknown),
            (changed(|it| it.fields.clear()), Reason::FieldMissing),
            (changed(|it| it.fields = vec![9]), Reason::FieldUnknown),
            (changed(|it| it.fields = vec![1; 5]), Reason::TooManyItems),
            (changed(|it| it.consent_id = "x".to_owned()), Reason::IdMalformed),
        ];
        for (request, wanted) in table {
            assert_eq!(world.ask(&request).await, Err(wanted), "{} {request:?}", hub.engine);
        }
        assert_eq!(world.ask_as("bank-x", &good).await, Err(Reason::BankUnknown));
        world.change("UPDATE banks SET suspended = 1 WHERE bank_id = 'bank-c'", vec![]).await;
        assert_eq!(world.ask(&good).await, Err(Reason::BankSuspended));
        assert_eq!(world.rows().await, rows, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r9_a_bank_asks_only_so_often() {
    on_each_engine(async |hub| {
        World::open(&hub).await;
        let world = World::with(&hub, "hub-2", 3).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let form = world.given(&wang).await;
        for _ in 0..3 {
            assert_eq!(world.ask_as("bank-a", &world.inquiry(&wang, &form)).await, Err(Reason::InquiryUnanswered));
        }
        let rows = world.rows().await;
        assert_eq!(world.ask_as("bank-a", &world.inquiry(&wang, &form)).await, Err(Reason::InquiriesTooMany));
        assert_eq!(world.rows().await, rows, "{}", hub.engine);
        world.ask(&world.inquiry(&wang, &form)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn m4_a_bank_finds_out_about_no_more_people_than_its_budget() {
    on_each_engine(async |hub| {
        World::open(&hub).await;
        let five = LookupsConfig { bank_burst: 100, bank_per_hour: NonZeroU32::MIN, ..LookupsConfig::default() };
        let lookups = crate::lookups::tests::open(&hub, "hub-2", five);
        let world = World::made(&hub, "hub-2", |parts| CreditHistoryParts { lookups, ..parts }).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let form = world.given(&wang).await;
        let mut told = Vec::new();
        for n in 0..12 {
            let mut asked = world.inquiry(&wang, &form);
            if n % 2 == 1 {
                asked.phone_number = format!("+86139001390{n:02}");
            }
            told.push(world.ask_as("bank-a", &asked).await.unwrap_err());
        }
        let (learnt, dry): (Vec<Reason>, Vec<Reason>) = told.iter().partition(|it| **it == Reason::InquiryUnanswered);
        assert_eq!(learnt.len(), 5, "{}: {told:?}", hub.engine);
        assert!(dry.iter().all(|it| *it == Reason::LookupsExhausted), "{told:?}");
        // Whoever has the consent asks from a budget of its own.
        world.ask(&world.inquiry(&wang, &form)).await.unwrap();
    })
    .await;
}

#[test]
fn m8_no_name_number_or_text_of_a_consent_is_in_what_may_be_logged() {
    let keys = server_kit::keystore::Keyring::generate(server_kit::rng::SystemRng::shared()).unwrap();
    let name = Line::parse(WANG.0).unwrap();
    let fields = Fields::new(Field::OF_HISTORY).unwrap();
    let name_sealed = inquire::Inquire::seal_for_nobody(&keys, &name).unwrap();
    let step = steps::Step::Inquire(inquire::Inquire {
        id: domain::InquiryId::from_uuid(Uuid::nil()),
        question: domain::credit_history::Question { asker: bank("bank-c"), purpose: Purpose::Review, fields },
        about: inquire::About::Holder { name, phone_hashes: [[0; 32]; 2], name_sealed },
        consent_id: ConsentId::from_uuid(Uuid::nil()),
        fingerprint: [0; 32],
    });
    assert!(!format!("{step:?}").contains(WANG.0));
    let give = consent::Give(crate::signed::SignedText {
        person_id: PersonId::from_uuid(Uuid::nil()),
        device_id: DeviceId::from_uuid(Uuid::nil()),
        text: "bankhub consent v1".to_owned(),
        signature: Vec::new(),
    });
    assert!(!format!("{:?}", steps::Step::Give(give)).contains("consent v1"));
}
