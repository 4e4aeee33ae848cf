//! Two credit cards at two banks: their statements are closed and reported, and come to one bill.

use std::time::Duration;

use domain::ledger::Nature;
use domain::payment::Instrument;
use domain::repayment::{End, Form};
use domain::{AccountId, Currency, PaymentId, Reason, Timestamp};
use jiff::tz::{TimeZone, offset};
use proto::cardholder::{self as pb, event::Kind, reminder::When};
use secrecy::SecretString;
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

use super::play::{Play, TOLD_WITHIN, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::terminal::{Card, CardOrder, PaymentState};
use crate::trial::{IssuedCard, NewCard, bank_id};

/// The first digits of Bank B's cards.
pub(super) const BIN_B: &str = "62284801";
const HOLDER: &str = "Lin Mei";
const PIN: &str = "141421";
const LIMIT: i64 = 100_000;
/// How long the hub may take to know a bank's cards, and the bank to post what was bought.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);
/// Days before the due date on which Lin wants to hear of it.
const DAYS_BEFORE: i32 = 3;

/// A credit card of Lin's, and what was bought with it.
#[derive(Debug)]
pub(super) struct Owed {
    bank: &'static str,
    card: IssuedCard,
    minor: i64,
}

pub(super) async fn all(play: &mut Play) -> Result<[Owed; 2], CliError> {
    play.timeline.scene("Two credit cards");
    let at_a = issued(play, "bank-a", super::cards::BIN, 30_000).await?;
    let at_b = issued(play, "bank-b", BIN_B, 20_000).await?;
    let cards = [at_a, at_b];
    for owed in &cards {
        buys(play, owed).await?;
    }
    billed(play, &cards).await?;
    Ok(cards)
}

/// A card over a deposit account and a credit account whose statement is closed by the end of this day.
async fn issued(play: &mut Play, bank: &'static str, bin: &str, minor: i64) -> Result<Owed, CliError> {
    let counter = play.operator.counter(&bank_id(bank)?).await?;
    let opened = counter.open_account(HOLDER, Currency::CNY, 0).await?.account_id;
    let debit = AccountId::parse(&opened).map_err(|reason| CliError::CheckFailed(reason.english().to_owned()))?;
    let (limit_minor, pad) = (LIMIT, play.books.terminal.id().to_string());
    let new = NewCard { holder: HOLDER, bank, bin, debit, limit_minor, cash_limit_minor: 0, pad: &pad, pin: PIN };
    let today = jiff::Timestamp::from_microsecond(SystemClock.now().micros());
    let today = today.map_err(|error| CliError::CheckFailed(error.to_string()))?.to_zoned(TimeZone::fixed(offset(8)));
    let close_day = u8::try_from(today.day()).unwrap_or(1);
    let card = play.federation.issue_card_closing(&new, close_day).await?;
    play.operator.bind_card(play.lin.person.id, &bank_id(bank)?, card.id, false).await?;
    let said = format!("a credit card for {HOLDER}, {}, billed at the end of this day", card.masked);
    play.timeline.say(&Actor::operator(), &Actor::bank(&spoken(bank)), &said);
    Ok(Owed { bank, card, minor })
}

async fn buys(play: &mut Play, owed: &Owed) -> Result<(), CliError> {
    let pad = play.federation.pad(play.books.terminal.id().as_str())?;
    let said = format!("a set of maps with a card and its PIN: {}", yuan(cny(owed.minor)));
    play.timeline.say(&play.books.actor(), &Actor::hub(), &said);
    let block = pad.block(&owed.card.pan, &SecretString::from(PIN))?;
    let order = CardOrder::new(Card::by_track(&owed.card.track2).with_pin(block), Nature::Purchase, cny(owed.minor));
    let watch = Stopwatch::start();
    let paid = loop {
        match play.books.terminal.card_payment(&order).await {
            // The bank tells the hub of its cards when it starts.
            Err(error) if error.reason() == Some(Reason::BinUnknown) && watch.elapsed() < KNOWN_WITHIN => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => break other?,
        }
    };
    play.timeline.say(&Actor::hub(), &play.books.actor(), &play.sentence(&paid));
    play.expect(&format!("a credit card of {}", spoken(owed.bank)), &paid, PaymentState::Approved, None);
    // It is posted a moment after the terminal was told, and has to be before the day is over.
    let counter = play.operator.counter(&bank_id(owed.bank)?).await?;
    let is_posted = async || -> Result<bool, CliError> {
        let account = counter.account(owed.card.credit).await?;
        Ok(account.balance.is_some_and(|balance| balance.minor_units == -owed.minor))
    };
    while !is_posted().await? && watch.elapsed() < KNOWN_WITHIN {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// It is tomorrow at both banks; their operators close the day, and the banks report the statements.
async fn billed(play: &mut Play, cards: &[Owed]) -> Result<(), CliError> {
    play.timeline.scene("The day ends at both banks: one bill in total");
    for owed in cards {
        let bank = Actor::bank(&spoken(owed.bank));
        play.timeline.waiting("the day ends");
        let server = play.federation.server_mut(owed.bank)?;
        server.stop().await?;
        server.set("trial.clock_ahead", "24h");
        server.start().await?;
        let counter = play.operator.counter(&bank_id(owed.bank)?).await?;
        counter.close_days("").await?;
        play.timeline.say(&Actor::operator(), &bank, "it is past midnight here: close the day");
        let news = news_of(play, pb::Topic::Bill).await?;
        play.timeline.say(&bank, &Actor::hub(), "a statement of a member's credit card");
        play.timeline.say(&Actor::hub(), &play.lin.phone(), &news.text_en);
    }
    let sum: i64 = cards.iter().map(|owed| owed.minor).sum();
    let total = total(play, "what do I owe, over all my banks?").await?;
    let fine = is_due(&total, sum, 2) && total.minimum_minor > 0 && !total.next_due_on.is_empty();
    let detail = format!("{}, at least {} by {}", due(&total), yuan(cny(total.minimum_minor)), total.next_due_on);
    play.checks.push(Check::new("one bill over two banks", if fine { Verdict::Good } else { Verdict::Bad }, detail));
    reminder(play).await
}

async fn news_of(play: &mut Play, topic: pb::Topic) -> Result<pb::News, CliError> {
    let news = |event: &pb::Event| match &event.kind {
        Some(Kind::News(news)) if news.topic() == topic => Some(news.clone()),
        _ => None,
    };
    Ok(play.lin.feed.find(TOLD_WITHIN, news).await?)
}

/// What is to be paid, which Lin's phone asks for.
async fn total(play: &Play, question: &str) -> Result<pb::TotalBill, CliError> {
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    play.timeline.say(&phone, &hub, question);
    let device = &play.lin.person.device;
    for account in device.bills(pb::ListBillsRequest::default()).await?.accounts {
        for bill in account.bills.iter().take(1) {
            let said = format!(
                "{} {}: {} left, at least {} by {}",
                spoken(&bill.bank_id),
                bill.account_masked,
                yuan(cny(bill.left_minor)),
                yuan(cny(bill.minimum_left_minor)),
                bill.due_on
            );
            play.timeline.say(&hub, &phone, &said);
        }
    }
    let total = device.total_bill().await?.totals.into_iter().next().unwrap_or_default();
    let said = format!("{} in total, at least {}", due(&total), yuan(cny(total.minimum_minor)));
    play.timeline.say(&hub, &phone, &said);
    Ok(total)
}

fn due(total: &pb::TotalBill) -> String {
    yuan(cny(total.due.as_ref().map_or(0, |due| due.minor_units)))
}

fn is_due(total: &pb::TotalBill, minor: i64, open: i32) -> bool {
    total.due.as_ref().is_some_and(|due| due.minor_units == minor) && total.open_count == open
}

async fn reminder(play: &mut Play) -> Result<(), CliError> {
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    let id = IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid();
    let reminder = pb::Reminder {
        reminder_id: id.map_err(|error| CliError::CheckFailed(error.to_string()))?.to_string(),
        hour: 9,
        when: Some(When::DaysBefore(DAYS_BEFORE)),
        ..pb::Reminder::default()
    };
    let device = &play.lin.person.device;
    device.set_reminder(reminder).await?;
    play.timeline.say(&phone, &hub, &format!("remind me at 9:00, {DAYS_BEFORE} days before it is due"));
    let next = device.reminders().await?.into_iter().find_map(|reminder| reminder.next_at);
    let at = next.map(|at| jiff::Timestamp::from_microsecond(proto::from_timestamp(&at).micros()));
    let check = match at {
        Some(Ok(at)) => {
            let at = at.to_zoned(TimeZone::fixed(offset(8))).strftime("%Y-%m-%d %H:%M").to_string();
            play.timeline.say(&hub, &phone, &format!("on {at}, unless you have paid by then"));
            Check::new("a reminder before it is due", Verdict::Good, format!("planned for {at}"))
        }
        _ => Check::new("a reminder before it is due", Verdict::Bad, "none is planned"),
    };
    play.checks.push(check);
    Ok(())
}

/// Lin pays one bill at the counter and the other one from the phone.
pub(super) async fn repaid(play: &mut Play, [first, second]: &[Owed; 2]) -> Result<(), CliError> {
    in_cash(play, first, second).await?;
    from_another_bank(play, second).await
}

/// Lin pays the first bill at the counter, and sees it at once.
async fn in_cash(play: &mut Play, first: &Owed, second: &Owed) -> Result<(), CliError> {
    play.timeline.scene("A bill is paid");
    let bank = Actor::bank(&spoken(first.bank));
    play.operator.counter(&bank_id(first.bank)?).await?.deposit(first.card.credit, cny(first.minor)).await?;
    play.timeline.say(
        &Actor::person(HOLDER),
        &bank,
        &format!("{} in cash, for the credit card", yuan(cny(first.minor))),
    );
    let device = play.lin.person.device.clone();
    let watch = Stopwatch::start();
    while !device.total_bill().await?.totals.iter().any(|total| is_due(total, second.minor, 1))
        && watch.elapsed() < TOLD_WITHIN
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let total = total(play, "and what do I owe by now?").await?;
    let verdict = if is_due(&total, second.minor, 1) { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new(
        "a bill that is paid",
        verdict,
        format!("{} is left, at {}", due(&total), spoken(second.bank)),
    ));
    Ok(())
}

/// The phone signs that the card at one bank is repaid from the account at the other: both banks hold, the hub decides once, both post.
async fn from_another_bank(play: &mut Play, owed: &Owed) -> Result<(), CliError> {
    let Some((bank, account)) = play.lin.accounts.first().cloned() else {
        return Err(CliError::CheckFailed("Lin has no account".to_owned()));
    };
    let (here, there) = (spoken(bank.as_str()), spoken(owed.bank));
    play.timeline.scene("A card of one bank is repaid from another");
    let id = IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid();
    let form = Form {
        id: PaymentId::from_uuid(id.map_err(|error| CliError::CheckFailed(error.to_string()))?),
        from: End { bank_id: bank, instrument: Instrument::Account(account) },
        to: End { bank_id: bank_id(owed.bank)?, instrument: Instrument::Card(owed.card.id) },
        amount: cny(owed.minor),
        signed_at: Timestamp::from_secs(SystemClock.now().micros() / 1_000_000),
    };
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    let device = play.lin.person.device.clone();
    let signed = device.sign_repayment(&form)?;
    let said = format!("signed: {} from {here} to my card {} of {there}", yuan(form.amount), owed.card.masked);
    play.timeline.say(&phone, &hub, &said);
    let watch = Stopwatch::start();
    // The same again gives where it stands.
    let mut repayment = device.create_repayment(&signed).await?;
    while repayment.state() == pb::RepaymentState::Pending && watch.elapsed() < TOLD_WITHIN {
        tokio::time::sleep(Duration::from_millis(20)).await;
        repayment = device.create_repayment(&signed).await?;
    }
    let moved = repayment.state() == pb::RepaymentState::Approved;
    if moved {
        play.lin.expected_minor -= owed.minor;
        play.timeline.say(&hub, &phone, &play.timeline.good("both banks hold it: decided, and both post"));
    }
    let is_paid = async || -> Result<bool, CliError> {
        Ok(device.total_bill().await?.totals.iter().all(|total| total.open_count == 0))
    };
    while !is_paid().await? && watch.elapsed() < TOLD_WITHIN {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fine = moved && is_paid().await?;
    let verdict = if fine { Verdict::Good } else { Verdict::Bad };
    let detail = format!("{} from {here} to {there}, and no bill is open", yuan(form.amount));
    play.checks.push(Check::new("a repayment over two banks", verdict, detail));
    Ok(())
}
