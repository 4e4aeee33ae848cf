//! What else one can do at a till: cash paid in, and another transaction password.

use domain::ErrandId;
use domain::errand::ErrandKind;
use proto::cardholder::event::Kind;
use secrecy::SecretString;

use super::play::{Play, TOLD_WITHIN, Who, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::init::InitError;
use crate::terminal::{ErrandProof, ErrandState, Pad, PaymentState, TopUp};

const CASH: i64 = 5_000;
const NEW_PASSWORD: &str = "602214";

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("Cash over the counter, and another password");
    cash(play).await?;
    password(play).await
}

async fn cash(play: &mut Play) -> Result<(), CliError> {
    let phone = play.chen.person.phone.clone();
    let (till, amount) = (play.till(Who::Chen), cny(CASH));
    play.timeline.say(
        &Actor::person(&play.chen.person.name),
        &till.actor(),
        &format!("hands over {} in cash", yuan(amount)),
    );
    let paid = till.terminal.top_up(&TopUp { phone, amount, reference: String::new() }).await?;
    play.timeline.say(&Actor::hub(), &till.actor(), &play.sentence(&paid));
    play.expect("cash paid in at a till", &paid, PaymentState::Approved, None);
    let wanted = paid.id.to_string();
    let payer = play.payer(Who::Chen);
    let came_in = |event: &proto::cardholder::Event| match &event.kind {
        Some(Kind::PaidIn(paid_in)) if paid_in.payment_id == wanted => Some(paid_in.clone()),
        _ => None,
    };
    let told = payer.feed.find(TOLD_WITHIN, came_in).await?;
    payer.expected_minor += CASH;
    let (phone, bank) = (payer.phone(), spoken(&told.bank_id));
    play.timeline.say(&Actor::hub(), &phone, &format!("{} came in to {bank} {}", yuan(amount), told.card_masked));
    Ok(())
}

async fn password(play: &mut Play) -> Result<(), CliError> {
    let till = play.till(Who::Chen);
    let key = crate::hsm::pad_key(&play.federation.hub_pin_key(till.terminal.id().as_str())?)?;
    play.operator.set_pin_pad_key(till.terminal.id(), &key).await?;
    let pad = Pad::new(till.terminal.id().as_str(), &key).map_err(InitError::from)?;
    let begun = till.terminal.begin_errand(ErrandKind::ChangePassword, &play.chen.person.phone).await?;
    let code = errand_code(play, begun.id).await?;
    let payer = &play.chen;
    let proof = ErrandProof {
        code,
        known: Some(payer.person.password.clone()),
        new_password: Some(SecretString::from(NEW_PASSWORD)),
    };
    let till = play.till(Who::Chen);
    let typed = "types in the code, the old password and a new one, on the PIN pad";
    play.timeline.say(&Actor::person(&payer.person.name), &till.actor(), typed);
    let done = till.terminal.prove_errand(begun.id, &proof, Some(&pad)).await?;
    let (verdict, words) = match done.state {
        ErrandState::Done => (Verdict::Good, "changed, and told on the phone"),
        ErrandState::Waiting | ErrandState::Refused => (Verdict::Bad, "not changed"),
    };
    play.timeline.say(&Actor::hub(), &till.actor(), words);
    play.checks.push(Check::new("another password at a till", verdict, words));
    if done.state == ErrandState::Done {
        play.chen.person.password = SecretString::from(NEW_PASSWORD);
    }
    Ok(())
}

async fn errand_code(play: &mut Play, errand: ErrandId) -> Result<SecretString, CliError> {
    let wanted = errand.to_string();
    let payer = play.payer(Who::Chen);
    let code = |event: &proto::cardholder::Event| match &event.kind {
        Some(Kind::ErrandCode(code)) if code.errand_id == wanted => Some(SecretString::from(code.code.clone())),
        _ => None,
    };
    let code = payer.feed.find(TOLD_WITHIN, code).await?;
    let phone = payer.phone();
    play.timeline.say(&Actor::hub(), &phone, "to change your transaction password, your code is ••••••");
    Ok(code)
}
