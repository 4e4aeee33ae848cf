//! The way into the console.

use std::time::Duration;

use super::super::testing::{App, PASSWORD, forget_step, password};
use super::*;
use crate::sign_in::WebToken;

async fn tries(operators: &Operators, name: &str, typed: &str, code: &str) -> Result<WebToken, Reason> {
    let operator = domain::OperatorId::parse(name).ok();
    operators.sign_in(operator, password(typed), TotpCode::parse(code)).await
}

#[tokio::test]
async fn m9_an_operator_signs_in_with_a_password_and_a_one_time_password_that_is_good_once() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        let app = App::new(&hub, &operators, "ann").await;
        let code = app.code(0);
        let token = tries(&operators, "ann", PASSWORD, &code).await.unwrap();
        let session = operators.recognise(&token).await.unwrap().unwrap();
        assert_eq!((session.operator_id.clone(), session.role), (id("ann"), Role::Admin));
        assert_eq!(tries(&operators, "ann", PASSWORD, &code).await.err(), Some(Reason::ConsoleRefused), "used");
        assert_eq!(tries(&operators, "ann", PASSWORD, &app.code(-1)).await.err(), Some(Reason::ConsoleRefused));
        let later = tries(&operators, "ann", PASSWORD, &app.code(1)).await.unwrap();
        assert!(operators.recognise(&token).await.unwrap().is_none(), "one session for each operator");
        let session = operators.recognise(&later).await.unwrap().unwrap();
        operators.sign_out(session).await.unwrap();
        assert!(operators.recognise(&later).await.unwrap().is_none(), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_whatever_is_wrong_is_one_refusal_and_five_in_a_row_block_the_way_in() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        let (app, bobs) = (App::new(&hub, &operators, "ann").await, App::new(&hub, &operators, "bob").await);
        for (name, typed, code) in [
            ("ann", "wrong horse battery", app.code(0)),
            ("ann", PASSWORD, "000000".to_owned()),
            ("ann", PASSWORD, bobs.code(0)),
            ("ann", PASSWORD, app.code(3)),
            ("ann", PASSWORD, String::new()),
            ("mallory", PASSWORD, app.code(0)),
            ("Not A Name", PASSWORD, app.code(0)),
        ] {
            let refused = tries(&operators, name, typed, &code).await.err();
            assert_eq!(refused, Some(Reason::ConsoleRefused), "{name} {}", hub.engine);
        }
        // Five of them were ann's.
        assert_eq!(tries(&operators, "ann", PASSWORD, &app.code(0)).await.err(), Some(Reason::ConsoleRefused));
        assert!(tries(&operators, "bob", PASSWORD, &bobs.code(0)).await.is_ok(), "it is nobody else's block");
        let refused = logged(&hub, "hub-1").await.into_iter().filter(|kind| kind == "CONSOLE_SIGN_IN_REFUSED").count();
        assert_eq!(refused, 6);
    })
    .await;
}

#[tokio::test]
async fn m9_a_session_ends_with_its_time_and_with_the_operator() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        let app = App::new(&hub, &operators, "ann").await;
        let token = tries(&operators, "ann", PASSWORD, &app.code(0)).await.unwrap();
        hub.clock.advance(Duration::from_secs(20 * 60));
        assert!(operators.recognise(&token).await.unwrap().is_none(), "nobody asked for so long");
        hub.clock.set_back(Duration::from_secs(20 * 60));
        assert!(operators.recognise(&token).await.unwrap().is_some());
        operators.set_operator(id("bob"), &asked("cem", pb::OperatorRole::Admin, false)).await.unwrap();
        operators.set_operator(id("bob"), &asked("ann", pb::OperatorRole::Admin, true)).await.unwrap();
        assert!(operators.recognise(&token).await.unwrap().is_none(), "suspended");
        forget_step(&hub, "ann").await;
        assert_eq!(tries(&operators, "ann", PASSWORD, &app.code(0)).await.err(), Some(Reason::ConsoleRefused));
    })
    .await;
}

#[tokio::test]
async fn m9_a_password_that_is_guessed_first_is_none_and_secrets_stand_nowhere_as_they_are() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        for (text, wanted) in [
            ("short", Reason::AccountPasswordMalformed),
            ("password1234", Reason::AccountPasswordGuessable),
            ("ann has this one!", Reason::AccountPasswordGuessable),
        ] {
            let request = pb::SetConsoleSignInRequest { password: text.to_owned() };
            assert_eq!(operators.set_console_sign_in(id("ann"), &request).await, Err(wanted), "{text}");
        }
        App::new(&hub, &operators, "ann").await;
        let rows =
            hub.store.fetch("SELECT password_hash, totp_sealed FROM operators WHERE operator_id = 'ann'", vec![]);
        let rows = rows.await.unwrap();
        assert!(rows[0].text(0).unwrap().starts_with("$argon2id$"));
        assert!(rows[0].bytes(1).unwrap().len() > 20, "sealed");
        let lines = audit::read_chain(&hub.store, "hub-1/operators").await.unwrap();
        assert!(lines.iter().all(|line| !line.content.contains("horse") && !line.content.contains("argon2")));
    })
    .await;
}
