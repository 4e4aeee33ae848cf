//! Repaying a card from an account, at whichever banks.
//!
//! What the key has signed is on disk before it is first sent, and stays there until its answer is final: a phone that was cut off or
//! killed sends the same text again, and never makes a second repayment of it. One waits at a time.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use domain::repayment::{End, Form};
use domain::{Currency, Money as Amount, PaymentId, Timestamp};
use proto::cardholder as pb;
use proto::{Message, common};

use crate::bills::some;
use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::instruments::{InstrumentId, InstrumentName};
use crate::log::LogLevel;
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::platform;
use crate::preferences::Language;
use crate::purchase::{Money, money_of, optional_time, time_of};
use crate::session::Hub;
use crate::vault::Lasting;

/// The file of the repayment that waits for its final answer: the request as it is sent.
pub(crate) const REPAYMENT_FILE: &str = "repayment";

mirror! {
    /// Where a repayment stands. A final state never changes.
    RepaymentState = pb::RepaymentState {
        /// The banks are being asked.
        Pending,
        /// Decided: the money has gone from one to the other, or is certain to.
        Approved,
        /// Nothing was moved, or will be.
        Declined,
    }
}

mirror! {
    /// One end of a repayment; `Unknown` is neither alone.
    RepaymentSide = pb::RepaymentSide {
        /// Where the money comes from.
        Paying,
        /// Where it goes.
        Receiving,
    }
}

/// Why something was refused that is an answer and not a failure of the call.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Refusal {
    /// An UPPER_SNAKE code of the hub's catalogue, such as "INSUFFICIENT_FUNDS".
    pub reason: String,
    /// A sentence for the person, in the language of the builder.
    pub text: String,
}

/// An account or a card as it was bound when the repayment was taken in.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RepaymentParty {
    pub name: InstrumentName,
    /// Its number as others may see it.
    pub masked: String,
}

/// Money that goes from an account or a card's debit side to what is owed on a card.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Repayment {
    pub repayment_id: String,
    pub state: RepaymentState,
    pub amount: Money,
    /// Where the money comes from.
    pub from: RepaymentParty,
    /// Where it goes.
    pub to: RepaymentParty,
    /// When the hub took it in.
    pub created_at: SystemTime,
    /// When it was decided; none while it is pending.
    pub decided_at: Option<SystemTime>,
    /// Why it was declined.
    pub refusal: Option<Refusal>,
    /// Whose bank refused it or did not answer in time.
    pub refused_by: RepaymentSide,
}

/// One page of repayments, the last one first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RepaymentPage {
    pub repayments: Vec<Repayment>,
    pub next_page_token: Option<String>,
    pub freshness: Freshness,
}

/// A repayment that was signed here and has got no final answer yet.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OpenRepayment {
    pub repayment_id: String,
    /// What was signed, line by line.
    pub text: String,
}

/// A repayment that is not signed yet: show its text, and [`Phone::repay`] it when the person agrees.
#[derive(uniffi::Object)]
pub struct RepaymentProposal {
    form: Form,
}

impl fmt::Debug for RepaymentProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepaymentProposal").field("id", &self.form.id).finish_non_exhaustive()
    }
}

#[uniffi::export]
impl RepaymentProposal {
    /// What the key signs, line by line.
    pub fn text(&self) -> String {
        self.form.to_string()
    }

    pub fn repayment_id(&self) -> String {
        self.form.id.to_string()
    }
}

pub(crate) fn refusal_of(it: common::Refusal, language: Language) -> Refusal {
    let text = if language == Language::English { it.message_en } else { it.message_zh };
    Refusal { reason: it.reason, text }
}

fn party_of(it: Option<pb::RepaymentParty>) -> RepaymentParty {
    use pb::repayment_party::Sort;
    let pb::RepaymentParty { bank_id, sort, masked } = it.unwrap_or_default();
    let id = match sort {
        Some(Sort::AccountId(account_id)) => InstrumentId::Account { account_id },
        Some(Sort::CardId(card_id)) => InstrumentId::Card { card_id },
        None => InstrumentId::Unknown,
    };
    RepaymentParty { name: InstrumentName { bank_id, id }, masked }
}

