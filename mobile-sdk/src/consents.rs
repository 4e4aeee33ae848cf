//! Consents: that one bank may ask once for the person's credit history, or until it ends for totals of habits; that one operator of the hub
//! may look at purchases. The person sees a text, and the phone's key signs it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::credit_history::{Asker, ConsentForm, Field, Fields, Purpose};
use domain::{BankId, ConsentId, OperatorId, Timestamp};
use proto::cardholder as pb;

use crate::bills::some;
use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::platform;
use crate::purchase::{optional_time, time_of};
use crate::session::Hub;

/// What somebody wants to know it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ConsentPurpose {
    CardApplication,
    LoanApplication,
    LimitChange,
    Review,
    /// A bank makes offers that fit: of habits.
    Offers,
    /// The person has asked for help with a payment: of purchases.
    Support,
    /// The person contests a payment: of purchases.
    Dispute,
}

/// A part of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ConsentField {
    /// How many accounts at how many banks, and since when.
    Summary,
    /// What is billed and still in time.
    OpenBills,
    /// What was or is not paid in time.
    Arrears,
    /// What was paid in time.
    GoodRecord,
    /// Totals of what the person buys, to a bank.
    Habits,
    /// Of purchases, what they cost, to an operator.
    Amounts,
    /// Of purchases, from whom.
    Merchants,
    /// Of purchases, where.
    Places,
    /// Of purchases, what was bought.
    Items,
}

mirror! {
    /// Where a consent stands.
    ConsentState = pb::ConsentState {
        /// It waits for its inquiry.
        Given,
        Used,
        Revoked,
        Expired,
    }
}

/// A consent that the person has signed.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Consent {
    pub consent_id: String,
    /// What was signed, to the byte.
    pub text: String,
    /// The phone that signed it.
    pub device_id: String,
    pub state: ConsentState,
    /// When the hub took it in.
    pub given_at: SystemTime,
    /// When it was used or revoked.
    pub ended_at: Option<SystemTime>,
}

/// One page of consents, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ConsentPage {
    pub consents: Vec<Consent>,
    pub next_page_token: Option<String>,
}

/// A consent that is not given yet: show its text, and give it when the person agrees.
#[derive(uniffi::Object)]
pub struct ConsentProposal {
    form: ConsentForm,
}

impl fmt::Debug for ConsentProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentProposal").field("id", &self.form.id).finish_non_exhaustive()
    }
}

#[uniffi::export]
impl ConsentProposal {
    /// What the key signs, line by line.
    pub fn text(&self) -> String {
        self.form.to_string()
    }

    pub fn consent_id(&self) -> String {
        self.form.id.to_string()
    }
}

fn consent_of(it: pb::Consent) -> Consent {
    Consent {
        state: ConsentState::read(it.state),
        given_at: time_of(it.given_at.as_ref()),
        ended_at: optional_time(it.ended_at.as_ref()),
        consent_id: it.consent_id,
        text: it.text,
        device_id: it.device_id,
    }
}

const fn purpose_of(purpose: ConsentPurpose) -> Purpose {
    match purpose {
        ConsentPurpose::CardApplication => Purpose::CardApplication,
        ConsentPurpose::LoanApplication => Purpose::LoanApplication,
        ConsentPurpose::LimitChange => Purpose::LimitChange,
        ConsentPurpose::Review => Purpose::Review,
        ConsentPurpose::Offers => Purpose::Offers,
        ConsentPurpose::Support => Purpose::Support,
        ConsentPurpose::Dispute => Purpose::Dispute,
    }
}

const fn field_of(field: ConsentField) -> Field {
    match field {
        ConsentField::Summary => Field::Summary,
        ConsentField::OpenBills => Field::OpenBills,
        ConsentField::Arrears => Field::Arrears,
        ConsentField::GoodRecord => Field::GoodRecord,
        ConsentField::Habits => Field::Habits,
        ConsentField::Amounts => Field::Amounts,
        ConsentField::Merchants => Field::Merchants,
        ConsentField::Places => Field::Places,
        ConsentField::Items => Field::Items,
    }
}

impl Inner {
    fn propose(
        &self,
        asker: Asker,
        purpose: Purpose,
        fields: Fields,
        valid_for: Duration,
    ) -> Result<ConsentProposal, Failure> {
        let bound = self.bound()?;
        let from = Timestamp::from_secs(self.clock.now().micros().div_euclid(1_000_000));
        let form = ConsentForm {
            id: ConsentId::from_uuid(platform::new_id(&*self.clock)?),
            person_id: bound.person_id,
            asker,
            purpose,
            fields,
            from,
            until: from.plus(Duration::from_secs(valid_for.as_secs())),
        };
        form.check()?;
        Ok(ConsentProposal { form })
    }

