//! Banks ask for a credit history: once under a consent, and in vain without one.

use std::time::Duration;

use domain::credit_history::{Answer, Asker, Field, Fields, Purpose};
use domain::{ConsentId, PhoneNumber, Reason};
use proto::cardholder::{self as pb, event::Kind};
use proto::federation;

use super::play::{Play, TOLD_WITHIN, cny, spoken};
use super::timeline::{Actor, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::operator::inquiry::InquireArgs;
use crate::phone::Agreed;
use crate::trial::bank_id;

/// Where Lin applies for a loan.
const LENDER: &str = "bank-b";
const ANOTHER: &str = "bank-a";
/// A number that nobody has.
const NOBODY: &str = "+8613700137099";
const DAY: Duration = Duration::from_hours(24);
const FIELDS: [Field; 3] = [Field::Summary, Field::OpenBills, Field::Arrears];

pub(super) async fn all(play: &mut Play) -> Result<(), CliError> {
    let consent = answered(play).await?;
    refused(play, consent).await
}

fn asked(play: &Play, bank: &str, consent: ConsentId) -> Result<InquireArgs, CliError> {
    Ok(InquireArgs {
        bank: bank_id(bank)?,
        name: play.lin.person.name.clone(),
        phone: play.lin.person.phone.clone(),
        consent,
        purpose: Purpose::LoanApplication,
        fields: FIELDS.to_vec(),
        id: None,
    })
}

/// What came of an inquiry: the report, or the reason and its words.
type Told = Result<federation::CreditReport, (Option<Reason>, String)>;

async fn inquire(play: &Play, args: &InquireArgs, words: &str) -> Result<Told, CliError> {
    let (bank, hub) = (Actor::bank(&spoken(args.bank.as_str())), Actor::hub());
    play.timeline.say(&bank, &hub, words);
    let counter = play.operator.counter(&args.bank).await?;
    match counter.inquire(args.message(&counter)?).await {
        Ok(told) => Ok(Ok(told.report.unwrap_or_default())),
        Err(error) => {
            let (reason, text) = (error.reason(), error.to_string());
            let words = reason.map_or_else(|| text.clone(), |reason| reason.english().to_owned());
            play.timeline.say(&hub, &bank, &play.timeline.bad(&words));
            Ok(Err((reason, text)))
        }
    }
}

/// Lin signs on the phone what Bank B may be told, and hears that it was.
async fn answered(play: &mut Play) -> Result<ConsentId, CliError> {
    play.timeline.scene("A loan at Bank B, and what the bank may know");
    let (phone, hub, bank) = (play.lin.phone(), Actor::hub(), Actor::bank(&spoken(LENDER)));
    play.timeline.say(&Actor::person(&play.lin.person.name), &bank, "I would like to have a loan");
    let failed = |reason: Reason| CliError::CheckFailed(reason.english().to_owned());
    let fields = Fields::new(FIELDS).map_err(failed)?;
    let agreed = Agreed { asker: Asker::Bank(bank_id(LENDER)?), purpose: Purpose::LoanApplication, fields, lasts: DAY };
    let given = play.lin.person.device.give_consent(agreed).await?;
    let consent = ConsentId::parse(&given.consent_id).map_err(failed)?;
    play.timeline.say(&phone, &hub, "signed: Bank B may ask once, for a loan, within a day");
    let args = asked(play, LENDER, consent)?;
    let told = inquire(play, &args, "Lin Mei, by this number and this consent: how does she pay?").await?;
    let (summary, open) = match &told {
        Ok(report) => (report.summary.clone().unwrap_or_default(), report.open_bills.clone().unwrap_or_default()),
        Err(_) => Default::default(),
    };
    let billed = open.open_bills.first().and_then(|bills| bills.billed.as_ref()).map_or(0, |billed| billed.minor_units);
    let said = format!(
        "{} accounts at {} banks, bills over {} to pay, none of it late",
        summary.accounts,
        summary.banks,
        yuan(cny(billed))
    );
    play.timeline.say(&hub, &bank, &said);
    let news = |event: &pb::Event| match &event.kind {
        Some(Kind::News(news)) if news.topic() == pb::Topic::Inquiry => Some(news.text_en.clone()),
        _ => None,
    };
    let heard = play.lin.feed.find(TOLD_WITHIN, news).await?;
    play.timeline.say(&hub, &phone, &heard);
    let fine = told.is_ok() && (summary.accounts, summary.banks, billed) == (2, 2, 50_000);
    let verdict = if fine { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new("an inquiry under a consent", verdict, said));
    Ok(consent)
}

/// Nobody else is told anything, and whoever was is not told twice.
async fn refused(play: &mut Play, consent: ConsentId) -> Result<(), CliError> {
    play.timeline.scene("Who asks in vain");
    let args = asked(play, ANOTHER, consent)?;
    let no_consent = inquire(play, &args, "how does Lin Mei pay? I have somebody else's consent").await?;
    let args = InquireArgs { name: "Lin Meili".to_owned(), ..asked(play, LENDER, consent)? };
    let wrong_name = inquire(play, &args, "how does Lin Meili pay, by the same number?").await?;
    let phone = PhoneNumber::parse(NOBODY).map_err(|reason| CliError::CheckFailed(reason.english().to_owned()))?;
    let args = InquireArgs { phone, ..asked(play, LENDER, consent)? };
    let nobody = inquire(play, &args, "how does Lin Mei pay, by a number that nobody has?").await?;
    let args = asked(play, LENDER, consent)?;
    let used = inquire(play, &args, "and once more by the consent of before").await?;
    let alike = [&no_consent, &wrong_name, &nobody];
    let reason = |told: &Told| told.as_ref().err().and_then(|(reason, _)| *reason);
    let same_words = alike.iter().all(|told| **told == no_consent && reason(told) == Some(Reason::InquiryUnanswered));
    let fine = same_words && reason(&used) == Some(Reason::ConsentUsed);
    let detail = "no consent, a wrong name, nobody's number: the same words; a consent that is used: said so";
    let verdict = if fine { Verdict::Good } else { Verdict::Bad };
    play.checks.push(Check::new("inquiries in vain", verdict, detail));
    log(play).await
}

/// What Lin finds in the log of inquiries, and whether it is whole.
async fn log(play: &mut Play) -> Result<(), CliError> {
    let (phone, hub) = (play.lin.phone(), Actor::hub());
    play.timeline.say(&phone, &hub, "who has asked about me?");
    let log = play.lin.person.device.inquiries().await?;
    for (record, _) in &log.inquiries {
        let answer = match record.answer {
            Answer::Report => "was told".to_owned(),
            Answer::Refused(reason) => format!("was not told: {}", reason.code()),
        };
        let said = format!("number {}: {}, {answer}", record.number, spoken(record.asker.name()));
        play.timeline.say(&hub, &phone, &said);
    }
    let answers: Vec<Answer> = log.inquiries.iter().map(|(record, _)| record.answer).collect();
    let refused = Answer::Refused;
    let wanted = [Answer::Report, refused(Reason::InquiryUnanswered), refused(Reason::ConsentUsed)];
    let is_whole = log.verified.is_ok();
    let said = if is_whole { "verifies that each has the hash of the one before" } else { "finds it changed" };
    play.timeline.happens(&phone, said);
    let verdict = if is_whole && answers == wanted { Verdict::Good } else { Verdict::Bad };
    let detail = format!("{} inquiries, {}", answers.len(), if is_whole { "none changed" } else { "changed" });
    play.checks.push(Check::new("the log of inquiries", verdict, detail));
    Ok(())
}
