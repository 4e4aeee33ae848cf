//! Offers of banks: whose the person wants, which have come and why, and what is said to them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use domain::BankId;
use domain::offer::{AcceptanceForm, AgreementForm, ShownAs};
use proto::cardholder as pb;
use proto::common;

use crate::bills::some;
use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::preferences::Language;
use crate::purchase::{optional_time, time_of};
use crate::session::Hub;

mirror! {
    /// What the person has said to an offer; `Unknown` is nothing yet. What was declined is shown no more.
    OfferAnswer = pb::OfferAnswer {
        /// Yes, and its bank has been told.
        Accepted,
    }
}

/// As whom the bank is told of the person who accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum OfferShownAs {
    /// By the accounts and cards that the person has bound at this bank.
    Customer,
    /// By name and phone number.
    Contact,
}

impl From<OfferShownAs> for ShownAs {
    fn from(shown_as: OfferShownAs) -> Self {
        match shown_as {
            OfferShownAs::Customer => Self::Customer,
            OfferShownAs::Contact => Self::Contact,
        }
    }
}

/// Whose offers the person gets. Nobody gets any before agreeing.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OfferPreferences {
    /// In order; none when the person gets no offers.
    pub bank_ids: Vec<String>,
    /// How many offers in seven days at most, of all banks together.
    pub most_a_week: u32,
    /// When the person agreed, or took it back; none for somebody who never has.
    pub signed_at: Option<SystemTime>,
}

/// An offer that the person has got, in the language of the builder.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Offer {
    pub offer_id: String,
    pub bank_id: String,
    /// What people call the bank.
    pub bank_name: String,
    pub title: String,
    pub text: String,
    /// Why the person has got it: "Groceries, last 28 days: 4 purchases".
    pub because: String,
    pub delivered_at: SystemTime,
    /// From when on it cannot be accepted any more.
    pub valid_until: SystemTime,
    /// Whether it can be accepted.
    pub is_open: bool,
    pub answer: OfferAnswer,
    /// What is signed to accept it as a customer of the bank; none for who has nothing bound there, or where it cannot be accepted.
    pub accept_as_customer: Option<String>,
    /// What is signed to accept it by name and phone number; none where it cannot be accepted.
    pub accept_as_contact: Option<String>,
}

/// One page of offers, the last delivered first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OfferPage {
    pub offers: Vec<Offer>,
    pub next_page_token: Option<String>,
    pub freshness: Freshness,
}

/// An agreement to offers that is not signed yet: show its text, and [`Phone::agree_to_offers`] when the person agrees.
#[derive(uniffi::Object)]
pub struct OfferAgreement {
    form: AgreementForm,
}

impl fmt::Debug for OfferAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferAgreement").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl OfferAgreement {
    /// What the key signs, line by line.
    pub fn text(&self) -> String {
        self.form.to_string()
    }
}

fn preferences_of(it: Option<pb::OfferPreferences>) -> Result<OfferPreferences, Trouble> {
    let pb::OfferPreferences { bank_ids, most_a_week, signed_at, .. } = it.ok_or(Trouble::AnswerUnreadable)?;
    Ok(OfferPreferences { bank_ids, most_a_week, signed_at: optional_time(signed_at.as_ref()) })
}

fn offer_of(it: pb::PersonOffer, language: Language) -> Offer {
    let is_english = language == Language::English;
    let words = |it: Option<common::Wording>| {
        let it = it.unwrap_or_default();
        if is_english { it.text_en } else { it.text_zh }
    };
    Offer {
        answer: OfferAnswer::read(it.answer),
        offer_id: it.offer_id,
        bank_id: it.bank_id,
        bank_name: it.bank_name,
        title: words(it.title),
        text: words(it.text),
        because: if is_english { it.because_en } else { it.because_zh },
        delivered_at: time_of(it.delivered_at.as_ref()),
        valid_until: time_of(it.valid_until.as_ref()),
        is_open: it.is_open,
        accept_as_customer: some(it.accept_as_customer),
        accept_as_contact: some(it.accept_as_contact),
    }
}

impl Inner {
    fn propose_agreement(&self, bank_ids: &[String], most_a_week: u32) -> Result<OfferAgreement, Failure> {
        let banks: BTreeSet<BankId> = bank_ids.iter().map(|id| BankId::parse(id)).collect::<Result<_, _>>()?;
        let form = AgreementForm {
            person_id: self.bound()?.person_id,
            banks,
            most_a_week: u8::try_from(most_a_week).map_err(|_| Trouble::NumberMalformed)?,
            at: self.clock.now(),
        };
        // What the hub would not read is not shown to be signed.
        Ok(OfferAgreement { form: AgreementForm::parse(&form.to_string())? })
    }

    /// A text as its sort of text is signed, with this phone's id.
    pub(crate) async fn sign_text(&self, signed_as: &str, text: &str) -> Result<(String, Vec<u8>), Failure> {
        let bound = self.bound()?;
        let device_id = bound.device_id.to_string();
        let message = format!("{signed_as}\n{device_id}\n{text}");
        let signature = self.signer.sign(message.as_bytes(), &bound.public_key).await?;
        Ok((device_id, signature))
    }

