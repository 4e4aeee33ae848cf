//! The durable steps of payments, run in sets by one writer (DESIGN §2 and §4). Each step calls one rule of
//! `domain::payment`; this file loads, calls and writes.

use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::payment::{
    Attempt, NewPayment, NewRefund, PayerGuard, Payment, Policy, Proof, Resend, Reversal, Settled, State,
};
use domain::{AttemptId, LegId, OneTimeCode, PaymentId, PersonId, Reason, TerminalId, Timestamp, TransactionPassword};
use server_kit::audit::Chain;
use server_kit::fault;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::books::{Books, Named};
use super::recent::Recent;
use super::sql::GivenBack;
use super::watch::Watchers;
use crate::directory::password_matches;
use crate::feed::Feed;

/// One durable step.
#[derive(Debug)]
pub(super) enum Step {
    /// D1: a payment is taken in, or refused.
    Create(Box<Create>),
    /// D2: code and password are evaluated.
    Authorize(Authorize),
    Resend(ResendCode),
    Cancel {
        payment: PaymentId,
        terminal: TerminalId,
    },
    Reverse(Reversal),
    Refund(NewRefund),
    /// D4: the bank holds the money: the commit point.
    Held {
        payment: PaymentId,
    },
    HoldRefused {
        payment: PaymentId,
        reason: Reason,
    },
    Abort {
        payment: PaymentId,
    },
    Voided {
        payment: PaymentId,
    },
    /// D6: the bank has posted.
    Posted {
        payment: PaymentId,
    },
    RefundPosted {
        refund: PaymentId,
        original: PaymentId,
    },
    RefundRefused {
        refund: PaymentId,
        original: PaymentId,
        reason: Reason,
    },
    ReversalPosted {
        payment: PaymentId,
    },
    Expire {
        payment: PaymentId,
    },
}

/// A new payment with the code that goes to the payer's phone.
#[derive(Debug)]
pub(super) struct Create {
    pub new: NewPayment,
    pub code: NewCode,
}

/// A code, and the same under the key of sealed payloads.
#[derive(Debug)]
pub(super) struct NewCode {
    pub code: OneTimeCode,
    pub sealed: Vec<u8>,
}

/// A try, as it was typed.
pub(super) struct Authorize {
    pub payment: PaymentId,
    pub attempt: AttemptId,
    pub terminal: TerminalId,
    pub code: OneTimeCode,
    pub password: TransactionPassword,
    pub leg_id: LegId,
}

impl std::fmt::Debug for Authorize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorize").field("payment", &self.payment).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct ResendCode {
    pub payment: PaymentId,
    pub attempt: AttemptId,
    pub terminal: TerminalId,
    pub code: NewCode,
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The payment (for a refund, the refund) afterwards, or why nothing was changed.
    pub payment: Result<Payment, Reason>,
    /// What the bank's answer did, for steps that carry one.
    pub settled: Settled,
    /// Whether this step took the payment to HOLDING, so that its caller is the one to ask the bank.
    pub to_hold: bool,
    event: Option<Arc<Event>>,
}

