//! No secret in any log, and a log that shows tampering (M8).

use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::payer::another_code;
use federation_tests::till::fen;
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use proto::common::{Nature, PresentedCard};
use proto::terminal::PaymentState;
use secrecy::ExposeSecret as _;
use server_kit::shown::holds;

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
    let mut logs = world.logs();
    for server in ["hub-1", "bank-a", "bank-b"] {
        assert!(world.operations(server, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(world.operations(server, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = world.operations(server, "/metrics").await;
        assert!(metrics.contains("# TYPE"), "{metrics}");
        logs += &metrics;
    }
    assert!(logs.len() > 2_000 && logs.contains("DEBUG"), "the logs say too little to prove anything");
    for (what, secret) in &secrets {
        let found = logs.lines().find(|line| holds(line, secret));
        assert!(found.is_none(), "a {what} stands in a log: {}", found.unwrap_or_default());
    }
    world.settled().await;
}

#[tokio::test]
async fn c5_no_log_and_no_database_has_a_card_number_a_track_a_cvv_or_a_pin_in_it() {
    let mut world = Setup::on(Engine::Sqlite).with_cards().start().await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    let card = holder.read(&pad, Some(PIN));
    let paid = till.with_card(&card, Nature::Purchase, 1_000).await;
    assert_eq!(paid.state(), PaymentState::Approved, "{paid:?}");
    till.balance(&card).await.unwrap();
    // Everything that may go wrong on the way is logged too, and at its most talkative.
    let wrong = holder.read(&pad, Some("000000"));
    till.with_card(&wrong, Nature::Purchase, 1_000).await;
    let mut torn = card.clone();
    torn.track2.pop();
    torn.pin_block.as_mut().unwrap().block[0] ^= 1;
    let _ = till.card(&till.new_id(), &torn, Nature::Purchase, 1_000).await;
    let mut mistyped = holder.number();
    mistyped.pan.replace_range(15.., if mistyped.pan.ends_with('0') { "1" } else { "0" });
    let _ = till.card(&till.new_id(), &mistyped, Nature::Purchase, 1_000).await;
    world.server("bank-a").kill().await.unwrap();
    let id = till.new_id();
    let _ = till.card(&id, &card, Nature::Purchase, 1_000).await;
    world.server("bank-a").start().await.unwrap();
    till.outcome(&id).await;

    let track = holder.card.track2.expose_secret();
    let block = |card: &PresentedCard| card.pin_block.as_ref().unwrap().block.clone();
    let secrets = [
        ("card number", holder.card.pan.reveal().as_bytes().to_vec()),
        ("mistyped card number", mistyped.pan.as_bytes().to_vec()),
        ("track", track.as_bytes()[track.find('=').unwrap()..].to_vec()),
        ("PIN block", block(&card)),
        ("wrong PIN's block", block(&wrong)),
    ];
    let mut kept = vec![("a log".to_owned(), world.logs().into_bytes())];
    world.federation.stop().await.unwrap();
    for server in ["hub-1", "bank-a"] {
        let folder = world.federation.server(server).unwrap().member().folder.clone();
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            kept.push((file.display().to_string(), std::fs::read(&file).unwrap()));
        }
    }
    assert!(kept.iter().any(|(name, bytes)| name.ends_with("books.db") && bytes.len() > 10_000));
    for (what, secret) in &secrets {
        for (place, bytes) in &kept {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_slice());
            assert!(!found, "a {what} stands in {place}");
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            let found = bytes.windows(hex.len()).any(|window| window.eq_ignore_ascii_case(hex.as_bytes()));
            assert!(!found, "a {what} stands in {place} as digits");
        }
    }
    // Three digits and six may stand anywhere by chance; in a log only as a word of their own.
    let logs = String::from_utf8_lossy(&kept[0].1).into_owned();
    for (what, secret) in [("CVV2", holder.card.cvv2.expose_secret()), ("PIN", PIN)] {
        let said = |line: &&str| holds(line, secret) && (line.contains("cvv") || line.contains("pin"));
        assert_eq!(logs.lines().find(said), None, "a {what} stands in a log");
    }
}

#[tokio::test]
async fn m8_a_row_of_the_log_that_was_changed_or_cut_off_is_found() {
    const CHANGES: [(&str, &str); 3] = [
        (
            "was changed",
            "UPDATE audit_log SET entries = replace(entries, 'till-1', 'till-2') WHERE entries LIKE 'COMMITTED%'",
        ),
        ("are missing", "DELETE FROM audit_log WHERE entries LIKE 'HOLDING%'"),
        ("was changed", "UPDATE audit_log SET occurred_at = occurred_at + 1 WHERE entries LIKE 'POSTED%'"),
    ];
    for (told, sql) in CHANGES {
        let mut world = Setup::on(Engine::Sqlite).start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
        for _ in 0..2 {
            till.sell(&payer, fen(100)).await;
        }
        let at_rest = async || (world.states().await.get("POSTED") == Some(&2)).then_some(());
        until("the posting", World::HEALING, at_rest).await;
        world.federation.stop().await.unwrap();
        let (healthy, said) = doctor(&world).await;
        assert!(healthy, "{said}");
        let store = world.open("hub-1").await;
        let mut tx = store.begin().await.unwrap();
        assert!(tx.execute(sql, Vec::new()).await.unwrap() > 0);
        tx.commit().await.unwrap();
        store.close().await;
        drop(store);
        let (healthy, said) = doctor(&world).await;
        assert!(!healthy && said.contains(told), "{sql}: {said}");
    }
}

/// Runs `bankhub doctor` on the hub; whether all was well, and what it said.
async fn doctor(world: &World) -> (bool, String) {
    let hub = world.federation.server("hub-1").unwrap();
    let mut command = tokio::process::Command::new(federation_tests::bankhub());
    command.args(["doctor", "hub", "--config"]).arg(hub.config()).kill_on_drop(true);
    let output = bounded("doctor", World::HEALING, command.output()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
