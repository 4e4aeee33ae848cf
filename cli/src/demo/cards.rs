//! The card's day: one card for debit and credit, at a cash machine, in a bookshop, frozen, and on the day on which it is due.

use std::time::Duration;

use domain::ledger::Nature;
use domain::{AccountId, Currency, Reason};
use secrecy::SecretString;
use server_kit::clock::Stopwatch;

use super::play::{Play, Till, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::operator::Counter;
use crate::terminal::{Card, CardOrder, Payment, PaymentState};
use crate::trial::{IssuedCard, NewCard, bank_id};

/// The first digits of Bank A's cards.
pub(super) const BIN: &str = "62284800";
const BANK: &str = "bank-a";
const HOLDER: &str = "Zhao Yu";
const PIN: &str = "161803";
/// What is on the debit side, what may be owed on the credit side, and how much of that as cash.
const MONEY: i64 = 50_000;
const LIMIT: i64 = 100_000;
const CASH_LIMIT: i64 = 30_000;
/// Longer than from any day to the second close of a statement, and so past the due day of the first.
const DAYS_AHEAD: u32 = 63;
/// How long a bank may take to post what the hub has committed.
const POSTED_WITHIN: Duration = Duration::from_secs(10);
/// How long the bank may take to close those days.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// The card in a reader, and the PIN typed on its pad.
fn reads(play: &Play, holder: &IssuedCard, till: &Till) -> Result<Card, CliError> {
    let pad = play.federation.pad(till.terminal.id().as_str())?;
    Ok(Card::by_track(&holder.track2).with_pin(pad.block(&holder.pan, &SecretString::from(PIN))?))
}

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    let holder = issued(play).await?;
    at_the_machine(play, &holder).await?;
    in_the_shop(play, &holder).await?;
    frozen(play, &holder).await?;
    due_day(play, &holder).await
}

async fn counter(play: &Play) -> Result<Counter, CliError> {
    Ok(play.operator.counter(&bank_id(BANK)?).await?)
}

async fn issued(play: &Play) -> Result<IssuedCard, CliError> {
    play.timeline.scene("One card for debit and credit");
    let (counter, bank) = (counter(play).await?, Actor::bank(&spoken(BANK)));
    let opened = counter.open_account(HOLDER, Currency::CNY, 0).await?.account_id;
    let debit = AccountId::parse(&opened).map_err(|reason| CliError::CheckFailed(reason.english().to_owned()))?;
    counter.deposit(debit, cny(MONEY)).await?;
    let asked = format!("a card for {HOLDER}: {} of money, {} of credit", yuan(cny(MONEY)), yuan(cny(LIMIT)));
    play.timeline.say(&Actor::operator(), &bank, &asked);
    let new = NewCard {
        holder: HOLDER,
        bank: BANK,
        bin: BIN,
        debit,
        limit_minor: LIMIT,
        cash_limit_minor: CASH_LIMIT,
        pad: play.machine.terminal.id().as_str(),
        pin: PIN,
    };
    let card = play.federation.issue_card(&new).await?;
    let made = format!("makes {}: one number, one track, one PIN; its CVV in the key store", card.masked);
    play.timeline.happens(&bank, &made);
    play.timeline.say(
        &Actor::person(HOLDER),
        &bank,
        "a PIN of my choice, typed on a pad that shares a key with the bank",
    );
    Ok(card)
}

/// Does something with the card, and says how it was borne.
async fn uses(
    play: &Play,
    till: &Till,
    card: Card,
    (nature, minor): (Nature, i64),
    asked: &str,
) -> Result<Payment, CliError> {
    play.timeline.say(&till.actor(), &Actor::hub(), &format!("{asked}: {}", yuan(cny(minor))));
    let watch = Stopwatch::start();
    let order = CardOrder::new(card, nature, cny(minor));
    let paid = loop {
        match till.terminal.card_payment(&order).await {
            // The bank has told the hub of its cards when it started; the hub may not have known the bank yet.
            Err(error) if error.reason() == Some(Reason::BinUnknown) && watch.elapsed() < CLOSED_WITHIN => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => break other?,
        }
    };
    play.timeline.say(&Actor::hub(), &till.actor(), &play.sentence(&paid));
    Ok(paid)
}

/// What is left on both sides, as the bank says it.
async fn left(play: &Play, holder: &IssuedCard) -> Result<(i64, i64), CliError> {
    let counter = counter(play).await?;
    let minor = async |id| -> Result<i64, CliError> {
        Ok(counter.account(id).await?.available.map_or(0, |available| available.minor_units))
    };
    Ok((minor(holder.debit).await?, minor(holder.credit).await?))
}

async fn sides(play: &mut Play, holder: &IssuedCard, name: &str, wanted: (i64, i64)) -> Result<(), CliError> {
    // What came in can be spent when the bank has posted it, a moment after the terminal was told.
    let watch = Stopwatch::start();
    let mut found = left(play, holder).await?;
    while found != wanted && watch.elapsed() < POSTED_WITHIN {
        tokio::time::sleep(Duration::from_millis(20)).await;
        found = left(play, holder).await?;
    }
    let said =
        |(debit, credit): (i64, i64)| format!("{} of money and {} of credit", yuan(cny(debit)), yuan(cny(credit)));
    play.timeline
        .happens(&Actor::bank(&spoken(BANK)), &play.timeline.quiet(&format!("has left for the card {}", said(found))));
    let check = if found == wanted {
        Check::new(name, Verdict::Good, said(found))
    } else {
        Check::new(name, Verdict::Bad, format!("{}, where {} is right", said(found), said(wanted)))
    };
    play.checks.push(check);
    Ok(())
}