impl Outcome {
    fn of(payment: Result<Payment, Reason>) -> Self {
        Self { payment, settled: Settled::Already, to_hold: false, event: None }
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct PaymentSteps {
    pub policy: Policy,
    pub keys: Arc<dyn KeyStore>,
    pub chain: Mutex<Chain>,
    pub owner: Arc<Owner>,
    pub feed: Feed,
    pub watchers: Watchers,
    /// Only the writer's thread uses it, so that nobody ever waits for this lock.
    pub recent: Mutex<Recent>,
}

impl Step {
    fn name(&self, named: &mut Named) {
        match self {
            Self::Create(create) => {
                named.payments.push(create.new.id);
                named.payers.extend(create.new.payer.as_ref().map(|payer| payer.person_id));
            }
            Self::Authorize(Authorize { payment, .. }) => {
                named.payments.push(*payment);
                named.with_password.push(*payment);
            }
            // These count what is sent to the payer, or tell the payer.
            Self::Resend(ResendCode { payment, .. }) | Self::Held { payment } | Self::ReversalPosted { payment } => {
                named.payments.push(*payment);
                named.with_payer.push(*payment);
            }
            Self::RefundPosted { refund, original } => {
                named.payments.extend([*refund, *original]);
                named.with_payer.push(*refund);
            }
            Self::Reverse(reversal) => named.payments.push(reversal.payment_id),
            Self::Refund(new) => named.payments.extend([new.id, new.original]),
            Self::RefundRefused { refund, original, .. } => named.payments.extend([*refund, *original]),
            Self::Cancel { payment, .. }
            | Self::HoldRefused { payment, .. }
            | Self::Abort { payment }
            | Self::Voided { payment }
            | Self::Posted { payment }
            | Self::Expire { payment } => named.payments.push(*payment),
        }
    }

    /// The durable point of DESIGN §2 that this step is, for fault points.
    fn durable_point(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Create(_) => Some(("D1.before", "D1.after")),
            Self::Authorize(_) => Some(("D2.before", "D2.after")),
            Self::Held { .. } => Some(("D4.before", "D4.after")),
            Self::Posted { .. } => Some(("D6.before", "D6.after")),
            _ => None,
        }
    }
}

impl StepSet for PaymentSteps {
    const NAME: &'static str = "payments-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut recent = self.recent.lock().await;
        let mut named = Named::default();
        steps.iter().for_each(|step| step.name(&mut named));
        let mut books = Books::load(tx, &named, &recent).await?;
        let mut outcomes = self.decide_all(&mut books, steps, tx.now())?;
        if books.rest_on_memory() {
            recent.forget();
            books = Books::load(tx, &named, &recent).await?;
            outcomes = self.decide_all(&mut books, steps, tx.now())?;
        }
        self.chain.lock().await.append(tx, std::mem::take(&mut books.log)).await?;
        self.feed.announce(tx, &books.told());
        recent.wrote(books.write(tx).await?);
        for (before, _) in steps.iter().filter_map(Step::durable_point) {
            fault::point(before);
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        if let Ok(mut chain) = self.chain.try_lock() {
            chain.confirm();
        }
        if let Ok(mut recent) = self.recent.try_lock() {
            recent.confirm();
        }
        for (_, after) in steps.iter().filter_map(Step::durable_point) {
            fault::point(after);
        }
        let events: Vec<Arc<Event>> = outcomes.iter().filter_map(|outcome| outcome.event.clone()).collect();
        self.feed.publish(&events);
        for payment in outcomes.iter().filter_map(|outcome| outcome.payment.as_ref().ok()) {
            self.watchers.changed(payment);
        }
    }

    fn dropped(&self, _: &StoreError) {
        if let Ok(mut chain) = self.chain.try_lock() {
            chain.forget();
        }
        if let Ok(mut recent) = self.recent.try_lock() {
            recent.forget();
        }
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.try_lock().is_ok_and(|chain| chain.is_unsealed())
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.lock().await.seal(tx).await
    }
}

impl PaymentSteps {
    fn decide_all(&self, books: &mut Books, steps: &[Step], now: Timestamp) -> Result<Vec<Outcome>, StoreError> {
        steps.iter().map(|step| self.decide(books, step, now)).collect()
    }

    fn decide(&self, books: &mut Books, step: &Step, now: Timestamp) -> Result<Outcome, StoreError> {
        Ok(match step {
            Step::Create(create) => self.create(books, create, now),
            Step::Authorize(authorize) => self.authorize(books, authorize, now)?,
            Step::Resend(resend) => self.resend(books, resend, now)?,
            Step::Cancel { payment, terminal } => {
                let done = books.change(*payment, |payment, _| payment.cancel(terminal, now)).flatten();
                Outcome::of(done.and_then(|()| found(books, *payment)))
            }
            Step::Reverse(reversal) => reverse(books, reversal, now),
            Step::Refund(new) => refund(books, new, now),
            Step::Held { payment } => self.held(books, *payment, now),
            Step::HoldRefused { payment, reason } => settle(books, *payment, |payment| payment.refuse(*reason, now)),
            Step::Abort { payment } => settle(books, *payment, |payment| payment.abort(Reason::DecisionTimedOut, now)),
            Step::Voided { payment } => settle(books, *payment, Payment::aborted),
            Step::Posted { payment } => settle(books, *payment, |payment| payment.posted(now)),
            Step::RefundPosted { refund, original } => refund_posted(books, *refund, *original, now),
            Step::RefundRefused { refund, original, reason } => refund_refused(books, *refund, *original, *reason, now),
            Step::ReversalPosted { payment } => reversal_posted(books, *payment, now),
            Step::Expire { payment } => settle(books, *payment, |payment| match payment.expire(now) {
                true => Settled::Moved,
                false => Settled::Already,
            }),
        })
    }