fn repayment_of(it: pb::Repayment, language: Language) -> Repayment {
    Repayment {
        state: RepaymentState::read(it.state),
        refused_by: RepaymentSide::read(it.refused_by),
        repayment_id: it.repayment_id,
        amount: money_of(it.amount),
        from: party_of(it.from),
        to: party_of(it.to),
        created_at: time_of(it.created_at.as_ref()),
        decided_at: optional_time(it.decided_at.as_ref()),
        refusal: it.refusal.map(|refusal| refusal_of(refusal, language)),
    }
}

fn is_decided(state: RepaymentState) -> bool {
    matches!(state, RepaymentState::Approved | RepaymentState::Declined)
}

impl Inner {
    fn propose_repayment(
        &self,
        from: &InstrumentName,
        to: &InstrumentName,
        amount: &Money,
    ) -> Result<RepaymentProposal, Failure> {
        self.bound()?;
        let end = |name: &InstrumentName| {
            let name = name.read()?;
            Ok::<_, Failure>(End { bank_id: name.bank_id, instrument: name.instrument })
        };
        let now = self.clock.now();
        let form = Form {
            id: PaymentId::from_uuid(platform::new_id(&*self.clock)?),
            from: end(from)?,
            to: end(to)?,
            amount: Amount::payable(Currency::parse(&amount.currency_code)?, amount.minor_units)?,
            // What is signed is in whole seconds.
            signed_at: Timestamp::from_secs(now.micros().div_euclid(1_000_000)),
        };
        form.check(now)?;
        Ok(RepaymentProposal { form })
    }

    /// What was signed and waits for its final answer.
    fn open_repayment(&self) -> Result<Option<(PaymentId, pb::CreateRepaymentRequest)>, Failure> {
        let Some(bytes) = self.vault.read(REPAYMENT_FILE)? else { return Ok(None) };
        let request = pb::CreateRepaymentRequest::decode(bytes.as_slice()).map_err(|_| Trouble::DataUnreadable)?;
        let form = Form::parse(&request.text).map_err(|_| Trouble::DataUnreadable)?;
        Ok(Some((form.id, request)))
    }

    /// The request that waits under this id. `Err` when another one waits: whoever means the same once more after a cut is not to pay
    /// twice.
    fn open_under(&self, id: PaymentId) -> Result<Option<pb::CreateRepaymentRequest>, Failure> {
        match self.open_repayment()? {
            None => Ok(None),
            Some((open, request)) if open == id => Ok(Some(request)),
            Some(_) => Err(Trouble::RepaymentOpen.into()),
        }
    }

    /// What is signed and written down, before it is first sent.
    async fn kept_repayment(&self, form: &Form) -> Result<pb::CreateRepaymentRequest, Failure> {
        if let Some(request) = self.open_under(form.id)? {
            return Ok(request);
        }
        let text = form.to_string();
        let (device_id, signature) = self.sign_text("bankhub.v1.repayment", &text).await?;
        let request = pb::CreateRepaymentRequest { text, device_id, signature };
        self.vault.write(REPAYMENT_FILE, &request.encode_to_vec(), Lasting::Now)?;
        Ok(request)
    }

    async fn repay(&self, proposal: &RepaymentProposal) -> Result<pb::Repayment, Failure> {
        self.bound()?;
        let _turn = self.repaying.lock().await;
        let request = self.kept_repayment(&proposal.form).await?;
        self.send_repayment(proposal.form.id, request).await
    }

    /// Signs and writes down, and sends nothing; [`Inner::resume_repayment`] sends it.
    pub(crate) async fn keep_repayment(&self, proposal: &RepaymentProposal) -> Result<(), Failure> {
        self.bound()?;
        let _turn = self.repaying.lock().await;
        self.kept_repayment(&proposal.form).await.map(|_| ())
    }

