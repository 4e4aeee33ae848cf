//! After the day: everything settles, everything stops, and the books are checked with the real checks.

use std::time::Duration;

use server_kit::clock::Stopwatch;

use super::play::{Payer, Play, cny, spoken};
use super::timeline::{Timeline, yuan};
use crate::books::{LegRow, legs_of, payments_of, reconcile};
use crate::doctor::{Check, Files, ServerKind, Verdict, books, log_chains};
use crate::error::{CliError, in_full};
use crate::operator::Operator;
use crate::trial::{Federation, Kind, Server};

/// How long the banks may take to hear of everything.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// States in which something is still to be done.
const ON_ITS_WAY: [&str; 5] = ["CHALLENGED", "HOLDING", "COMMITTED", "ABORTING", "REVERSING"];

pub(super) async fn all(play: Play) -> Result<Vec<Check>, CliError> {
    let Play {
        timeline,
        mut federation,
        operator,
        lin,
        chen,
        mut checks,
        noodles,
        books: bookshop,
        machine,
        dumplings,
    } = play;
    checks.push(settled(&operator).await?);
    for payer in [&lin, &chen] {
        checks.push(balance(&operator, payer).await?);
    }
    for till in [&noodles, &bookshop, &machine, &dumplings] {
        checks.push(journal(till.shop, till.terminal.open_payments().len()));
    }
    let legs = legs(&federation).await?;
    drop((lin, chen, noodles, bookshop, machine, dumplings));
    checks.push(stopped(&mut federation, &timeline).await);
    checks.extend(stores(&federation, &legs).await?);
    Ok(checks)
}

/// Nothing is on its way any more.
async fn settled(operator: &Operator) -> Result<Check, CliError> {
    let watch = Stopwatch::start();
    loop {
        let mut states = operator.overview().await?.payments_by_state;
        states.retain(|state, count| ON_ITS_WAY.contains(&state.as_str()) && *count > 0);
        if states.is_empty() {
            return Ok(Check::new("everything settled", Verdict::Good, "no payment is on its way"));
        }
        if watch.elapsed() > SETTLED_WITHIN {
            return Ok(Check::new("everything settled", Verdict::Bad, format!("still on their way: {states:?}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the story says is in a person's accounts, and what the banks say.
async fn balance(operator: &Operator, payer: &Payer) -> Result<Check, CliError> {
    let mut found = 0_i64;
    for (bank, account) in &payer.accounts {
        let account = operator.counter(bank).await?.account(*account).await?;
        found = found.saturating_add(account.balance.map_or(0, |balance| balance.minor_units));
    }
    let name = format!("{}'s money", payer.person.name);
    let (found, expected) = (yuan(cny(found)), yuan(cny(payer.expected_minor)));
    Ok(if found == expected {
        Check::new(&name, Verdict::Good, format!("{found}, as the day's receipts say"))
    } else {
        Check::new(&name, Verdict::Bad, format!("the banks have {found}, the day's receipts say {expected}"))
    })
}

fn journal(shop: &str, open: usize) -> Check {
    let name = format!("journal of {shop}");
    match open {
        0 => Check::new(&name, Verdict::Good, "every payment has its end, nothing is owed"),
        open => Check::new(&name, Verdict::Bad, format!("{open} payments have no end")),
    }
}

async fn legs(federation: &Federation) -> Result<Vec<LegRow>, CliError> {
    let mut legs = Vec::new();
    for bank in federation.servers().filter(|server| server.kind() == Kind::Adapter) {
        let read = legs_of(bank.name(), federation.bank_as_hub(bank.name())?).await;
        legs.extend(read.map_err(|error| CliError::CheckFailed(in_full(&error)))?);
    }
    Ok(legs)
}

async fn stopped(federation: &mut Federation, timeline: &Timeline) -> Check {
    timeline.waiting("servers drain");
    match federation.stop().await {
        Ok(()) => Check::new("stopping", Verdict::Good, "every server drained on SIGTERM and ended well"),
        Err(error) => Check::new("stopping", Verdict::Bad, in_full(&error)),
    }
}

/// Opens every database as its owner does, and checks it.
async fn stores(federation: &Federation, legs: &[LegRow]) -> Result<Vec<Check>, CliError> {
    let mut checks = Vec::new();
    for server in federation.servers() {
        let kind = if server.kind() == Kind::Hub { ServerKind::Hub } else { ServerKind::Adapter };
        let files = Files::load(kind, server.config(), &[])?;
        let store = files.open_store(kind).await?;
        let found = books(kind, &store).await;
        checks.push(Check { name: format!("{} of {}", found.name, called(server)), ..found });
        match files.open_keys() {
            Ok(keys) => checks.extend(log_chains(&store, &keys).await),
            Err(detail) => checks.push(Check::new(&format!("keys of {}", called(server)), Verdict::Bad, detail)),
        }
        if kind == ServerKind::Hub {
            let payments = payments_of(&store).await.map_err(|error| CliError::CheckFailed(in_full(&error)))?;
            checks.push(both_sides(&payments, legs));
        }
        store.close().await;
    }
    Ok(checks)
}

fn called(server: &Server) -> String {
    if server.kind() == Kind::Hub { "the hub".to_owned() } else { spoken(server.name()) }
}

fn both_sides(payments: &[crate::books::PaymentRow], legs: &[LegRow]) -> Check {
    const NAME: &str = "hub against banks";
    let found = reconcile(payments, legs);
    if !found.faults.is_empty() {
        return Check::new(NAME, Verdict::Bad, found.faults.join("\n"));
    }
    let detail = format!(
        "{} approved payments, one debit each; {} credits for refunds, reversals and cash; {} payments moved nothing",
        found.debits, found.credits, found.without_money
    );
    Check::new(NAME, Verdict::Good, detail)
}
