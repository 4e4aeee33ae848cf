//! What a person gets out of the record: a comparison of prices, sums, habits.

use domain::category;
use domain::purchase::CategoryCode;
use proto::cardholder::{self as pb, event::Kind};

use super::play::{Play, TOLD_WITHIN, Who, cny};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::terminal::{Item, PaymentState, prices};

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    compared(play).await
}

/// The dumpling house around the corner sells the same noodles for less, and Lin hears of it after lunch.
async fn compared(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene(17, "Noodles around the corner");
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
