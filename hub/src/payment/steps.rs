//! The durable steps of payments, run in sets by one writer (DESIGN §2 and §4). Each step calls one rule of
//! `domain::payment`; this file loads, calls and writes.

use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::payment::{
    Attempt, Completion, Held, NewCardPayment, NewPayment, NewRefund, NewTopUp, Payment, Policy, Proof, Resend,
    Reversal, Routed, Settled, State,
};
use domain::{AttemptId, LegId, OneTimeCode, PaymentId, PersonId, Reason, TerminalId, Timestamp, TransactionPassword};
use server_kit::audit::HeldChain;
use server_kit::fault;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use tokio::sync::Mutex;

use super::approval::{Approve, Decline};
use super::books::{Books, Named};
use super::code::{code_context, code_mac};
use super::money_back::{refund, refund_posted, refund_refused, reversal_posted, reverse};
use super::recent::Recent;
use super::taking::{above_limit, told_by_network};
use super::top_up::holders_of;
use super::watch::Watchers;
use crate::directory::{NOBODY, password_matches};
use crate::feed::Feed;
use crate::fees::Fees;
use crate::limits::PaymentLimits;
use crate::network::{Noted, note};
use crate::offers;

/// One durable step.
#[derive(Debug)]
pub(super) enum Step {
    /// D1: a payment is taken in, or refused.
    Create(Box<Create>),
    /// D2 of a payment with a card: it is taken in, and its leg with it.
    CreateCard(Box<NewCardPayment>),
    /// D2 of a top-up, which has no code either.
    CreateTopUp(Box<NewTopUp>),
    /// D4 of a pre-authorisation: what was really used is charged: the commit point.
    Complete(Completion),
    /// A pre-authorisation was not completed in time.
    Lapse {
        payment: PaymentId,
    },
    /// D4 of a payment that a network charged by itself, or its end.
    ToldByNetwork(Routed),
    /// D2: code and password are evaluated.
    Authorize(Authorize),
    /// D2 on the payer's phone: signature and password are evaluated.
    Approve(Box<Approve>),
    /// The payer says no on the phone.
    Decline(Decline),
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
        held: Held,
    },
    HoldRefused {
        payment: PaymentId,
        reason: Reason,
    },
    Abort {
        payment: PaymentId,
        reason: Reason,
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
    /// The message of a link by which it came.
    pub noted: Option<Noted>,
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
    /// As [`Attempt::route`].
    pub route: Option<Result<(), Reason>>,
    /// The message of a link by which it came.
    pub noted: Option<Noted>,
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
    pub event: Option<Arc<Event>>,
}

impl Outcome {
    pub(super) fn of(payment: Result<Payment, Reason>) -> Self {
        Self { payment, settled: Settled::Already, to_hold: false, event: None }
    }

