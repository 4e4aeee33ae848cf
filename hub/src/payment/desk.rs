//! Carries payments from one durable step to the next: asks the bank, commits, posts.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::payment::{
    Completion, Held, Kind, NewCardPayment, Payment, Policy, Routed, Seen, Settled, State, Verdict, Work,
};
use domain::{BankId, LegId, PaymentId, Reason};
use server_kit::audit::Chain;
use server_kit::clock::SharedClock;
use server_kit::fault;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use server_kit::trace::{self, Span};
use tokio::sync::Mutex as AsyncMutex;

use super::sql;
use super::steps::{Outcome, PaymentSteps, Step};
use super::watch::{Watchers, Watching};
use crate::bank::{Banks, GiveBackAnswer, HoldAnswer, PostQueue, Posts, PresentedCard};
use crate::directory::Directory;
use crate::feed::Feed;
use crate::fees::Fees;
use crate::limits::PaymentLimits;

/// What a desk is made of.
#[derive(Debug)]
pub struct DeskOptions {
    pub store: Store,
    pub directory: Directory,
    pub banks: Banks,
    pub feed: Feed,
    pub keys: SharedKeyStore,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub clock: SharedClock,
    pub policy: Policy,
    /// What may be paid.
    pub limits: PaymentLimits,
    /// What merchants are charged for it.
    pub fees: Fees,
    pub owner: Arc<Owner>,
    pub writer: WriterOptions,
    /// How long a terminal's call waits for the bank before it is told PENDING.
    pub answer_within: Duration,
}

/// The payments of this replica. Cheap to clone; it keeps no state that matters.
#[derive(Clone, Debug)]
pub struct Desk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    directory: Directory,
    banks: Banks,
    keys: SharedKeyStore,
    rng: SharedRng,
    ids: IdMaker,
    clock: SharedClock,
    policy: Policy,
    answer_within: Duration,
    writer: GroupWriter<PaymentSteps>,
    watchers: Watchers,
    posts: PostQueue<PostedLegs>,
    /// Payments that this replica is asking a bank about, so that the sweeper does not ask twice at once.
    busy: Mutex<HashSet<PaymentId>>,
}

/// Tells the desk which legs are posted.
#[derive(Debug)]
struct PostedLegs {
    desk: Weak<Inner>,
}

impl Posts for PostedLegs {
    async fn posted(&self, payments: Vec<(PaymentId, Span)>) {
        let Some(inner) = self.desk.upgrade() else { return };
        let steps = payments.into_iter().map(|(payment, span)| {
            let inner = inner.clone();
            async move { span.run(inner.write(Step::Posted { payment })).await }
        });
        for done in futures_util::future::join_all(steps).await {
            // The sweeper comes back to a payment whose post could not be noted.
            if let Err(error) = done {
                tracing::warn!(%error, "a post could not be noted yet");
            }
        }
    }
}

impl Inner {
    async fn write(&self, step: Step) -> Result<Outcome, StoreError> {
        let span = step.span();
        let done = span.span.run(self.writer.write(step)).await;
        span.end(&done);
        done
    }
}

impl Desk {
    /// Starts the writer. The task it returns ends when the last desk is gone and all queued steps are durable.
    pub fn start(options: DeskOptions) -> (Self, tokio::task::JoinHandle<()>) {
        let watchers = Watchers::default();
        let chain = Chain::new(&format!("{}/payment", options.owner.name()), options.keys.clone());
        let steps = PaymentSteps {
            policy: options.policy.clone(),
            limits: options.limits,
            fees: options.fees,
            keys: options.keys.clone(),
            chain: chain.into(),
            owner: options.owner,
            feed: options.feed,
            watchers: watchers.clone(),
            recent: AsyncMutex::default(),
        };
        let (writer, task) = GroupWriter::start(options.store.clone(), Arc::new(steps), options.writer);
        let inner = Arc::new_cyclic(|desk| Inner {
            store: options.store,
            directory: options.directory,
            posts: PostQueue::new(options.banks.clone(), Arc::new(PostedLegs { desk: desk.clone() })),
            banks: options.banks,
            keys: options.keys,
            rng: options.rng,
            ids: options.ids,
            clock: options.clock,
            policy: options.policy,
            answer_within: options.answer_within,
            writer,
            watchers,
            busy: Mutex::default(),
        });
        (Self { inner }, task)
    }

