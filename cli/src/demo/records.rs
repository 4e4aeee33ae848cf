//! What a person gets out of the record: a comparison of prices, sums, habits.

use domain::purchase::CategoryCode;
use domain::{PaymentId, category};
use proto::cardholder::{self as pb, event::Kind};
use proto::{common, counter as counter_pb};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

use super::play::{Play, TOLD_WITHIN, Who, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::terminal::{Item, PaymentState, prices};

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    compared(play).await?;
    elsewhere(play).await
}

/// The dumpling house around the corner sells the same noodles for less, and Lin hears of it after lunch.
async fn compared(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("Noodles around the corner");
    let asked = [("Beef noodles", 2_200), ("Jasmine tea", 950)].map(|(name, minor)| prices::price(name, cny(minor)));
    let dumplings = play.dumplings.actor();
    play.dumplings.terminal.publish_prices(asked.to_vec()).await?;
    let said = format!("we ask {} for beef noodles, {} for tea", yuan(cny(2_200)), yuan(cny(950)));
    play.timeline.say(&dumplings, &Actor::hub(), &said);
    let lunch = vec![Item { name: "Beef noodles".to_owned(), quantity_milli: 1_000, amount_minor: 2_800 }];
    let paid = play.pay(Who::Lin, cny(2_800), lunch).await?;
    play.expect("a payment that is compared", &paid, PaymentState::Approved, None);
    let wanted = paid.id.to_string();
    let news = |event: &pb::Event| match &event.kind {
        Some(Kind::News(news)) if news.subject_id == wanted && news.topic() == pb::Topic::Prices => {
            Some(news.text_en.replace('\n', " "))
        }
        _ => None,
    };
    let told = play.lin.feed.find(TOLD_WITHIN, news).await?;
    play.timeline.say(&Actor::hub(), &play.lin.phone(), &told);
    let verdict = if told.contains("22.00") { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new("a cheaper shop nearby is told", verdict, told));
    sums(play).await
}

/// Lin buys on the internet with Bank A, and another network carries it: the bank reports it, first pending, then with what was charged.
async fn elsewhere(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("A purchase that the hub did not carry");
    let (bank, account) =
        play.lin.accounts.first().cloned().ok_or_else(|| CliError::CheckFailed("no account".to_owned()))?;
    let counter = play.operator.counter(&bank).await?;
    let actor = Actor::bank(&spoken(bank.as_str()));
    let id = IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid();
    let purchase = PaymentId::from_uuid(id.map_err(|error| CliError::CheckFailed(error.to_string()))?);
    let charge = counter_pb::NetworkCharge {
        purchase_id: purchase.to_string(),
        payer: Some(counter_pb::network_charge::Payer::AccountId(account.to_string())),
        nature: common::Nature::Purchase.into(),
        amount: Some(proto::to_money(cny(2_000))),
        occurred_at: Some(proto::to_timestamp(SystemClock.now())),
        seller: Some(counter_pb::NetworkSeller {
            merchant_code: "sea-books".to_owned(),
            display_name: "Sea Books Online".to_owned(),
            category_code: "5942".to_owned(),
            terminal_code: "web".to_owned(),
            ..counter_pb::NetworkSeller::default()
        }),
        items: Vec::new(),
    };
    counter.hold_charge(charge).await?;
    play.timeline.say(
        &Actor::person("A card network"),
        &actor,
        &format!("hold {} for Sea Books Online", yuan(cny(2_000))),
    );
    let held = reported(play, &purchase, |event| match &event.kind {
        Some(Kind::Charge(charge)) => charge.purchase.clone(),
        _ => None,
    })
    .await?;
    counter.post_charge(purchase, cny(1_800)).await?;
    play.lin.expected_minor -= 1_800;
    play.timeline.say(
        &Actor::person("A card network"),
        &actor,
        &format!("the order was smaller: post {}", yuan(cny(1_800))),
    );
    let posted = reported(play, &purchase, |event| match &event.kind {
        Some(Kind::PurchaseUpdate(update)) => update.purchase.clone(),
        _ => None,
    })
    .await?;
    let seen = |purchase: &pb::Purchase| (purchase.state(), purchase.amount.as_ref().map_or(0, |it| it.minor_units));
    let right =
        seen(&held) == (common::PurchaseState::Held, 2_000) && seen(&posted) == (common::PurchaseState::Posted, 1_800);
    let verdict = if right { Verdict::Good } else { Verdict::Bad };
    let found = format!("{} pending, then {} booked: one record", shown(&held), shown(&posted));
    play.checks.push(Check::new("a purchase elsewhere, live", verdict, found));
    Ok(())
}

fn shown(purchase: &pb::Purchase) -> String {
    yuan(cny(purchase.amount.as_ref().map_or(0, |amount| amount.minor_units)))
}

/// Waits until Lin's phone hears of the purchase in this way.
async fn reported(
    play: &mut Play,
    purchase: &PaymentId,
    find: impl Fn(&pb::Event) -> Option<pb::Purchase>,
) -> Result<pb::Purchase, CliError> {
    let wanted = purchase.to_string();
    let heard = play.lin.feed.find(TOLD_WITHIN, |event| find(event).filter(|found| found.payment_id == wanted)).await?;
    let how = if heard.state() == common::PurchaseState::Held { "pending" } else { "booked" };
    let phone = play.lin.phone();
    play.timeline.say(
        &Actor::hub(),
        &phone,
        &format!("{} at Sea Books Online, {how}, as the bank reports it", shown(&heard)),
    );
    Ok(heard)
}

/// Lin asks what all of it comes to.
async fn sums(play: &mut Play) -> Result<(), CliError> {
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    let request =
        pb::SumPaymentsRequest { group_by: pb::GroupBy::Category.into(), ..pb::SumPaymentsRequest::default() };
    let sums = play.lin.person.device.sums(request).await?;
    play.timeline.say(&phone, &hub, "and what does that come to, by kind of shop?");
    for sum in &sums {
        let paid = sum.amount.as_ref().map_or(0, |amount| amount.minor_units);
        let net = yuan(cny(paid.saturating_sub(sum.given_back_minor)));
        let category = CategoryCode::parse(&sum.key).ok().and_then(category::find);
        let kind = category.map_or(sum.key.as_str(), |category| category.english);
        play.timeline.say(&hub, &phone, &format!("{net} in {} payments: {kind}", sum.count));
    }
    Ok(())
}