    /// What came of a try with this leg. The leg is new with every call: when it stands in the payment, this call is the one that took it to
    /// HOLDING, also when the set was run again after an unknown outcome of COMMIT.
    pub(super) fn of_try(payment: Result<Payment, Reason>, leg_id: LegId) -> Self {
        let leg = |payment: &Payment| payment.charge.as_ref().and_then(|charge| charge.leg_id);
        let is_it = |payment: &Payment| payment.state == State::Holding && leg(payment) == Some(leg_id);
        Self { to_hold: payment.as_ref().is_ok_and(is_it), ..Self::of(payment) }
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct PaymentSteps {
    pub policy: Policy,
    pub limits: PaymentLimits,
    pub fees: Fees,
    pub keys: Arc<dyn KeyStore>,
    pub chain: HeldChain,
    pub owner: Arc<Owner>,
    pub feed: Feed,
    pub watchers: Watchers,
    /// Only the writer's thread uses it, so that nobody ever waits for this lock.
    pub recent: Mutex<Recent>,
}

impl Step {
    fn name(&self, named: &mut Named) {
        named.limited.extend(self.limited());
        match self {
            Self::Create(create) => {
                named.payments.push(create.new.id);
                // For a number that nobody has it is looked for counters all the same: it takes as long as one that cannot pay.
                named.payers.push(create.new.payer.as_ref().map_or(NOBODY, |payer| payer.person_id));
            }
            Self::Authorize(Authorize { payment, attempt, noted, .. }) => {
                named.payments.push(*payment);
                named.crossing.extend(noted.as_ref().map(|_| PaymentId::from_uuid(attempt.uuid())));
                named.with_password.push(*payment);
            }
            Self::Approve(approve) => {
                named.payments.push(approve.form.payment_id);
                named.with_password.push(approve.form.payment_id);
                named.phones.push(approve.device_id);
            }
            Self::Decline(decline) => {
                named.payments.push(decline.payment);
                named.phones.push(decline.device_id);
            }
            // These count what is sent to the payer, or tell the payer.
            Self::Resend(ResendCode { payment, .. })
            | Self::Complete(Completion { payment_id: payment, .. })
            | Self::ToldByNetwork(Routed { payment_id: payment, .. })
            | Self::ReversalPosted { payment } => {
                named.payments.push(*payment);
                named.with_payer.push(*payment);
            }
            Self::Held { payment, held } => {
                named.payments.push(*payment);
                named.with_payer.push(*payment);
                named.payers.extend(held.person_id);
            }
            Self::CreateCard(new) => named.payments.push(new.id),
            Self::CreateTopUp(new) => {
                named.payments.push(new.id);
                named.payers.extend(new.payee.as_ref().map(|payee| payee.person_id));
                named.cash.extend(holders_of(new));
            }
            Self::RefundPosted { refund, original } => {
                named.payments.extend([*refund, *original]);
                named.with_payer.push(*refund);
            }
            Self::Reverse(reversal) => {
                named.payments.push(reversal.payment_id);
                named.with_payer.push(reversal.payment_id);
                named.crossing.push(reversal.payment_id);
            }
            Self::Refund(new) => named.payments.extend([new.id, new.original]),
            Self::RefundRefused { refund, original, .. } => named.payments.extend([*refund, *original]),
            Self::Cancel { payment, .. }
            | Self::HoldRefused { payment, .. }
            | Self::Abort { payment, .. }
            | Self::Lapse { payment }
            | Self::Voided { payment }
            | Self::Posted { payment }
            | Self::Expire { payment } => named.payments.push(*payment),
        }
    }

    /// The payment that limits may count by this step, or count no more, and whose it is as far as the bank has just said so.
    const fn limited(&self) -> Option<(PaymentId, Option<PersonId>)> {
        match self {
            Self::Held { payment, held } => Some((*payment, held.person_id)),
            Self::Complete(Completion { payment_id: payment, .. })
            | Self::Reverse(Reversal { payment_id: payment, .. })
            | Self::ToldByNetwork(Routed { payment_id: payment, .. })
            | Self::Authorize(Authorize { payment, route: Some(_), .. })
            | Self::Lapse { payment } => Some((*payment, None)),
            _ => None,
        }
    }

    /// The durable point of DESIGN §2 that this step is, for fault points.
    fn durable_point(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Create(_) => Some(("D1.before", "D1.after")),
            Self::Authorize(_) | Self::Approve(_) | Self::CreateCard(_) | Self::CreateTopUp(_) => {
                Some(("D2.before", "D2.after"))
            }
            Self::Held { .. } | Self::Complete(_) | Self::ToldByNetwork(_) => Some(("D4.before", "D4.after")),
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
        let rules = self.rules(tx.now())?;
        let mut books = Books::load(tx, &named, &recent, &rules).await?;
        let mut outcomes = self.decide_all(&mut books, steps, tx.now())?;
        if books.rest_on_memory() {
            recent.forget();
            books = Books::load(tx, &named, &recent, &rules).await?;
            outcomes = self.decide_all(&mut books, steps, tx.now())?;
        }
        self.chain.append(tx, std::mem::take(&mut books.log)).await?;
        let told = books.told();
        self.feed.hand_on(tx, &told).await?;
        offers::note(tx, &told, |person_id| books.gets_offers(person_id)).await?;
        recent.wrote(books.write(tx).await?);
        note(tx, steps.iter().filter_map(Step::noted).collect()).await?;
        for (before, _) in steps.iter().filter_map(Step::durable_point) {
            fault::point(before);
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
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
        self.chain.forget();
        if let Ok(mut recent) = self.recent.try_lock() {
            recent.forget();
        }
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
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
            Step::Approve(approve) => self.approve(books, approve, now)?,
            Step::Decline(decline) => self.decline(books, decline, now),
            Step::Resend(resend) => self.resend(books, resend, now)?,
            Step::Cancel { payment, terminal } => {
                let done = books.change(*payment, |payment, _| payment.cancel(terminal, now)).flatten();
                Outcome::of(done.and_then(|()| found(books, *payment)))
            }
            Step::Reverse(reversal) => reverse(books, reversal, now),
            Step::Refund(new) => refund(books, new, now),
            Step::CreateCard(new) => self.create_with_card(books, new, now),
            Step::CreateTopUp(new) => self.create_top_up(books, new, now),
            Step::Complete(completion) => self.complete(books, completion, now),
            Step::ToldByNetwork(told) => told_by_network(books, told, now),
            Step::Lapse { payment } => settle(books, *payment, |payment| moved(payment.lapse(now))),
            Step::Held { payment, held } => self.held(books, *payment, *held, now),
            Step::HoldRefused { payment, reason } => settle(books, *payment, |payment| payment.refuse(*reason, now)),
            Step::Abort { payment, reason } => settle(books, *payment, |payment| payment.abort(*reason, now)),
            Step::Voided { payment } => settle(books, *payment, Payment::aborted),
            Step::Posted { payment } => settle(books, *payment, |payment| payment.posted(now)),
            Step::RefundPosted { refund, original } => refund_posted(books, *refund, *original, now),
            Step::RefundRefused { refund, original, reason } => refund_refused(books, *refund, *original, *reason, now),
            Step::ReversalPosted { payment } => reversal_posted(books, *payment, now),
            Step::Expire { payment } => settle(books, *payment, |payment| moved(payment.expire(now))),
        })
    }

    fn authorize(&self, books: &mut Books, typed: &Authorize, now: Timestamp) -> Result<Outcome, StoreError> {
        if typed.noted.is_some() && books.payment(PaymentId::from_uuid(typed.attempt.uuid())).is_some() {
            return Ok(Outcome::of(Err(Reason::ReversedBeforeApproval)));
        }
        let Some(payment) = books.payment(typed.payment) else {
            return Ok(Outcome::of(Err(Reason::PaymentUnknown)));
        };
        let proof = self.prove(books, payment, typed)?;
        let (terminal_id, leg_id) = (typed.terminal.clone(), typed.leg_id);
        // Whatever is named to a network may be charged, so limits are looked at before.
        let within = |()| above_limit(books, payment, None).map_or(Ok(()), Err);
        let route = typed.route.map(|route| route.and_then(within));
        let attempt = Attempt { id: typed.attempt, terminal_id, proof, leg_id, route };
        let done = books.change(typed.payment, |payment, guard| match guard {
            Some(guard) => payment.authorize(&attempt, guard, now, &self.policy),
            None => payment.owned_by(&attempt.terminal_id).map(|_| ()).and(Err(Reason::NotAwaitingCode)),
        });
        let after = done.flatten().and_then(|()| found(books, typed.payment));
        Ok(Outcome::of_try(after, typed.leg_id))
    }

    /// Compares what was typed in constant time. Both comparisons are always made.
    fn prove(&self, books: &Books, payment: &Payment, typed: &Authorize) -> Result<Proof, StoreError> {
        let stored = payment.challenge.as_ref().map_or([0; 32], |challenge| challenge.code_mac);
        let epoch = payment.challenge.as_ref().map_or(0, |challenge| challenge.epoch);
        let bound = code_context(payment.id, payment.amount, seller(payment), epoch);
        let parts: [&[u8]; 2] = [typed.code.reveal().as_bytes(), &bound];
        let code_matches = self.keys.mac_matches(KeyName::OneTimeCode, &parts, &stored)?;
        let person = payment.person_id.unwrap_or(NOBODY);
        let password_matches = self.password_matches(books, person, &typed.password)?;
        Ok(Proof { code_matches, password_matches })
    }

    pub(super) fn password_matches(
        &self,
        books: &Books,
        person: PersonId,
        typed: &TransactionPassword,
    ) -> Result<bool, StoreError> {
        password_matches(self.keys.as_ref(), &person, typed.reveal(), books.password(person))
            .map_err(|error| StoreError::Refused(format!("a password cannot be compared: {error}")))
    }

    fn resend(&self, books: &mut Books, resend: &ResendCode, now: Timestamp) -> Result<Outcome, StoreError> {
        let Some(payment) = books.payment(resend.payment) else {
            return Ok(Outcome::of(Err(Reason::PaymentUnknown)));
        };
        let epoch = books.number_epoch(payment.person_id);
        let bound = code_context(payment.id, payment.amount, seller(payment), epoch);
        let code_mac = code_mac(self.keys.as_ref(), &resend.code.code, &bound)?;
        let asked = Resend { id: resend.attempt, terminal_id: resend.terminal.clone(), code_mac, epoch };
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
}

/// Where a payment is made: the terminal, and whose it is.
fn seller(payment: &Payment) -> (&str, &str) {
    let merchant = payment.seller.as_ref().map_or("", |seller| seller.merchant.id.as_str());
    (payment.terminal_id.as_str(), merchant)
}

pub(super) fn found(books: &Books, id: PaymentId) -> Result<Payment, Reason> {
    books.payment(id).cloned().ok_or(Reason::PaymentUnknown)
}

pub(super) fn settle(books: &mut Books, id: PaymentId, rule: impl FnOnce(&mut Payment) -> Settled) -> Outcome {
    match books.change(id, |payment, _| rule(payment)) {
        Ok(settled) => Outcome { settled, ..Outcome::of(found(books, id)) },
        Err(reason) => Outcome::of(Err(reason)),
    }
}

fn moved(moved: bool) -> Settled {
    if moved { Settled::Moved } else { Settled::Already }
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
