//! The real terminal as a process, killed at its own durable point (D0).

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Output, Stdio};

use federation_tests::databases::Engine;
use federation_tests::till::PATIENCE;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use proto::terminal::PaymentState;
use server_kit::identity::Role;
use tokio::process::Command;

/// Runs `bankhub --output json terminal …` under the certificate of `till-1`.
async fn terminal(world: &World, arguments: &[&str], fault: Option<&str>) -> Output {
    let member = world.federation.member(Role::Terminal, "till-1").unwrap();
    let mut command = Command::new(federation_tests::bankhub());
    command.args(["--output", "json", "terminal", "--config"]).arg(member.folder.join("terminal.toml"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(fault) = fault {
        command.env(server_kit::fault::ENVIRONMENT, fault);
    }
    bounded("the terminal", PATIENCE, command.output()).await.unwrap()
}

async fn killed_at(point: &str, begun: usize) {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 10_000).await;
    // This writes the terminal's profile; the journal is free again at once.
    drop(world.federation.terminal("till-1").unwrap());
    let killed = terminal(&world, &["pay", payer.number(), "12.50", "--code", "000000"], Some(point)).await;
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert_eq!(world.payments().await, 0, "nothing is sent before the id is on disk");
    let journal = world.federation.terminal("till-1").unwrap();
    let open = journal.open_payments();
    assert_eq!(open.len(), begun, "{point}");
    drop(journal);
    // What was begun and never answered is taken back, so that it stays undone.
    let flushed = terminal(&world, &["flush"], None).await;
    assert!(flushed.status.success(), "{flushed:?}");
    for (id, _) in open {
        let stands = world.till("till-1").get(&id.to_string()).await.unwrap();
        assert_eq!(stands.state(), PaymentState::Reversed);
    }
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.legs.len()), (begun, 0));
}

#[tokio::test]
async fn m6_a_terminal_killed_before_it_has_written_the_id_has_sent_nothing() {
    killed_at("D0.before", 0).await;
}

#[tokio::test]
async fn m6_a_terminal_killed_after_it_has_written_the_id_takes_the_payment_back() {
    killed_at("D0.after", 1).await;
}