    async fn give(&self, text: String) -> Result<pb::Consent, Failure> {
        let (device_id, signature) = self.sign_text("bankhub.v1.consent", &text).await?;
        let call = |mut hub: Hub, request| async move { hub.give_consent(request).await };
        let answer = self.in_session(pb::GiveConsentRequest { text, device_id, signature }, call).await?;
        Ok(answer.consent.ok_or(Trouble::AnswerUnreadable)?)
    }

    /// Proposes and gives it at once, for whoever has shown what is signed.
    pub(crate) async fn give_now(
        &self,
        asker: Asker,
        purpose: Purpose,
        fields: Fields,
        valid_for: Duration,
    ) -> Result<pb::Consent, Failure> {
        let proposal = self.propose(asker, purpose, fields, valid_for)?;
        self.give(proposal.form.to_string()).await
    }

    pub(crate) async fn consents(
        &self,
        page_size: u32,
        page_token: Option<String>,
    ) -> Result<(ConsentPage, Freshness), Failure> {
        let page_size = i32::try_from(page_size).map_err(|_| Trouble::NumberMalformed)?;
        let request = pb::ListConsentsRequest { page_size, page_token: page_token.unwrap_or_default() };
        let call = |mut hub: Hub, request| async move { hub.list_consents(request).await };
        let (answer, freshness) = self.read("consents", request, call).await?;
        let consents = answer.consents.into_iter().map(consent_of).collect();
        Ok((ConsentPage { consents, next_page_token: some(answer.next_page_token) }, freshness))
    }
}

impl Phone {
    fn proposal(
        &self,
        asker: impl FnOnce() -> Result<Asker, Failure>,
        purpose: ConsentPurpose,
        fields: Vec<ConsentField>,
        valid_for: Duration,
    ) -> Result<Arc<ConsentProposal>, SdkError> {
        if self.inner.closing.is_cancelled() {
            return Err(self.inner.words(Trouble::PhoneClosed));
        }
        let propose = || {
            let asker = asker()?;
            let fields = Fields::new(fields.into_iter().map(field_of))?;
            self.inner.propose(asker, purpose_of(purpose), fields, valid_for)
        };
        let proposed = propose();
        proposed.map(Arc::new).map_err(|failure| self.inner.words(failure))
    }
}

#[uniffi::export]
impl Phone {
    /// A consent to one inquiry of this bank, from now on for 1 second to 90 days, in whole seconds; with the field `Habits` alone and the
    /// purpose `Offers` to any number of them. Nothing is sent.
    pub fn propose_consent(
        &self,
        bank_id: String,
        purpose: ConsentPurpose,
        fields: Vec<ConsentField>,
        valid_for: Duration,
    ) -> Result<Arc<ConsentProposal>, SdkError> {
        self.proposal(|| Ok(Asker::Bank(BankId::parse(&bank_id)?)), purpose, fields, valid_for)
    }

    /// A consent that this operator of the hub may look at the person's purchases, of which it shows these fields, for as long. Nothing is
    /// sent.
    pub fn propose_view(
        &self,
        operator_id: String,
        purpose: ConsentPurpose,
        fields: Vec<ConsentField>,
        valid_for: Duration,
    ) -> Result<Arc<ConsentProposal>, SdkError> {
        self.proposal(|| Ok(Asker::Operator(OperatorId::parse(&operator_id)?)), purpose, fields, valid_for)
    }

    /// Has the key sign what the person saw, and gives it to the hub. The same proposal again gives the same consent, as it stands by then.
    pub async fn give_consent(&self, proposal: Arc<ConsentProposal>) -> Result<Consent, SdkError> {
        self.run(|inner| async move { Ok(consent_of(inner.give(proposal.text()).await?)) }).await
    }

    /// A page of the person's consents: at most `page_size` of them, 1 to 100, 0 for 50.
    #[uniffi::method(default(page_size = 0, page_token = None))]
    pub async fn consents(&self, page_size: u32, page_token: Option<String>) -> Result<ConsentPage, SdkError> {
        self.run(|inner| async move { Ok(inner.consents(page_size, page_token).await?.0) }).await
    }

    /// Takes a consent back that is not used yet; so already is fine.
    pub async fn revoke_consent(&self, consent_id: String) -> Result<Consent, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.revoke_consent(request).await };
            let answer = inner.in_session(pb::RevokeConsentRequest { consent_id }, call).await?;
            Ok(consent_of(answer.consent.ok_or(Trouble::AnswerUnreadable)?))
        })
        .await
    }
}