async fn at_the_machine(play: &mut Play, holder: &IssuedCard) -> Result<(), CliError> {
    play.timeline.scene("Cash: the money first, the rest from credit");
    let card = reads(play, holder, &play.machine)?;
    let paid =
        uses(play, &play.machine, card, (Nature::CashWithdrawal, 55_000), "notes for a card and its PIN").await?;
    play.expect("cash that overflows into credit", &paid, PaymentState::Approved, None);
    sides(play, holder, "cash: debit first, 50.00 as an advance", (0, 95_000)).await?;
    let number = Card::by_number(&holder.pan);
    let paid = uses(play, &play.machine, number, (Nature::Deposit, 40_000), "notes for a card's number").await?;
    play.expect("a deposit by the number alone", &paid, PaymentState::Approved, None);
    sides(play, holder, "a deposit goes to debit", (40_000, 95_000)).await
}

async fn in_the_shop(play: &mut Play, holder: &IssuedCard) -> Result<(), CliError> {
    play.timeline.scene("A purchase: credit first, the rest from the money; and a frozen card");
    let card = reads(play, holder, &play.books)?;
    let paid =
        uses(play, &play.books, card, (Nature::Purchase, 120_000), "an encyclopaedia with a card and its PIN").await?;
    play.expect("a purchase that overflows into debit", &paid, PaymentState::Approved, None);
    sides(play, holder, "a purchase: credit first, 250.00 from debit", (15_000, 0)).await
}

async fn frozen(play: &mut Play, holder: &IssuedCard) -> Result<(), CliError> {
    let (counter, bank) = (counter(play).await?, Actor::bank(&spoken(BANK)));
    counter.freeze_card(holder.id, true).await?;
    play.timeline.say(&Actor::person(HOLDER), &bank, "I cannot find the card: freeze it");
    let card = reads(play, holder, &play.books)?;
    let declined =
        uses(play, &play.books, card, (Nature::Purchase, 1_000), "a postcard with a card and its PIN").await?;
    play.expect("a frozen card", &declined, PaymentState::Declined, Some(Reason::CardFrozen));
    let number = Card::by_number(&holder.pan);
    let paid = uses(play, &play.machine, number, (Nature::Deposit, 20_000), "notes for a card's number").await?;
    play.expect("a frozen card still takes a deposit", &paid, PaymentState::Approved, None);
    counter.freeze_card(holder.id, false).await?;
    play.timeline.say(&Actor::person(HOLDER), &bank, "here it is: unfreeze it");
    sides(play, holder, "money came in, none went out", (35_000, 0)).await
}

/// Weeks pass at the bank; the statement is closed, falls due, and is repaid from the debit side as far as there is money.
async fn due_day(play: &mut Play, holder: &IssuedCard) -> Result<(), CliError> {
    play.timeline.scene("The due day");
    let bank = Actor::bank(&spoken(BANK));
    play.timeline.happens(
        &bank,
        &format!("starts again with its clock {DAYS_AHEAD} days ahead, and closes the days that are over"),
    );
    let server = play.federation.server_mut(BANK)?;
    server.stop().await?;
    server.set("trial.clock_ahead", &format!("{}h", 24 * DAYS_AHEAD));
    server.start().await?;
    let counter = counter(play).await?;
    let watch = Stopwatch::start();
    let (statements, money) = loop {
        let (statements, (money, _)) = (counter.statements(holder.credit).await?, left(play, holder).await?);
        if (!statements.is_empty() && money == 0) || watch.elapsed() > CLOSED_WITHIN {
            break (statements, money);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for statement in statements.iter().rev() {
        let interest = statement.interest_on_purchases_minor + statement.interest_on_cash_minor;
        let said = format!(
            "statement {} of {}: {} owed, {} of it interest, at least {} by {}",
            statement.number,
            statement.closed_on,
            yuan(cny(statement.closing_minor)),
            yuan(cny(interest)),
            yuan(cny(statement.minimum_due_minor)),
            statement.due_on
        );
        play.timeline.say(&bank, &Actor::person(HOLDER), &said);
    }
    let repaid: i64 = statements.iter().map(|statement| statement.repayments_minor).sum();
    play.timeline
        .happens(&bank, &format!("has taken {} from the debit side for it: all that was there", yuan(cny(35_000))));
    let first = statements.last();
    let fine =
        money == 0 && first.is_some_and(|first| first.purchases_minor == 95_000 && first.cash_advances_minor == 5_000);
    let detail = format!(
        "{} statements, {} repaid, {} left on the debit side",
        statements.len(),
        yuan(cny(repaid)),
        yuan(cny(money))
    );
    play.checks.push(Check::new("the due day", if fine { Verdict::Good } else { Verdict::Bad }, detail));
    Ok(())
}
