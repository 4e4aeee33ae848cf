//! Who is refused, and what cannot be an errand.

use domain::Timestamp;

use super::*;

#[tokio::test]
async fn m3_whoever_cannot_be_served_is_refused_in_the_same_words_and_gets_no_code() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, false).await;
        let refused = async |what: &str, request: pb::CreateErrandRequest| {
            let errand = bench.create(&request).await.unwrap();
            assert_eq!((errand.state(), why(&errand)), (pb::ErrandState::Refused, "NUMBER_NOT_SERVED"), "{what}");
        };
        let ours = || bench.request(ErrandKind::Activate);
        let unknown = pb::CreateErrandRequest { phone_number: "+8613900139000".to_owned(), ..ours() };
        refused("a number that nobody has", unknown).await;
        let blocked = "UPDATE payers SET blocked_until = 9000000000000000, version = version + 1 WHERE person_id = $1";
        let frozen = "UPDATE payers SET blocked_until = NULL, \
                      frozen = 'bank-a ACCOUNT 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f', version = version + 1 WHERE person_id = $1";
        let closed =
            "UPDATE payers SET frozen = NULL, number_closed = 'UNPROVED', version = version + 1 WHERE person_id = $1";
        for (what, sql) in [("blocked", blocked), ("frozen", frozen), ("a number in doubt", closed)] {
            bench.change(sql).await;
            refused(what, ours()).await;
        }
        bench.change("UPDATE payers SET number_closed = NULL, number_epoch = 1, version = version + 1 WHERE person_id = $1").await;
        // What was looked up before the number changed is remembered here for a moment.
        refused("a number of another epoch", ours()).await;
        assert_eq!(bench.told().await.0, Vec::<&str>::new(), "{}", hub.engine);
        bench.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_what_is_not_needed_is_said_to_whoever_had_the_code() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        let said = async |kind| {
            let (errand, code) = bench.begin(kind).await;
            let done = bench.prove(bench.right(&errand, &code)).await.unwrap();
            assert_eq!(done.state(), pb::ErrandState::Refused, "{done:?}");
            why(&done).to_owned()
        };
        bench.give_safety_code("86420975").await;
        assert_eq!(said(ErrandKind::Activate).await, "ALREADY_ACTIVE");
        assert_eq!(said(ErrandKind::ResetPassword).await, "PASSWORD_NOT_SET");
        bench.give_password("000111").await;
        assert_eq!(said(ErrandKind::SetPassword).await, "PASSWORD_IS_SET");
        assert!(bench.is_password("000111").await);
        bench.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_a_wrong_code_password_or_safety_code_is_one_refusal_and_too_many_end_the_errand() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        bench.give_password(PASSWORD).await;
        bench.give_safety_code("86420975").await;
        type Change = fn(&mut pb::ProveErrandRequest, ErrandId);
        let known: Change = |it, id| it.known = Some(block(KEY, id, "999999", 7));
        let code: Change = |it, _| it.code = other(&it.code);
        for (kind, change, safety_failures) in [
            (ErrandKind::ChangePassword, known, 0),
            (ErrandKind::ChangePassword, code, 0),
            (ErrandKind::ResetPassword, known, 3),
            // Whoever has no code is not heard about the safety code.
            (ErrandKind::ResetPassword, code, 3),
        ] {
            bench
                .change(
                    "UPDATE payers SET failures = 0, blocked_until = NULL, version = version + 1 WHERE person_id = $1",
                )
                .await;
            let (errand, right) = bench.begin(kind).await;
            for (left, why_not) in [(2, "VERIFICATION_FAILED"), (1, "VERIFICATION_FAILED"), (0, "ATTEMPTS_EXHAUSTED")] {
                let mut request = bench.right(&errand, &right);
                change(&mut request, ErrandId::parse(&errand.errand_id).unwrap());
                let tried = bench.prove(request).await.unwrap();
                assert_eq!((tried.attempts_left, why(&tried)), (left, why_not), "{kind:?}");
            }
            assert_eq!(bench.count("SELECT failures FROM payers").await, 3, "{kind:?} on {}", hub.engine);
            assert_eq!(bench.count("SELECT failures FROM safety_codes").await, safety_failures, "{kind:?}");
        }
        assert!(bench.is_password(PASSWORD).await);
        bench.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_five_wrong_tries_over_errands_block_payments_too() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        let mut wrong = 0;
        for expected in [3, 2] {
            let (errand, code) = bench.begin(ErrandKind::SetPassword).await;
            for _ in 0..expected {
                let request = pb::ProveErrandRequest { code: other(&code), ..bench.right(&errand, &code) };
                bench.prove(request).await.unwrap();
                wrong += 1;
            }
        }
        assert_eq!((wrong, bench.count("SELECT count(*) FROM payers WHERE blocked_until IS NOT NULL").await), (5, 1));
        let errand = bench.create(&bench.request(ErrandKind::SetPassword)).await.unwrap();
        assert_eq!(why(&errand), "NUMBER_NOT_SERVED", "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m3_what_cannot_be_an_errand_is_refused_by_reason_and_counts_nothing() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        let good = || bench.request(ErrandKind::SetPassword);
        for (what, request, expected) in [
            ("no id", pb::CreateErrandRequest { errand_id: "7".into(), ..good() }, Reason::IdMalformed),
            ("no number", pb::CreateErrandRequest { phone_number: "1".into(), ..good() }, Reason::PhoneNumberMalformed),
            ("nothing to do", bench.request(ErrandKind::Unspecified), Reason::FieldUnknown),
            ("an errand of tomorrow", pb::CreateErrandRequest { kind: 77, ..good() }, Reason::FieldUnknown),
        ] {
            assert_eq!(reason(bench.create(&request).await), expected, "{what}");
        }
        assert_eq!(bench.count("SELECT count(*) FROM errands").await, 0);
        let taken = good();
        let errand = bench.create(&taken).await.unwrap();
        let changed = pb::CreateErrandRequest { kind: ErrandKind::Activate.into(), ..taken.clone() };
        assert_eq!(reason(bench.create(&changed).await), Reason::IdTaken);
        let elsewhere = bench.create_at("till-2", &taken).await;
        assert_eq!(reason(elsewhere), Reason::IdTaken);
        let code = bench.code(&errand.errand_id).await;
        let id = ErrandId::parse(&errand.errand_id).unwrap();
        let made = |change: &dyn Fn(&mut pb::ProveErrandRequest)| {
            let mut request = bench.right(&errand, &code);
            change(&mut request);
            request
        };
        let none = common::PinBlock { format: common::PinBlockFormat::Iso4.into(), key_version: 0, block: vec![1; 16] };
        for (what, request, expected) in [
            ("no such errand", made(&|it| it.errand_id = bench.hub.id().to_string()), Reason::ErrandUnknown),
            ("no attempt", made(&|it| it.attempt_id = String::new()), Reason::IdMalformed),
            ("five digits", made(&|it| it.code = "12345".into()), Reason::CodeMalformed),
            ("no password", made(&|it| it.new_password = None), Reason::PinRequired),
            ("one too many", made(&|it| it.known = it.new_password.clone()), Reason::FieldUnknown),
            ("four digits", made(&|it| it.new_password = Some(block(KEY, id, "2718", 7))), Reason::PasswordMalformed),
            ("no block at all", made(&|it| it.new_password = Some(none.clone())), Reason::PinBlockUnreadable),
            (
                "a block of another errand",
                made(&|it| it.new_password = Some(block(KEY, ErrandId::from_uuid(bench.hub.id()), PASSWORD, 7))),
                Reason::PinBlockUnreadable,
            ),
            (
                "another key",
                made(&|it| it.new_password = Some(block([1; 16], id, PASSWORD, 7))),
                Reason::PinBlockUnreadable,
            ),
            (
                "another format",
                made(&|it| it.new_password.as_mut().unwrap().format = common::PinBlockFormat::Iso0.into()),
                Reason::PinBlockMalformed,
            ),
        ] {
            assert_eq!(reason(bench.prove(request).await), expected, "{what} on {}", hub.engine);
        }
        let stranger = bench.errands.prove(&terminal("till-2").id, bench.right(&errand, &code)).await;
        assert_eq!(reason(stranger), Reason::ErrandUnknown);
        assert_eq!(reason(bench.errands.get(&terminal("till-2").id, &errand.errand_id).await), Reason::ErrandUnknown);
        assert_eq!(bench.count("SELECT failures FROM payers").await, 0);
        assert_eq!(bench.prove(bench.right(&errand, &code)).await.unwrap().state(), pb::ErrandState::Done);
    })
    .await;
}