    pub(crate) async fn resume_repayment(&self) -> Result<Option<pb::Repayment>, Failure> {
        self.bound()?;
        let _turn = self.repaying.lock().await;
        match self.open_repayment()? {
            Some((id, request)) => self.send_repayment(id, request).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends what is written down, and forgets it when its answer is final.
    async fn send_repayment(
        &self,
        id: PaymentId,
        request: pb::CreateRepaymentRequest,
    ) -> Result<pb::Repayment, Failure> {
        let call = |mut hub: Hub, request| async move { hub.create_repayment(request).await };
        let answered = self.insist(request, call).await;
        if answered.as_ref().err().is_some_and(Failure::is_final) {
            // The hub has stored nothing of it, and never will.
            self.forget_repayment(id);
        }
        let repayment = answered?.repayment.ok_or(Trouble::AnswerUnreadable)?;
        if is_decided(RepaymentState::read(repayment.state)) {
            self.forget_repayment(id);
        }
        Ok(repayment)
    }

    /// One that stays is asked for again, and gets the same answer.
    fn forget_repayment(&self, id: PaymentId) {
        let forgotten = match self.open_repayment() {
            Ok(Some((open, _))) if open == id => self.vault.remove(REPAYMENT_FILE).map_err(Failure::from),
            other => other.map(|_| ()),
        };
        if let Err(failure) = forgotten {
            self.log.say(LogLevel::Warn, || format!("a repayment that was decided is still kept: {}", failure.code()));
        }
    }

    async fn repayment(&self, repayment_id: String) -> Result<Repayment, Failure> {
        let call = |mut hub: Hub, request| async move { hub.get_repayment(request).await };
        let answer = self.insist(pb::GetRepaymentRequest { repayment_id }, call).await?;
        Ok(repayment_of(answer.repayment.ok_or(Trouble::AnswerUnreadable)?, self.language))
    }

    async fn repayments(&self, page_size: u32, page_token: Option<String>) -> Result<RepaymentPage, Failure> {
        let page_size = i32::try_from(page_size).map_err(|_| Trouble::NumberMalformed)?;
        let request = pb::ListRepaymentsRequest { page_size, page_token: page_token.unwrap_or_default() };
        let call = |mut hub: Hub, request| async move { hub.list_repayments(request).await };
        let (answer, freshness) = self.read("repayments", request, call).await?;
        let repayments = answer.repayments.into_iter().map(|it| repayment_of(it, self.language)).collect();
        Ok(RepaymentPage { repayments, next_page_token: some(answer.next_page_token), freshness })
    }
}

#[uniffi::export]
impl Phone {
    /// A repayment of a card from an account or a card's debit side, both bound, signed within 15 minutes from now. Nothing is sent.
    pub fn propose_repayment(
        &self,
        from: InstrumentName,
        to: InstrumentName,
        amount: Money,
    ) -> Result<Arc<RepaymentProposal>, SdkError> {
        if self.inner.closing.is_cancelled() {
            return Err(self.inner.words(Trouble::PhoneClosed));
        }
        let proposed = self.inner.propose_repayment(&from, &to, &amount);
        proposed.map(Arc::new).map_err(|failure| self.inner.words(failure))
    }

    /// Has the key sign what the person saw, stores it, and sends it. `Pending` when a bank has not answered yet. The same proposal again, and
    /// [`Phone::resume_repayment`] after the app was killed, give the same repayment. `Invalid` with `REPAYMENT_OPEN` while another one
    /// waits for its final answer.
    pub async fn repay(&self, proposal: Arc<RepaymentProposal>) -> Result<Repayment, SdkError> {
        self.run(|inner| async move { Ok(repayment_of(inner.repay(&proposal).await?, inner.language)) }).await
    }

    /// What was signed here and has got no final answer yet. The hub is not asked.
    pub async fn open_repayment(&self) -> Result<Option<OpenRepayment>, SdkError> {
        self.run(|inner| async move {
            inner.bound()?;
            let open = inner.open_repayment()?;
            Ok(open.map(|(id, request)| OpenRepayment { repayment_id: id.to_string(), text: request.text }))
        })
        .await
    }

    /// Sends once more what waits for its final answer; none when nothing does.
    pub async fn resume_repayment(&self) -> Result<Option<Repayment>, SdkError> {
        self.run(|inner| async move {
            let resumed = inner.resume_repayment().await?;
            Ok(resumed.map(|repayment| repayment_of(repayment, inner.language)))
        })
        .await
    }

    /// One repayment as it stands.
    pub async fn repayment(&self, repayment_id: String) -> Result<Repayment, SdkError> {
        self.run(|inner| async move { inner.repayment(repayment_id).await }).await
    }

    /// A page of the person's repayments: at most `page_size` of them, 1 to 200, 0 for 50.
    #[uniffi::method(default(page_size = 0, page_token = None))]
    pub async fn repayments(&self, page_size: u32, page_token: Option<String>) -> Result<RepaymentPage, SdkError> {
        self.run(|inner| async move { inner.repayments(page_size, page_token).await }).await
    }
}
