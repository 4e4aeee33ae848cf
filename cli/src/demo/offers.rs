//! A bank offers something by habits that it never sees, and learns who wants it from that person alone.

use std::collections::BTreeSet;

use domain::{OfferId, Timestamp};
use proto::cardholder::{self as pb, event::Kind};
use proto::common;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

use super::play::{Play, TOLD_WITHIN, spoken};
use super::timeline::Actor;
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::trial::bank_id;

const BANK: &str = "bank-b";
const TITLE: &str = "A bowl for half the price";
/// How many offers a week both people want at most.
const MOST_A_WEEK: u8 = 2;
const WEEK_MICROS: i64 = 7 * 86_400_000_000;

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    play.timeline.scene("An offer for those who eat out, of whom the bank knows nobody");
    for payer in [&play.lin, &play.chen] {
        payer.person.device.agree_to_offers(BTreeSet::from([bank_id(BANK)?]), MOST_A_WEEK).await?;
        let said = format!("signed: offers of {} may come, at most {MOST_A_WEEK} a week", spoken(BANK));
        play.timeline.say(&payer.phone(), &Actor::hub(), &said);
    }
    let offer = running(play).await?;
    let delivered = delivered(play, offer).await?;
    accepted(play, offer, &delivered).await
}

/// Bank B files it at its counter, and the hub's operator lets it run.
async fn running(play: &Play) -> Result<OfferId, CliError> {
    let id = IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid();
    let offer = OfferId::from_uuid(id.map_err(|error| CliError::CheckFailed(error.to_string()))?);
    let words = |en: &str, zh: &str| Some(common::Wording { text_en: en.to_owned(), text_zh: zh.to_owned() });
    let from = SystemClock.now();
    let until = Timestamp::from_micros(from.micros().saturating_add(WEEK_MICROS));
    let filing = common::OfferFiling {
        offer_id: offer.to_string(),
        title: words(TITLE, "半价一碗面"),
        text: words("Pay at a restaurant with our card this week.", "本周刷本行卡在餐馆消费。"),
        rule: Some(common::OfferRule {
            target: "code:5812".to_owned(),
            within_days: 28,
            least_count: Some(3),
            ..common::OfferRule::default()
        }),
        valid_from: Some(proto::to_timestamp(from)),
        valid_until: Some(proto::to_timestamp(until)),
        budget: 100,
    };
    play.operator.counter(&bank_id(BANK)?).await?.file_offer(filing).await?;
    let said = format!("{TITLE:?}, for a hundred people who ate out three times in four weeks");
    play.timeline.say(&Actor::bank(&spoken(BANK)), &Actor::hub(), &said);
    play.operator.start_offer(offer).await?;
    play.timeline.say(&Actor::operator(), &Actor::hub(), "I have read it: let it run");
    Ok(offer)
}

/// Lin eats out and gets it with why; Chen reads and gets nothing; the bank hears of neither.
async fn delivered(play: &mut Play, offer: OfferId) -> Result<pb::PersonOffer, CliError> {
    let wanted = offer.to_string();
    let news = |event: &pb::Event| match &event.kind {
        Some(Kind::News(news)) if news.subject_id == wanted => Some(news.text_en.replace('\n', " ")),
        _ => None,
    };
    let told = play.lin.feed.find(TOLD_WITHIN, news).await?;
    play.timeline.say(&Actor::hub(), &play.lin.phone(), &told);
    let got = play.lin.person.device.offers().await?.into_iter().find(|it| it.offer_id == wanted).unwrap_or_default();
    play.timeline.say(&Actor::hub(), &play.lin.phone(), &format!("because: {}", got.because_en));
    let chens = play.chen.person.device.offers().await?.len();
    let (known, accepted) = play.operator.counter(&bank_id(BANK)?).await?.offer(offer).await?;
    let said = format!("delivered to at least {} people, accepted by {}", known.delivered_at_least, accepted.len());
    play.timeline.say(&Actor::hub(), &Actor::bank(&spoken(BANK)), &said);
    let fine = got.because_en.contains("purchases") && chens == 0 && known.delivered_at_least == 0;
    let verdict = if fine && accepted.is_empty() { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new(
        "an offer by habits",
        verdict,
        format!("Lin: {}; {}: {said}", got.because_en, spoken(BANK)),
    ));
    Ok(got)
}

/// Lin signs that she wants it; only then the bank knows who.
async fn accepted(play: &mut Play, offer: OfferId, got: &pb::PersonOffer) -> Result<(), CliError> {
    play.lin.person.device.accept_offer(&got.accept_as_customer).await?;
    play.timeline.say(&play.lin.phone(), &Actor::hub(), "signed: I want it, and the bank may know me by my account");
    let (_, accepted) = play.operator.counter(&bank_id(BANK)?).await?.offer(offer).await?;
    let lins: Vec<String> = play.lin.accounts.iter().map(|(_, account)| account.to_string()).collect();
    let is_hers = |it: &common::OfferAcceptance| it.account_ids.iter().any(|id| lins.contains(id));
    let fine = accepted.len() == 1 && accepted.iter().all(is_hers);
    play.timeline.say(&Actor::hub(), &Actor::bank(&spoken(BANK)), "one person accepts, the holder of this account");
    let detail = format!("{} told of {} person, by the account there", spoken(BANK), accepted.len());
    let verdict = if fine { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new("an offer that is accepted", verdict, detail));
    Ok(())
}