#[tokio::test]
async fn m3_a_pin_pad_without_a_key_and_one_whose_key_was_replaced() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        assert_eq!(bench.set_key("till-1", KEY).await, Ok(1), "the same key again changes nothing");
        assert_eq!(bench.set_key("till-9", KEY).await, Err(Reason::TerminalUnknown));
        assert_eq!(bench.set_key("till-1", [0; 16]).await, Err(Reason::KeyRefused));
        let (errand, code) = bench.begin(ErrandKind::SetPassword).await;
        assert_eq!(bench.set_key("till-1", [5; 16]).await, Ok(2));
        assert_eq!(reason(bench.prove(bench.right(&errand, &code)).await), Reason::PinBlockUnreadable);
        let elsewhere = bench.create_at("till-2", &bench.request(ErrandKind::SetPassword)).await.unwrap();
        let code = bench.code(&elsewhere.errand_id).await;
        let proved = bench.errands.prove(&terminal("till-2").id, bench.right(&elsewhere, &code)).await;
        assert_eq!(reason(proved), Reason::PinPadUnknown);
        let by_terminal = operator::SetPinPadKeyRequest { terminal_id: "till-1".into(), ..Default::default() };
        let refused = bench.operator.set_pin_pad_key(from_member(Role::Terminal, "till-1", by_terminal)).await;
        assert_eq!(reason(refused), Reason::RoleNotAllowed);
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        for row in hub.store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap() {
            assert!(!row.text(0).unwrap().contains(&key));
        }
        bench.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m5_a_code_ends_with_its_time_and_with_the_epoch_of_its_number() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, false).await;
        let (errand, code) = bench.begin(ErrandKind::Activate).await;
        bench.change("UPDATE payers SET number_epoch = 1, version = version + 1 WHERE person_id = $1").await;
        let refused = bench.prove(bench.right(&errand, &code)).await.unwrap();
        assert_eq!((refused.state(), why(&refused)), (pb::ErrandState::Refused, "NUMBER_NOT_SERVED"));
        bench.change("UPDATE payers SET number_epoch = 0, version = version + 1 WHERE person_id = $1").await;
        let (late, code) = bench.begin(ErrandKind::Activate).await;
        // The database says what time it is, so that the end is moved and not the clock.
        let mut tx = hub.store.begin().await.unwrap();
        let sql = "UPDATE errands SET code_expires_at = $1, version = version + 1 WHERE state = 'WAITING'";
        tx.execute(sql, vec![Timestamp::from_secs(1).into()]).await.unwrap();
        tx.commit().await.unwrap();
        let read = bench.errands.get(&terminal("till-1").id, &late.errand_id).await.unwrap().errand.unwrap();
        assert_eq!((read.state(), why(&read)), (pb::ErrandState::Refused, "CODE_EXPIRED"));
        let refused = bench.prove(bench.right(&late, &code)).await.unwrap();
        assert_eq!((refused.state(), why(&refused)), (pb::ErrandState::Refused, "CODE_EXPIRED"));
        assert_eq!(bench.count("SELECT active FROM bindings").await, 0, "{}", hub.engine);
        bench.all_is_well().await;
    })
    .await;
}