    fn create(&self, books: &mut Books, create: &Create, now: Timestamp) -> Outcome {
        let new = &create.new;
        if let Some(existing) = books.payment(new.id) {
            let same = existing.same_request(&new.terminal.id, &new.fingerprint);
            return Outcome::of(same.and_then(|()| found(books, new.id)));
        }
        let person = new.payer.as_ref().map(|payer| payer.person_id);
        let payment = books.with_guard(person, |guard| Payment::create(new.clone(), guard, now, &self.policy));
        books.add(payment.clone());
        let event = tell_code(books, &payment, &create.code, now);
        Outcome { event, ..Outcome::of(Ok(payment)) }
    }

    fn authorize(&self, books: &mut Books, typed: &Authorize, now: Timestamp) -> Result<Outcome, StoreError> {
        let Some(payment) = books.payment(typed.payment) else {
            return Ok(Outcome::of(Err(Reason::PaymentUnknown)));
        };
        let proof = self.prove(books, payment, typed)?;
        let attempt = Attempt { id: typed.attempt, terminal_id: typed.terminal.clone(), proof, leg_id: typed.leg_id };
        let done = books.change(typed.payment, |payment, guard| match guard {
            Some(guard) => payment.authorize(&attempt, guard, now, &self.policy),
            None => payment.owned_by(&attempt.terminal_id).map(|_| ()).and(Err(Reason::NotAwaitingCode)),
        });
        let after = done.flatten().and_then(|()| found(books, typed.payment));
        // The leg is new with every call: when it stands in the payment, this call is the one that took it to HOLDING, also when
        // the set was run again after an unknown outcome of COMMIT.
        let leg = |payment: &Payment| payment.charge.as_ref().and_then(|charge| charge.leg_id);
        let to_hold =
            after.as_ref().is_ok_and(|payment| payment.state == State::Holding && leg(payment) == Some(typed.leg_id));
        Ok(Outcome { to_hold, ..Outcome::of(after) })
    }

    /// Compares what was typed in constant time. Both comparisons are always made.
    fn prove(&self, books: &Books, payment: &Payment, typed: &Authorize) -> Result<Proof, StoreError> {
        let stored = payment.challenge.as_ref().map_or([0; 32], |challenge| challenge.code_mac);
        let bound = code_context(payment.id, payment.amount, &payment.terminal_id);
        let parts: [&[u8]; 2] = [typed.code.reveal().as_bytes(), &bound];
        let code_matches = self.keys.mac_matches(KeyName::OneTimeCode, &parts, &stored)?;
        let person = payment.person_id.unwrap_or(PersonId::from_uuid(Uuid::nil()));
        let password_matches =
            password_matches(self.keys.as_ref(), &person, typed.password.reveal(), books.password(person))
                .map_err(|error| StoreError::Refused(format!("a password cannot be compared: {error}")))?;
        Ok(Proof { code_matches, password_matches })
    }

    fn resend(&self, books: &mut Books, resend: &ResendCode, now: Timestamp) -> Result<Outcome, StoreError> {
        let Some(payment) = books.payment(resend.payment) else {
            return Ok(Outcome::of(Err(Reason::PaymentUnknown)));
        };
        let bound = code_context(payment.id, payment.amount, &payment.terminal_id);
        let code_mac = code_mac(self.keys.as_ref(), &resend.code.code, &bound)?;
        let asked = Resend { id: resend.attempt, terminal_id: resend.terminal.clone(), code_mac };
        let done = books.change(resend.payment, |payment, guard| match guard {
            Some(guard) => payment.resend(&asked, guard, now, &self.policy),
            None => payment.owned_by(&asked.terminal_id).map(|_| false).and(Err(Reason::NotAwaitingCode)),
        });
        let sent = match done.flatten() {
            Ok(sent) => sent,
            Err(reason) => return Ok(Outcome::of(Err(reason))),
        };
        let after = found(books, resend.payment);
        let event = match &after {
            Ok(payment) if sent => tell_code(books, payment, &resend.code, now),
            _ => None,
        };
        Ok(Outcome { event, ..Outcome::of(after) })
    }

    fn held(&self, books: &mut Books, id: PaymentId, now: Timestamp) -> Outcome {
        let outcome = settle_with_payer(books, id, |payment, payer| payment.commit(payer, now, &self.policy));
        let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
        let event = books.record(payment);
        Outcome { event, ..outcome }
    }
}

/// What a code is bound to besides itself: the payment, the amount and the payee.
pub(super) fn code_context(id: PaymentId, amount: domain::Money, terminal: &TerminalId) -> Vec<u8> {
    let mut context = id.uuid().as_bytes().to_vec();
    context.extend_from_slice(&amount.minor.to_be_bytes());
    context.extend_from_slice(amount.currency.code().as_bytes());
    context.extend_from_slice(terminal.as_str().as_bytes());
    context
}

pub(super) fn code_mac(keys: &dyn KeyStore, code: &OneTimeCode, context: &[u8]) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::OneTimeCode, &[code.reveal().as_bytes(), context])
}

