//! Banks' offers on the phone: `phone offers`; and consents for habits and purchases: `phone allow`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};
use domain::credit_history::{Asker, Field, Fields, Purpose};
use domain::offer::{AcceptanceForm, AgreementForm};
use domain::{BankId, OfferId, OperatorId};
use proto::cardholder as pb;
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, SystemClock};

use super::history::{Agreed, DAY};
use super::show::time;
use super::{Phone, PhoneError};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum OffersCommand {
    /// List the offers that have come, each with why.
    List,
    /// Say whose offers come, and how many.
    Preferences,
    /// Agree to get the offers of some banks, in the place of what was agreed before; it is signed.
    Agree {
        /// Their names, with commas between.
        #[arg(value_name = "BANKS", value_delimiter = ',', required = true, value_parser = typed::bank_id)]
        banks: Vec<BankId>,
        /// How many in seven days at most, of all banks together.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
        most_a_week: u8,
    },
    /// Get no offers any more, of these banks or of all.
    Stop {
        #[arg(value_name = "BANKS", value_delimiter = ',', value_parser = typed::bank_id)]
        banks: Vec<BankId>,
    },
    /// Accept an offer; it is signed. Its bank is told who accepts, and so that its rule is met.
    Accept {
        #[arg(value_parser = typed::offer_id)]
        offer: OfferId,
        /// Shown to the bank by name and phone number, rather than by the accounts and cards there.
        #[arg(long)]
        as_contact: bool,
    },
    /// Decline an offer for good.
    Decline {
        #[arg(value_parser = typed::offer_id)]
        offer: OfferId,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum AllowCommand {
    /// Allow a bank to ask for totals of what is bought; it is signed.
    Habits {
        #[arg(value_parser = typed::bank_id)]
        bank: BankId,
        /// What for.
        #[arg(long, value_parser = purpose, default_value = "offers")]
        purpose: Purpose,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Allow an operator of the hub to look at purchases; it is signed.
    Payments {
        #[arg(value_parser = typed::operator_id)]
        operator: OperatorId,
        /// What for.
        #[arg(long, value_parser = purpose, default_value = "dispute")]
        purpose: Purpose,
        /// What is shown; may be given several times.
        #[arg(long = "field", value_enum, required = true)]
        fields: Vec<FieldWord>,
        #[command(flatten)]
        lasting: Lasting,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Lasting {
    /// For how many days.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FieldWord {
    Amounts,
    Merchants,
    Places,
    Items,
}

fn purpose(text: &str) -> Result<Purpose, String> {
    let word = text.to_ascii_uppercase().replace('-', "_");
    Purpose::parse(&word).map_err(|_| "no purpose has this name".to_owned())
}

impl Phone {
    /// Whose offers come.
    pub async fn offer_preferences(&self) -> Result<pb::OfferPreferences, PhoneError> {
        let request = pb::GetOfferPreferencesRequest {};
        let call = self.in_session(request, |mut hub, request| async move { hub.get_offer_preferences(request).await });
        call.await?.preferences.ok_or(PhoneError::Unreadable("the preferences"))
    }

    /// Agrees to get the offers of these banks.
    pub async fn agree_to_offers(
        &self,
        banks: BTreeSet<BankId>,
        most_a_week: u8,
    ) -> Result<pb::OfferPreferences, PhoneError> {
        let form = AgreementForm { person_id: self.person_id(), banks, most_a_week, at: SystemClock.now() };
        let text = form.to_string();
        let signature = self.sdk.sign("bankhub.v1.offers", &text).await?;
        let request = pb::SetOfferPreferencesRequest { text, device_id: self.device_id.to_string(), signature };
        let call = self.in_session(request, |mut hub, request| async move { hub.set_offer_preferences(request).await });
        call.await?.preferences.ok_or(PhoneError::Unreadable("the preferences"))
    }

    /// Gets no offers of these banks any more; of all where none is named.
    pub async fn stop_offers(&self, banks: &[BankId]) -> Result<pb::OfferPreferences, PhoneError> {
        let request = pb::StopOffersRequest { bank_ids: banks.iter().map(BankId::to_string).collect() };
        let call = self.in_session(request, |mut hub, request| async move { hub.stop_offers(request).await });
        call.await?.preferences.ok_or(PhoneError::Unreadable("the preferences"))
    }

    /// The offers that have come and were not declined, the last first.
    pub async fn offers(&self) -> Result<Vec<pb::PersonOffer>, PhoneError> {
        let (mut offers, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListOffersRequest { page_size: 200, page_token };
            let call = self.in_session(request, |mut hub, request| async move { hub.list_offers(request).await });
            let page = call.await?;
            offers.extend(page.offers);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(offers);
            }
        }
    }

    /// Accepts an offer by the text that it came with.
    pub async fn accept_offer(&self, text: &str) -> Result<pb::PersonOffer, PhoneError> {
        // What is not a text of this form is not signed, whatever the hub says.
        AcceptanceForm::parse(text).map_err(|_| PhoneError::Unreadable("what is to be signed"))?;
        let signature = self.sdk.sign("bankhub.v1.acceptance", text).await?;
        let device_id = self.device_id.to_string();
        let request = pb::AcceptOfferRequest { text: text.to_owned(), device_id, signature };
        let call = self.in_session(request, |mut hub, request| async move { hub.accept_offer(request).await });
        call.await?.offer.ok_or(PhoneError::Unreadable("the offer"))
    }

    /// Declines an offer for good.
    pub async fn decline_offer(&self, offer: OfferId) -> Result<(), PhoneError> {
        let request = pb::DeclineOfferRequest { offer_id: offer.to_string() };
        self.in_session(request, |mut hub, request| async move { hub.decline_offer(request).await }).await.map(|_| ())
    }
}

pub(super) async fn offers(phone: &Phone, command: &OffersCommand, out: &Output) -> Result<(), CliError> {
    match command {
        OffersCommand::List => list(&phone.offers().await?, out),
        OffersCommand::Preferences => preferences(&phone.offer_preferences().await?, out),
        OffersCommand::Agree { banks, most_a_week } => {
            let banks = banks.iter().cloned().collect();
            preferences(&phone.agree_to_offers(banks, *most_a_week).await?, out);
        }
        OffersCommand::Stop { banks } => preferences(&phone.stop_offers(banks).await?, out),
        OffersCommand::Accept { offer, as_contact } => {
            let found = phone.offers().await?.into_iter().find(|it| it.offer_id == offer.to_string());
            let found = found.ok_or_else(|| CliError::Usage("no such offer has come".to_owned()))?;
            let text = if *as_contact { &found.accept_as_contact } else { &found.accept_as_customer };
            if text.is_empty() {
                let why = "it is not open, or there is no account at this bank: see --as-contact";
                return Err(CliError::Usage(why.to_owned()));
            }
            list(&[phone.accept_offer(text).await?], out);
        }
        OffersCommand::Decline { offer } => phone.decline_offer(*offer).await?,
    }
    Ok(())
}

pub(super) async fn allow(phone: &Phone, command: &AllowCommand, out: &Output) -> Result<(), CliError> {
    let (asker, purpose, fields, days) = match command {
        AllowCommand::Habits { bank, purpose, lasting } => {
            (Asker::Bank(bank.clone()), *purpose, vec![Field::Habits], lasting.days)
        }
        AllowCommand::Payments { operator, purpose, fields, lasting } => {
            let field = |word: &FieldWord| match word {
                FieldWord::Amounts => Field::Amounts,
                FieldWord::Merchants => Field::Merchants,
                FieldWord::Places => Field::Places,
                FieldWord::Items => Field::Items,
            };
            (Asker::Operator(operator.clone()), *purpose, fields.iter().map(field).collect(), lasting.days)
        }
    };
    let fields = Fields::new(fields).map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
    let lasts = DAY.saturating_mul(days);
    let id = phone.allow(Agreed { asker, purpose, fields, lasts }).await?.to_string();
    out.record(&[("consent", id.clone())], &json!({ "consent_id": id }));
    Ok(())
}

fn preferences(stands: &pb::OfferPreferences, out: &Output) {
    let banks = if stands.bank_ids.is_empty() { "none".to_owned() } else { stands.bank_ids.join(", ") };
    let fields = [("offers of", banks), ("in seven days", stands.most_a_week.to_string())];
    let value = json!({
        "person_id": stands.person_id,
        "bank_ids": stands.bank_ids,
        "most_a_week": stands.most_a_week,
    });
    out.record(&fields, &value);
}

fn list(offers: &[pb::PersonOffer], out: &Output) {
    let title = |it: &pb::PersonOffer| it.title.as_ref().map(|title| title.text_en.clone()).unwrap_or_default();
    let stands = |it: &pb::PersonOffer| match (it.answer(), it.is_open) {
        (pb::OfferAnswer::Accepted, _) => "accepted",
        (_, true) => "open",
        (_, false) => "over",
    };
    let row = |it: &pb::PersonOffer| {
        vec![
            it.bank_name.clone(),
            title(it),
            it.because_en.clone(),
            time(it.valid_until.as_ref()),
            stands(it).to_owned(),
            it.offer_id.clone(),
        ]
    };
    let value = |it: &pb::PersonOffer| {
        json!({
            "offer_id": it.offer_id,
            "bank_id": it.bank_id,
            "title": title(it),
            "because_en": it.because_en,
            "because_zh": it.because_zh,
            "valid_until": time(it.valid_until.as_ref()),
            "state": stands(it),
        })
    };
    let rows: Vec<_> = offers.iter().map(row).collect();
    out.table(
        &["bank", "offer", "why", "until (UTC)", "state", "id"],
        &rows,
        &offers.iter().map(value).collect::<Value>(),
    );
}