    pub(super) fn banks(&self) -> &Banks {
        &self.inner.banks
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn keys(&self) -> &SharedKeyStore {
        &self.inner.keys
    }

    pub(crate) fn rng(&self) -> &SharedRng {
        &self.inner.rng
    }

    pub(super) fn ids(&self) -> &IdMaker {
        &self.inner.ids
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    pub(super) fn watch(&self, payment: PaymentId) -> Watching {
        self.inner.watchers.watch(payment)
    }

    pub(super) async fn write(&self, step: Step) -> Result<Outcome, StoreError> {
        self.inner.write(step).await
    }

    pub(super) async fn find(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        sql::find_payment(&self.inner.store, id).await
    }

    /// What a bank is told of a leg that it holds for a payment. `Err(NotYours)` for a payment that another bank is charged with.
    pub(crate) async fn verdict(
        &self,
        bank: &BankId,
        id: PaymentId,
        leg: LegId,
    ) -> Result<Result<Verdict, Reason>, StoreError> {
        let payment = self.find(id).await?;
        // A leg is durable here before the bank hears of it: one that is not known is void.
        let Some((payment, charge)) = payment.as_ref().and_then(|payment| Some((payment, payment.charge.as_ref()?)))
        else {
            return Ok(Ok(Verdict::Void));
        };
        Ok(if charge.bank_id == *bank { Ok(payment.verdict_on(leg)) } else { Err(Reason::NotYours) })
    }

    /// Evaluates a try, typed at the terminal or signed on the phone, and, if it was the good one, carries the payment through its bank.
    pub(super) async fn answer(&self, step: Step) -> Result<Result<Payment, Reason>, StoreError> {
        let outcome = self.write(step).await?;
        match outcome.payment {
            Ok(payment) if outcome.to_hold => self.carry_and_wait(payment, Work::Hold).await.map(Ok),
            other => Ok(other),
        }
    }

    /// Carries a payment on in a task of its own, which a caller that hangs up does not end, and waits for it a while. Gives the
    /// payment as it then stands.
    pub(super) async fn carry_and_wait(&self, payment: Payment, work: Work) -> Result<Payment, StoreError> {
        let id = payment.id;
        let desk = self.clone();
        self.wait_for(id, async move { desk.carry(payment, work).await }).await
    }

    /// Has a payment carried on in a task of its own, and waits for it a while. Gives the payment as it then stands.
    async fn wait_for(
        &self,
        id: PaymentId,
        carried: impl Future<Output = Option<Payment>> + Send + 'static,
    ) -> Result<Payment, StoreError> {
        let task = tokio::spawn(trace::carried(carried));
        match tokio::time::timeout(self.inner.answer_within, task).await {
            Ok(Ok(Some(payment))) if payment.seen() != Seen::Pending => Ok(payment),
            _ => self.find(id).await?.ok_or(StoreError::Stopped),
        }
    }

    /// Does what a payment needs, as far as it goes now. Gives the payment after it, if this replica changed it.
    pub(super) async fn carry(&self, payment: Payment, work: Work) -> Option<Payment> {
        let _busy = Busy::take(&self.inner, payment.id)?;
        let done = match work {
            Work::Nothing => Ok(None),
            Work::Expire => self.settle(Step::Expire { payment: payment.id }).await,
            Work::Hold => self.hold(payment, None).await,
            Work::Abort => self.abort(payment, Reason::DecisionTimedOut).await,
            Work::Lapse => self.void_after(Step::Lapse { payment: payment.id }).await,
            Work::Complete => self.complete(payment).await,
            Work::Void => self.void(payment).await,
            Work::Post => {
                self.post(&payment);
                Ok(None)
            }
            Work::Refund => self.refund(payment).await,
            Work::Reverse => self.reverse(payment).await,
        };
        carried(done)
    }

    /// Takes a payment with a card in, and carries it through its bank; so, too, when the terminal sends it again while its bank
    /// has not answered. Says whether this call has asked the bank.
    pub(super) async fn pay_with_card(
        &self,
        new: Box<NewCardPayment>,
        card: Arc<PresentedCard>,
    ) -> Result<Result<(Payment, bool), Reason>, StoreError> {
        let outcome = self.write(Step::CreateCard(new)).await?;
        let payment = match outcome.payment {
            Ok(payment) if outcome.to_hold => payment,
            other => return Ok(other.map(|payment| (payment, false))),
        };
        let (id, desk) = (payment.id, self.clone());
        let held = async move {
            let _busy = Busy::take(&desk.inner, id)?;
            carried(desk.hold(payment, Some(card)).await)
        };
        self.wait_for(id, held).await.map(|payment| Ok((payment, true)))
    }

    /// Charges what was really used of a pre-authorisation, and has its bank told. The answer does not wait for the bank.
    pub(super) async fn complete_payment(&self, asked: Completion) -> Result<Result<Payment, Reason>, StoreError> {
        let outcome = self.write(Step::Complete(asked)).await?;
        if let Ok(payment) = &outcome.payment {
            self.forward(payment);
        }
        Ok(outcome.payment)
    }

    /// Takes note of what a network has told of a payment that it charged by itself: there is no bank to be told.
    pub(super) async fn told_by_network(&self, told: Routed) -> Result<Result<Payment, Reason>, StoreError> {
        let outcome = self.write(Step::ToldByNetwork(told)).await?;
        if let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment)
            && payment.state == State::Posted
        {
            self.gives_back(payment);
        }
        Ok(outcome.payment)
    }

    async fn settle(&self, step: Step) -> Result<Option<Payment>, StoreError> {
        Ok(self.write(step).await?.payment.ok())
    }

    async fn hold(&self, payment: Payment, card: Option<Arc<PresentedCard>>) -> Result<Option<Payment>, StoreError> {
        fault::point("hold.before");
        let answer = self.inner.banks.hold(&payment, card).await;
        fault::point("hold.after");
        let id = payment.id;
        match answer {
            HoldAnswer::Held { card_id, credit_minor } => {
                let person_id = match (payment.kind, payment.charge.as_ref(), card_id) {
                    (Kind::Card { .. }, Some(charge), Some(card)) => {
                        self.inner.directory.card_holder(&charge.bank_id, card).await?
                    }
                    // By phone number it has been known from the beginning.
                    _ => None,
                };
                let held = Held { card_id, person_id, credit_minor };
                let outcome = self.write(Step::Held { payment: id, held }).await?;
                match (outcome.settled, outcome.payment) {
                    (Settled::Moved, Ok(committed)) => {
                        self.gives_back(&committed);
                        self.forward(&committed);
                        Ok(Some(committed))
                    }
                    // This very answer was committed before, by a set whose outcome was not known.
                    (Settled::Already, Ok(committed)) if committed.state == State::Committed => {
                        self.forward(&committed);
                        Ok(Some(committed))
                    }
                    // The decision deadline came first, or a reversal did.
                    (Settled::TooLate, Ok(lost)) if lost.state == State::Aborting => self.void(lost).await,
                    (_, payment) => Ok(payment.ok()),
                }
            }
            HoldAnswer::Refused(reason) => self.settle(Step::HoldRefused { payment: id, reason }).await,
            // A hold that was asked for before may still be on its way: only a void settles it.
            HoldAnswer::Impossible(reason) => self.abort(payment, reason).await,
            HoldAnswer::Unknown => Ok(None),
        }
    }

    async fn abort(&self, payment: Payment, reason: Reason) -> Result<Option<Payment>, StoreError> {
        self.void_after(Step::Abort { payment: payment.id, reason }).await
    }

    /// Decides that a payment is not to be, and has its hold released.
    async fn void_after(&self, decision: Step) -> Result<Option<Payment>, StoreError> {
        match self.write(decision).await?.payment {
            Ok(aborting) if aborting.state == State::Aborting => self.void(aborting).await,
            other => Ok(other.ok()),
        }
    }

    async fn void(&self, payment: Payment) -> Result<Option<Payment>, StoreError> {
        let Some((charge, leg)) = payment.charge.as_ref().and_then(|c| Some((c, c.leg_id?))) else { return Ok(None) };
        if !self.inner.banks.void(&charge.bank_id, leg, payment.id).await {
            return Ok(None);
        }
        self.settle(Step::Voided { payment: payment.id }).await
    }

    /// A payment or a top-up by phone number gives back of what its look-up has cost. Only whoever moved it to its commit point comes here, so that it does so once.
    fn gives_back(&self, payment: &Payment) {
        if let (Kind::Purchase | Kind::Routed | Kind::TopUp, Some(seller)) = (payment.kind, &payment.seller) {
            self.inner.directory.lookups().paid(&payment.terminal_id, &seller.merchant.id);
        }
    }

    /// Tells the bank what was committed.
    fn forward(&self, payment: &Payment) {
        match payment.outstanding(self.inner.clock.now()) {
            Work::Post => self.post(payment),
            Work::Complete => {
                let (desk, payment) = (self.clone(), payment.clone());
                tokio::spawn(trace::carried(async move { desk.carry(payment, Work::Complete).await }));
            }
            _ => {}
        }
    }

    async fn complete(&self, payment: Payment) -> Result<Option<Payment>, StoreError> {
        if !self.is_completed_at_bank(&payment).await {
            return Ok(None);
        }
        self.settle(Step::Posted { payment: payment.id }).await
    }

    /// Whether the bank has taken the completion, if there is one. Before that it still holds the whole amount, and would post
    /// that first if money were to go back.
    async fn is_completed_at_bank(&self, payment: &Payment) -> bool {
        if payment.completed_minor.is_none() || payment.state == State::Posted {
            return true;
        }
        let Some((charge, leg)) = payment.charge.as_ref().and_then(|c| Some((c, c.leg_id?))) else { return false };
        fault::point("complete.before");
        let taken = self.inner.banks.complete(&charge.bank_id, leg, payment.id, payment.charged()).await;
        fault::point("complete.after");
        taken
    }

    fn post(&self, payment: &Payment) {
        if let Some((charge, leg)) = payment.charge.as_ref().and_then(|c| Some((c, c.leg_id?))) {
            self.inner.posts.push(&charge.bank_id, leg, payment.id);
        }
    }

    async fn refund(&self, refund: Payment) -> Result<Option<Payment>, StoreError> {
        let Kind::Refund { original } = refund.kind else { return Ok(None) };
        let Some(first) = self.find(original).await? else { return Ok(None) };
        if !self.is_completed_at_bank(&first).await {
            return Ok(None);
        }
        let first = first.charge.and_then(|charge| charge.leg_id);
        let (Some(charge), Some(taken)) = (refund.charge.as_ref(), first) else { return Ok(None) };
        let Some(leg) = charge.leg_id else { return Ok(None) };
        let answer = self.inner.banks.give_back(&charge.bank_id, leg, refund.id, taken, refund.amount).await;
        match answer {
            GiveBackAnswer::Posted => self.settle(Step::RefundPosted { refund: refund.id, original }).await,
            GiveBackAnswer::Refused(reason) => {
                self.settle(Step::RefundRefused { refund: refund.id, original, reason }).await
            }
            GiveBackAnswer::Unknown => Ok(None),
        }
    }

    async fn reverse(&self, payment: Payment) -> Result<Option<Payment>, StoreError> {
        let Some(charge) = payment.charge.as_ref() else { return Ok(None) };
        let (Some(taken), Some(leg)) = (charge.leg_id, charge.reversal_leg_id) else { return Ok(None) };
        if !self.is_completed_at_bank(&payment).await {
            return Ok(None);
        }
        match self.inner.banks.give_back(&charge.bank_id, leg, payment.id, taken, payment.charged()).await {
            GiveBackAnswer::Posted => self.settle(Step::ReversalPosted { payment: payment.id }).await,
            GiveBackAnswer::Refused(reason) => {
                // Forward only: the hub has told the terminal that the money goes back, so somebody has to look.
                metrics::counter!("bankhub_reversals_refused_total", "bank" => charge.bank_id.to_string()).increment(1);
                tracing::error!(payment = %payment.id, ?reason, "the bank refuses a reversal");
                Ok(None)
            }
            GiveBackAnswer::Unknown => Ok(None),
        }
    }
}

/// What came of carrying a payment on; what failed is tried again by the sweeper.
fn carried(done: Result<Option<Payment>, StoreError>) -> Option<Payment> {
    done.unwrap_or_else(|error| {
        tracing::warn!(%error, "a payment could not be carried on yet");
        None
    })
}

/// Marks a payment as being carried by this replica.
struct Busy {
    inner: Arc<Inner>,
    payment: PaymentId,
}

impl Busy {
    fn take(inner: &Arc<Inner>, payment: PaymentId) -> Option<Self> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(payment).then(|| Self { inner: inner.clone(), payment })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.payment);
    }
}