fn found(books: &Books, id: PaymentId) -> Result<Payment, Reason> {
    books.payment(id).cloned().ok_or(Reason::PaymentUnknown)
}

fn settle(books: &mut Books, id: PaymentId, rule: impl FnOnce(&mut Payment) -> Settled) -> Outcome {
    settle_with_payer(books, id, |payment, _| rule(payment))
}

fn settle_with_payer(
    books: &mut Books,
    id: PaymentId,
    rule: impl FnOnce(&mut Payment, Option<&mut PayerGuard>) -> Settled,
) -> Outcome {
    match books.change(id, rule) {
        Ok(settled) => Outcome { settled, ..Outcome::of(found(books, id)) },
        Err(reason) => Outcome::of(Err(reason)),
    }
}

pub(super) fn tell_code(books: &mut Books, payment: &Payment, code: &NewCode, now: Timestamp) -> Option<Arc<Event>> {
    let (challenge, seller) = (payment.challenge.as_ref()?, payment.seller.as_ref()?);
    let kind = EventKind::Code {
        payment_id: payment.id,
        code: Some(code.code.clone()),
        amount: payment.amount,
        merchant: seller.merchant.clone(),
        expires_at: challenge.expires_at,
    };
    books.tell(payment, kind, now, Some(code.sealed.clone()))
}

fn reverse(books: &mut Books, reversal: &Reversal, now: Timestamp) -> Outcome {
    if books.payment(reversal.payment_id).is_none() {
        let tombstone = Payment::tombstone(reversal, now);
        books.add(tombstone.clone());
        return Outcome::of(Ok(tombstone));
    }
    let done = books.change(reversal.payment_id, |payment, _| payment.reverse(reversal, now)).flatten();
    Outcome::of(done.and_then(|()| found(books, reversal.payment_id)))
}

fn refund(books: &mut Books, new: &NewRefund, now: Timestamp) -> Outcome {
    if let Some(existing) = books.payment(new.id) {
        let same = existing.same_request(&new.terminal_id, &new.fingerprint);
        return Outcome::of(same.and_then(|()| found(books, new.id)));
    }
    let taken = books.change(new.original, |payment, _| payment.refund(new.clone(), now)).flatten();
    if let Ok(refund) = &taken {
        books.add(refund.clone());
    }
    Outcome::of(taken)
}

fn refund_posted(books: &mut Books, refund: PaymentId, original: PaymentId, now: Timestamp) -> Outcome {
    let outcome = settle(books, refund, |payment| payment.posted(now));
    let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
    let event = given_back(books, payment, original, now, false);
    Outcome { event, ..outcome }
}

fn refund_refused(
    books: &mut Books,
    refund: PaymentId,
    original: PaymentId,
    reason: Reason,
    now: Timestamp,
) -> Outcome {
    let (Ok(mut declined), Ok(mut first)) = (found(books, refund), found(books, original)) else {
        return Outcome::of(Err(Reason::PaymentUnknown));
    };
    if !declined.refund_refused(&mut first, reason, now) {
        return Outcome::of(Ok(declined));
    }
    books.replace(declined.clone());
    books.replace(first);
    Outcome { settled: Settled::Moved, ..Outcome::of(Ok(declined)) }
}

fn reversal_posted(books: &mut Books, id: PaymentId, now: Timestamp) -> Outcome {
    let outcome = settle(books, id, |payment| match payment.reversed() {
        true => Settled::Moved,
        false => Settled::Already,
    });
    let (Settled::Moved, Ok(payment)) = (outcome.settled, &outcome.payment) else { return outcome };
    let event = given_back(books, payment, id, now, true);
    Outcome { event, ..outcome }
}

/// Money has come back: the record is brought up to date and the person is told.
fn given_back(
    books: &mut Books,
    payment: &Payment,
    original: PaymentId,
    now: Timestamp,
    reversal: bool,
) -> Option<Arc<Event>> {
    let merchant = payment.seller.as_ref()?.merchant.clone();
    let sequence = books.payment(original)?.charge_sequence?;
    books.give_back(GivenBack { person_id: payment.person_id?, sequence, amount_minor: payment.amount.minor });
    let kind = EventKind::GiveBack { payment_id: original, amount: payment.amount, reversal, merchant };
    books.tell(payment, kind, now, None)
}
