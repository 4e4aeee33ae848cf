//! The scenes of the day, in order. Each says what should come of it, and goes on whatever does.

use std::time::Duration;

use domain::{AccountId, Currency, PaymentId, PhoneNumber, Reason};
use secrecy::ExposeSecret as _;
use server_kit::clock::Stopwatch;

use super::play::{CODE_TTL, Play, Who, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::error::CliError;
use crate::operator::Operator;
use crate::terminal::{Item, Order, PaymentState, Proof};
use crate::trial::bank_id;

/// How many there are, the two of the set-up included.
pub(super) const COUNT: u64 = 26;
/// How long the hub may take to note that a bank is being asked.
const HOLDING_WITHIN: Duration = Duration::from_secs(10);

fn item(name: &str, amount_minor: i64) -> Item {
    Item { name: name.to_owned(), quantity_milli: 1000, amount_minor }
}

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    let lunch = by_phone(play).await?;
    wrong_code(play).await?;
    expired_code(play).await?;
    too_little_money(play).await?;
    unknown_number(play).await?;
    frozen(play).await?;
    refund(play, lunch).await?;
    reversal(play).await?;
    killed_bank(play).await?;
    one_list(play).await
}

async fn by_phone(play: &mut Play) -> Result<PaymentId, CliError> {
    play.timeline.scene("A phone number pays");
    let items = vec![item("Beef noodles", 2_800), item("Jasmine tea", 880)];
    let paid = play.pay(Who::Lin, cny(3_680), items).await?;
    play.expect("a phone number pays", &paid, PaymentState::Approved, None);
    Ok(paid.id)
}

async fn wrong_code(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("A wrong code, then the right one");
    let begun = play.begin_payment(Who::Lin, cny(1_200), vec![item("Dumplings", 1_200)]).await?;
    let code = play.code(Who::Lin, begun.id).await?;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let refused = play.authorize(Who::Lin, begun.id, wrong).await?;
    play.expect("a wrong code", &refused, PaymentState::AwaitingCode, Some(Reason::VerificationFailed));
    let paid = play.authorize(Who::Lin, begun.id, &code).await?;
    play.expect("the right code after it", &paid, PaymentState::Approved, None);
    play.told_of_charge(Who::Lin, &paid).await
}

async fn expired_code(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("A code that comes too late");
    let begun = play.begin_payment(Who::Chen, cny(4_500), vec![item("A novel", 4_500)]).await?;
    let code = play.code(Who::Chen, begun.id).await?;
    let seconds = CODE_TTL.as_secs();
    play.timeline
        .happens(&Actor::person("Chen Bo"), &format!("looks for the glasses; the code lives {seconds} s here"));
    play.timeline.waiting("waiting for the code to end");
    tokio::time::sleep(CODE_TTL + Duration::from_millis(300)).await;
    let late = match play.authorize(Who::Chen, begun.id, &code).await {
        // The hub may have ended the payment by itself in the meantime, and then says so.
        Err(CliError::Terminal(error)) if error.reason() == Some(Reason::NotAwaitingCode) => {
            let ended = play.books.terminal.get(begun.id).await?;
            play.timeline.say(&Actor::hub(), &play.books.actor(), &play.sentence(&ended));
            ended
        }
        other => other?,
    };
    play.expect("an expired code", &late, PaymentState::Declined, Some(Reason::CodeExpired));
    Ok(())
}

async fn too_little_money(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("Too little money");
    let declined = play.pay(Who::Chen, cny(999_900), vec![item("First edition", 999_900)]).await?;
    play.expect("too little money", &declined, PaymentState::Declined, Some(Reason::InsufficientFunds));
    Ok(())
}

async fn unknown_number(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("A number that nobody has");
    let phone = PhoneNumber::parse("+8613700137099")
        .map_err(|reason| CliError::Usage(format!("the demo's own number: {}", reason.english())))?;
    let asked = format!("{} from {}, please", yuan(cny(500)), phone.masked());
    play.timeline.say(&play.noodles.actor(), &Actor::hub(), &asked);
    let declined = play.noodles.terminal.begin(&Order::new(phone, cny(500))).await?;
    play.timeline.say(&Actor::hub(), &play.noodles.actor(), &play.sentence(&declined));
    play.expect("an unknown number", &declined, PaymentState::Declined, Some(Reason::PayerUnavailable));
    Ok(())
}

async fn frozen(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("A frozen account: money can come in, none can go out");
    let (bank, account) = (play.chen.person.bank.clone(), play.chen.person.account);
    let bank_id = bank_id(&bank)?;
    let counter = play.operator.counter(&bank_id).await?;
    let actor = Actor::bank(&spoken(&bank));
    counter.freeze(account, true).await?;
    play.timeline.say(&Actor::operator(), &actor, "Chen Bo has lost the card: freeze the account");
    let declined = play.pay(Who::Chen, cny(2_000), vec![item("Postcards", 2_000)]).await?;
    play.expect("a frozen account", &declined, PaymentState::Declined, Some(Reason::AccountFrozen));
    counter.deposit(account, cny(10_000)).await?;
    play.chen.expected_minor += 10_000;
    play.timeline.say(&Actor::person("Chen Bo"), &actor, &format!("pays in {}; that goes", yuan(cny(10_000))));
    counter.freeze(account, false).await?;
    play.timeline.say(&Actor::operator(), &actor, "the card is found: unfreeze it");
    let paid = play.pay(Who::Chen, cny(2_000), vec![item("Postcards", 2_000)]).await?;
    play.expect("the account unfrozen", &paid, PaymentState::Approved, None);
    Ok(())
}