    async fn agree_to_offers(&self, text: String) -> Result<OfferPreferences, Failure> {
        let (device_id, signature) = self.sign_text("bankhub.v1.offers", &text).await?;
        let request = pb::SetOfferPreferencesRequest { text, device_id, signature };
        let call = |mut hub: Hub, request| async move { hub.set_offer_preferences(request).await };
        Ok(preferences_of(self.insist(request, call).await?.preferences)?)
    }

    pub(crate) async fn offers(&self, page_size: u32, page_token: Option<String>) -> Result<OfferPage, Failure> {
        let page_size = i32::try_from(page_size).map_err(|_| Trouble::NumberMalformed)?;
        let request = pb::ListOffersRequest { page_size, page_token: page_token.unwrap_or_default() };
        let call = |mut hub: Hub, request| async move { hub.list_offers(request).await };
        let (answer, freshness) = self.read("offers", request, call).await?;
        let offers = answer.offers.into_iter().map(|it| offer_of(it, self.language)).collect();
        Ok(OfferPage { offers, next_page_token: some(answer.next_page_token), freshness })
    }

    /// What is to be signed to accept the offer, when it says what the person was shown.
    fn acceptance(&self, offer: &Offer, shown_as: OfferShownAs) -> Result<String, Failure> {
        let person_id = self.bound()?.person_id;
        let text = match shown_as {
            OfferShownAs::Customer => &offer.accept_as_customer,
            OfferShownAs::Contact => &offer.accept_as_contact,
        };
        let text = text.as_ref().ok_or(Trouble::OfferNotToBeAccepted)?;
        let form = AcceptanceForm::parse(text)?;
        let title = if self.language == Language::English { &form.title.english } else { &form.title.chinese };
        let is_of_offer = form.person_id == person_id
            && form.offer_id.to_string() == offer.offer_id
            && form.bank_id.as_str() == offer.bank_id
            && title.as_str() == offer.title
            && form.shown_as == shown_as.into();
        if is_of_offer { Ok(text.clone()) } else { Err(Trouble::TextForeign.into()) }
    }

    async fn accept_offer(&self, offer: &Offer, shown_as: OfferShownAs) -> Result<Offer, Failure> {
        let text = self.acceptance(offer, shown_as)?;
        let (device_id, signature) = self.sign_text("bankhub.v1.acceptance", &text).await?;
        let request = pb::AcceptOfferRequest { text, device_id, signature };
        let call = |mut hub: Hub, request| async move { hub.accept_offer(request).await };
        let answer = self.insist(request, call).await?;
        Ok(offer_of(answer.offer.ok_or(Trouble::AnswerUnreadable)?, self.language))
    }
}

#[uniffi::export]
impl Phone {
    /// Whose offers the person gets; what the hub said last when it cannot be reached.
    pub async fn offer_preferences(&self) -> Result<OfferPreferences, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.get_offer_preferences(request).await };
            let (answer, _) = inner.read("offer-preferences", pb::GetOfferPreferencesRequest {}, call).await?;
            Ok(preferences_of(answer.preferences)?)
        })
        .await
    }

    /// An agreement to the offers of 1 to 20 banks, 1 to 20 offers in seven days of all together, to be signed within five minutes.
    /// Nothing is sent.
    pub fn propose_offer_agreement(
        &self,
        bank_ids: Vec<String>,
        most_a_week: u32,
    ) -> Result<Arc<OfferAgreement>, SdkError> {
        if self.inner.closing.is_cancelled() {
            return Err(self.inner.words(Trouble::PhoneClosed));
        }
        let proposed = self.inner.propose_agreement(&bank_ids, most_a_week);
        proposed.map(Arc::new).map_err(|failure| self.inner.words(failure))
    }

    /// Has the key sign the agreement, which takes the place of the one before. The same one again changes nothing.
    pub async fn agree_to_offers(&self, agreement: Arc<OfferAgreement>) -> Result<OfferPreferences, SdkError> {
        self.run(|inner| async move { inner.agree_to_offers(agreement.text()).await }).await
    }

    /// Wants no offers of these banks any more; of all where none is named. It works at once and is not signed.
    pub async fn stop_offers(&self, bank_ids: Vec<String>) -> Result<OfferPreferences, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.stop_offers(request).await };
            Ok(preferences_of(inner.insist(pb::StopOffersRequest { bank_ids }, call).await?.preferences)?)
        })
        .await
    }

    /// A page of the offers that have come and were not declined: at most `page_size` of them, 1 to 200, 0 for 50.
    #[uniffi::method(default(page_size = 0, page_token = None))]
    pub async fn offers(&self, page_size: u32, page_token: Option<String>) -> Result<OfferPage, SdkError> {
        self.run(|inner| async move { inner.offers(page_size, page_token).await }).await
    }

    /// Accepts an offer as it was listed. The key signs its `accept_as_customer` or `accept_as_contact`, which is held against the
    /// offer before; its bank is told who accepts, and so that the offer's rule is met. Again it changes nothing.
    pub async fn accept_offer(&self, offer: Offer, shown_as: OfferShownAs) -> Result<Offer, SdkError> {
        self.run(|inner| async move { inner.accept_offer(&offer, shown_as).await }).await
    }

    /// Declines an offer for good: it is never listed again, and its bank hears nothing of it.
    pub async fn decline_offer(&self, offer_id: String) -> Result<(), SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.decline_offer(request).await };
            inner.insist(pb::DeclineOfferRequest { offer_id }, call).await?;
            Ok(())
        })
        .await
    }
}
