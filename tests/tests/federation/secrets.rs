//! No secret in any log (M8).

use federation_tests::databases::Engine;
use federation_tests::payer::another_code;
use federation_tests::till::fen;
use federation_tests::world::Setup;
use proto::terminal::PaymentState;

#[tokio::test]
async fn m8_no_log_has_a_phone_number_a_code_a_password_or_an_account_in_it() {
    let mut world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).start().await;
    let till = world.till("till-1");
    let mut secrets = Vec::new();
    for bank in ["bank-a", "bank-b"] {
        let payer = world.payer(bank, 10_000).await;
        secrets.push(("number", payer.number().trim_start_matches('+').to_owned()));
        secrets.push(("national number", payer.number().trim_start_matches("+86").to_owned()));
        secrets.push(("password", payer.password().to_owned()));
        // Everything that may go wrong on the way is logged too, and at its most talkative.
        let (id, code) = till.begin(&payer, fen(100)).await;
        secrets.push(("code", code.clone()));
        till.authorize(&id, &till.new_id(), &another_code(&code), payer.password()).await.unwrap();
        till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
        assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved);
        till.refund(&till.new_id(), &id, fen(10)).await.unwrap();
        let (id, code) = till.begin(&payer, fen(999_999)).await;
        secrets.push(("code", code.clone()));
        till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
        world.server(bank).kill().await.unwrap();
        let (id, code) = till.begin(&payer, fen(100)).await;
        secrets.push(("code", code.clone()));
        till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
        world.server(bank).start().await.unwrap();
        till.outcome(&id).await;
    }
    let master = world.federation.server("hub-1").unwrap().member().master();
    secrets.push(("master key", std::fs::read_to_string(master).unwrap().trim().to_owned()));
    let logs = world.logs();
    assert!(logs.len() > 2_000 && logs.contains("DEBUG"), "the logs say too little to prove anything");
    for (what, secret) in &secrets {
        let found = logs.lines().find(|line| holds(line, secret));
        assert!(found.is_none(), "a {what} stands in a log: {}", found.unwrap_or_default());
    }
    world.settled().await;
}

/// Whether the secret stands in the line, and not by chance inside a longer number, a time or an id.
fn holds(line: &str, secret: &str) -> bool {
    line.match_indices(secret).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + secret.len()..].chars().next();
        let longer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let of_a_time = secret.len() == 6 && before == Some('.') && after == Some('Z');
        !longer(before) && !longer(after) && !of_a_time
    })
}