async fn refund(play: &mut Play, lunch: PaymentId) -> Result<(), CliError> {
    play.timeline.scene("The tea was cold: a refund in part");
    let amount = cny(880);
    play.timeline.say(&play.noodles.actor(), &Actor::hub(), &format!("{} of lunch go back", yuan(amount)));
    let refund = play.noodles.terminal.refund(lunch, amount).await?;
    play.timeline.say(&Actor::hub(), &play.noodles.actor(), &play.sentence(&refund));
    play.expect("a refund in part", &refund, PaymentState::Approved, None);
    play.told_of_return(Who::Lin, lunch, amount).await
}

async fn reversal(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("The wrong book: a reversal");
    let amount = cny(3_300);
    let paid = play.pay(Who::Chen, amount, vec![item("Atlas", 3_300)]).await?;
    play.expect("a payment to be reversed", &paid, PaymentState::Approved, None);
    let stored = format!("take back {}; it is in my journal until you have it", yuan(amount));
    play.timeline.say(&play.books.actor(), &Actor::hub(), &stored);
    let reversed = play.books.terminal.reverse(paid.id, amount).await?;
    play.timeline.say(&Actor::hub(), &play.books.actor(), &play.sentence(&reversed));
    play.expect("a reversal", &reversed, PaymentState::Reversed, None);
    play.told_of_return(Who::Chen, paid.id, amount).await
}

/// The bank stands still when it is asked, is killed before it can answer, and comes back.
async fn killed_bank(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("Bank B is killed in the middle of a payment");
    let begun = play.begin_payment(Who::Chen, cny(2_550), vec![item("Poems", 2_550)]).await?;
    let code = play.code(Who::Chen, begun.id).await?;
    let bank = Actor::bank("Bank B");
    play.federation.server("bank-b")?.pause()?;
    play.timeline.happens(&bank, "stands still; the hold will reach it and no answer will come");
    let Play { timeline, federation, operator, books, chen, .. } = play;
    let proof = Proof::new(&code, chen.person.password.expose_secret());
    timeline.say(&Actor::person("Chen Bo"), &books.actor(), "types in code and transaction password");
    let disaster = async {
        wait_for_holding(operator, begun.id).await?;
        timeline.say(&Actor::hub(), &bank, &format!("hold {}", yuan(begun.amount)));
        federation.server_mut("bank-b")?.kill().await?;
        timeline.happens(&bank, &timeline.bad("killed with SIGKILL, the hold unanswered"));
        timeline.waiting("the bank is down");
        tokio::time::sleep(Duration::from_millis(800)).await;
        federation.server_mut("bank-b")?.start().await?;
        let id = federation.server("bank-b")?.process_id().unwrap_or(0);
        timeline.happens(&bank, &timeline.good(&format!("is back as process {id}, with its ledger as it was")));
        Ok::<(), CliError>(())
    };
    let (answered, disaster) = tokio::join!(books.terminal.authorize(begun.id, &proof), disaster);
    disaster?;
    let answered = answered?;
    play.written(begun.id).await?;
    play.timeline.say(&Actor::hub(), &play.books.actor(), &play.sentence(&answered));
    play.expect("a bank killed in mid-payment", &answered, PaymentState::Approved, None);
    if answered.state == PaymentState::Approved {
        play.told_of_charge(Who::Chen, &answered).await?;
    }
    Ok(())
}

async fn wait_for_holding(operator: &Operator, id: PaymentId) -> Result<(), CliError> {
    let watch = Stopwatch::start();
    while watch.elapsed() < HOLDING_WITHIN {
        if operator.inspect(id).await?.state == "HOLDING" {
            // The hub has written down that it asks; a moment later the request is on its way.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(CliError::CheckFailed("the hub did not ask the bank".to_owned()))
}

/// One person, two banks, one list.
async fn one_list(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("Two banks, one list");
    let bank = bank_id("bank-b")?;
    let counter = play.operator.counter(&bank).await?;
    let account = counter.open_account("Lin Mei", Currency::CNY, 0).await?;
    let id =
        AccountId::parse(&account.account_id).map_err(|reason| CliError::CheckFailed(reason.english().to_owned()))?;
    counter.deposit(id, cny(10_000)).await?;
    let masked = play.operator.bind_account(play.lin.person.id, &bank, id, true).await?;
    play.timeline.say(&Actor::operator(), &Actor::hub(), &format!("Lin Mei pays with Bank B {masked} from now on"));
    play.lin.expected_minor += 10_000;
    play.lin.accounts.push((bank, id));
    let paid = play.pay(Who::Lin, cny(2_600), vec![item("Wonton soup", 2_600)]).await?;
    play.expect("the same number at another bank", &paid, PaymentState::Approved, None);
    let page = play.lin.person.device.payments(20, "").await?;
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    play.timeline.say(&phone, &hub, "what did I spend, over all my banks?");
    for purchase in &page.purchases {
        let name = purchase.merchant.as_ref().map(|merchant| merchant.display_name.clone()).unwrap_or_default();
        let amount = purchase.amount.as_ref().map_or(0, |amount| amount.minor_units);
        let back = match purchase.given_back_minor {
            0 => String::new(),
            minor => format!(", {} of it came back", yuan(cny(minor))),
        };
        let (bank, masked) = (spoken(&purchase.bank_id), &purchase.account_masked);
        play.timeline.say(&hub, &phone, &format!("{} at {name}, {bank} {masked}{back}", yuan(cny(amount))));
    }
    Ok(())
}
