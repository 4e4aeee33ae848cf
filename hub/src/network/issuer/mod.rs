//! Banks that take part only through a card network: the hub is the acquirer, over a line that it keeps itself (M6; ADR 34).
//!
//! `crate::bank` asks here for a bank whose endpoint names a line, and nobody above it knows the difference. What takes money moves it at
//! the bank; what was approved and is not wanted is taken back by a reversal, which is told until it is acknowledged. The payment's own row
//! says what is still to be told (ADR 1), as with a bank that has an adapter.
//!
//! | file | |
//! |---|---|
//! | `config`, `link` | which lines there are, and which banks behind them |
//! | `message` | the fields of what goes out, and what is read of an answer |
//! | `line`, `session` | the connection: sign-on, keys, echo, which answer belongs to which message |
//! | `steps`, `set`, `sql` | what is kept: every message before it goes out, every answer before it counts |
//! | `cards` | cards by which people pay without showing them |
//! | `check` | what must never be so |
//! | `totals` | the totals of each day, which the network is told and compares |
//! | `told` | what comes by itself: late approvals, cut-over; and what is told again by itself |

mod cards;
mod check;
pub mod config;
mod line;
mod link;
mod message;
mod session;
mod set;
mod sql;
mod steps;
mod told;
mod totals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::network::{Said, Standing, said};
use domain::payment::{Instrument, Payment};
use domain::{BankId, LegId, Money, PaymentId, Reason};
use iso8583::Message;
use jiff::tz::TimeZone;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::{SharedClock, Stopwatch};
use server_kit::fault;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::SharedRng;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use config::IssuerConfig;
use line::{Line, LineError, Sending};
use link::Link;
use message::{Answer, Draft, Trace, entry_mode, first_of, mti_of};
use sql::Order;
use steps::{IssuerSteps, Named, Outcome, Step};

pub(crate) use check::CHECKS;

use super::NetworkError;
use crate::bank::{GiveBackAnswer, HoldAnswer, PresentedCard};
use crate::directory::Directory;

/// How a bank's endpoint names a line.
pub(crate) const SCHEME: &str = "iso8583://";
/// How long a message waits for a line that is just being made again.
const UP_WITHIN: Duration = Duration::from_secs(1);
/// How the number was given for a card that nobody showed, field 25 (ISO 8583:1987, annex A.9): by phone.
const BY_PHONE: u64 = 8;

/// What lines stand on.
#[derive(Debug)]
pub struct IssuerParts {
    pub store: Store,
    pub owner: Arc<Owner>,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    /// Of fields 12 and 13, and of the days of lines that were never cut over.
    pub zone: TimeZone,
    pub directory: Directory,
    pub federation: String,
    /// Tries of a message that takes money, all with the same numbers.
    pub tries: u32,
}

/// All lines of this replica. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Issuers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    keys: SharedKeyStore,
    clock: SharedClock,
    steps: Arc<IssuerSteps>,
    writer: GroupWriter<IssuerSteps>,
    lines: BTreeMap<String, (Arc<Link>, Line)>,
    tries: u32,
}

/// Tasks by what they do.
pub type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// What was asked, and what came of it.
enum Told {
    Stands(Standing),
    /// The leg is void whatever comes.
    Void,
    Impossible(Reason),
    Unknown,
}

impl Issuers {
    /// Starts every line that is configured; none if there is none. The tasks end when the last clone is gone, or the hub drains.
    pub fn start(
        config: &BTreeMap<String, IssuerConfig>,
        parts: IssuerParts,
        draining: &CancellationToken,
    ) -> Result<Option<(Self, Tasks)>, NetworkError> {
        if config.is_empty() {
            return Ok(None);
        }
        let IssuerParts { store, owner, keys, clock, rng, zone, directory, federation, tries } = parts;
        let mut links = BTreeMap::new();
        for (id, config) in config {
            links.insert(id.clone(), Arc::new(Link::read(id, config, &federation)?));
        }
        let chain = HeldChain::from(Chain::new(&format!("{}/issuers", owner.name()), keys.clone()));
        let steps = Arc::new(IssuerSteps { owner, chain, zone, keys: keys.clone(), links: links.clone() });
        let (writer, task) = GroupWriter::start(store.clone(), steps.clone(), WriterOptions::default());
        let mut tasks = vec![("messages to card networks", task)];
        let (mut lines, mut heard) = (BTreeMap::new(), Vec::new());
        for (id, link) in links {
            let started = Line::start(link.clone(), clock.clone(), rng.clone());
            tasks.push(("a line to a card network", started.task));
            heard.push((link.clone(), started.told));
            tasks.push(("card numbers of a network", told::register(link.clone(), directory.clone(), draining)));
            lines.insert(id, (link, started.line));
        }
        let inner = Inner { store, keys, clock, steps, writer, lines, tries: tries.max(1) };
        let issuers = Self { inner: Arc::new(inner) };
        for (link, told) in heard {
            tasks.push(("what a card network tells", told::listen(&issuers, link, told, draining)));
        }
        tasks.push(("what is told again", told::tell_again(&issuers, draining)));
        tasks.push(("the days of lines", totals::keep(&issuers, draining)));
        Ok(Some((issuers, tasks)))
    }

    /// The line of a bank's endpoint, if it names one that is configured here.
    pub(crate) fn line_of<'e>(&self, endpoint: &'e str) -> Option<&'e str> {
        endpoint.strip_prefix(SCHEME).filter(|line| self.inner.lines.contains_key(*line))
    }

    async fn step(&self, step: Step) -> Result<Outcome, StoreError> {
        self.inner.writer.write(step).await
    }

    /// Asks for the money of a payment a few times, always by the same message, until the network answers.
    pub(crate) async fn hold(&self, line: &str, payment: &Payment, card: Option<Arc<PresentedCard>>) -> HoldAnswer {
        let drafted = self.draft(line, payment, card.as_deref()).await;
        let (named, draft) = match drafted {
            Ok(Ok(drafted)) => drafted,
            Ok(Err(reason)) => return HoldAnswer::Impossible(reason),
            Err(error) => {
                tracing::warn!(payment = %payment.id, %error, "a payment could not be made ready for a card network");
                return HoldAnswer::Unknown;
            }
        };
        let asked = draft.asked;
        let make = || Draft {
            pan: draft.pan.clone(),
            seller: draft.seller.clone(),
            receiver: draft.receiver.clone(),
            ..draft
        };
        let mut last = Told::Unknown;
        for _ in 0..self.inner.tries {
            if !self.is_up(line).await {
                // What was certainly never sent is a plain no.
                match sql::is_known(&self.inner.store, named.leg).await {
                    Ok(false) => return HoldAnswer::Impossible(Reason::BankAway),
                    Ok(true) | Err(_) => continue,
                }
            }
            last = self.tell(Step::First { named: named.clone(), draft: Box::new(make()) }, card.clone()).await;
            if !matches!(last, Told::Unknown | Told::Stands(Standing::Asked)) {
                break;
            }
            tracing::warn!(payment = %payment.id, line, asked = asked.as_str(), "a card network gave no clear answer");
        }
        match last {
            Told::Stands(Standing::Done) => {
                let registered = match &card {
                    Some(card) => self.registered(card.pan()).await,
                    None => Ok(None),
                };
                match registered {
                    Ok(card_id) => HoldAnswer::Held { card_id, credit_minor: None },
                    Err(error) => {
                        tracing::warn!(payment = %payment.id, %error, "a card's holder cannot be looked up");
                        HoldAnswer::Unknown
                    }
                }
            }
            Told::Stands(Standing::Refused(reason)) => HoldAnswer::Refused(of_a_card(reason)),
            Told::Void => HoldAnswer::Refused(Reason::DecisionTimedOut),
            Told::Impossible(reason) => HoldAnswer::Impossible(reason),
            Told::Stands(Standing::Asked) | Told::Unknown => HoldAnswer::Unknown,
        }
    }

    /// What the leg of a payment begins with. `Err` inside with why there is no such message.
    async fn draft(
        &self,
        line: &str,
        payment: &Payment,
        card: Option<&PresentedCard>,
    ) -> Result<Result<(Named, Draft), Reason>, StoreError> {
        let parts = payment.charge.as_ref().zip(payment.seller.clone());
        let Some((charge, seller)) = parts else { return Ok(Err(Reason::Fault)) };
        let (Some(leg), Some((link, _))) = (charge.leg_id, self.inner.lines.get(line)) else {
            return Ok(Err(Reason::Fault));
        };
        let (asked, code) = match payment.kind.nature().ok_or(Reason::NatureUnsupported).and_then(first_of) {
            Ok(first) => first,
            Err(reason) => return Ok(Err(reason)),
        };
        if card.is_some_and(|card| card.has_pin() && card.pin().is_none()) {
            return Ok(Err(Reason::PinKeyUnknown));
        }
        let pan = match (card, charge.instrument) {
            (Some(card), _) => card.pan().clone(),
            (None, Some(Instrument::Card(id))) => match self.number_of(&charge.bank_id, id).await? {
                Some(pan) => pan,
                None => return Ok(Err(Reason::CardUnknown)),
            },
            (None, _) => return Ok(Err(Reason::AccountUnknown)),
        };
        let named = Named { link: line.to_owned(), bank: charge.bank_id.clone(), leg, payment: payment.id };
        let draft = Draft {
            asked,
            code,
            pan,
            amount: payment.amount,
            entry_mode: entry_mode(card),
            condition: if card.is_some() { 0 } else { BY_PHONE },
            seller,
            receiver: link.banks.get(&charge.bank_id).and_then(|member| member.institution.clone()),
        };
        Ok(Ok((named, draft)))
    }

    async fn is_up(&self, line: &str) -> bool {
        match self.inner.lines.get(line) {
            Some((_, line)) => line.is_up_within(UP_WITHIN).await,
            None => false,
        }
    }

    /// Takes a step, sends the message that is to go out by it, and takes the answer in.
    async fn tell(&self, step: Step, card: Option<Arc<PresentedCard>>) -> Told {
        match self.step(step).await {
            Ok(Outcome::Send { order, is_repeat }) => self.send(&order, is_repeat, card).await,
            Ok(Outcome::Stands(standing)) => Told::Stands(standing),
            Ok(Outcome::Void) => Told::Void,
            Ok(Outcome::Impossible(reason)) => Told::Impossible(reason),
            Ok(_) => Told::Unknown,
            Err(error) => {
                tracing::warn!(%error, "a message to a card network could not be kept");
                Told::Unknown
            }
        }
    }

    /// Sends a message that was kept, and takes the answer in.
    async fn send(&self, order: &Order, is_repeat: bool, card: Option<Arc<PresentedCard>>) -> Told {
        let watch = Stopwatch::start();
        let asked = self.ask(order, is_repeat, card).await;
        let result = match &asked {
            Ok((Said::Done, _)) => "done",
            Ok((Said::Refused(_), _)) => "refused",
            Ok(_) => "unclear",
            Err(LineError::NotSent) => "not_sent",
            Err(LineError::NotShown(_)) => "not_shown",
            Err(LineError::NoAnswer) => "no_answer",
        };
        let (link, name) = (order.link.clone(), order.asked.as_str());
        metrics::histogram!("bankhub_issuer_request_seconds", "link" => link.clone(), "asked" => name)
            .record(watch.elapsed());
        metrics::counter!("bankhub_issuer_requests_total", "link" => link, "asked" => name, "result" => result)
            .increment(1);
        let (said, approval_code) = match asked {
            Ok(said) => said,
            // It has gone out to nobody, and will not: whoever pays is told so at once.
            Err(LineError::NotShown(reason)) if !is_repeat => (Said::Refused(reason), None),
            Err(_) => return Told::Unknown,
        };
        fault::point("issuer.answered");
        let step = Step::Answered { leg: order.leg, asked: order.asked, original: order.original, said, approval_code };
        match self.step(step).await {
            Ok(Outcome::Stands(standing)) => Told::Stands(standing),
            Ok(Outcome::Void) => Told::Void,
            Ok(_) => Told::Unknown,
            Err(error) => {
                tracing::warn!(%error, "the answer of a card network could not be kept");
                Told::Unknown
            }
        }
    }

    async fn ask(
        &self,
        order: &Order,
        is_repeat: bool,
        card: Option<Arc<PresentedCard>>,
    ) -> Result<(Said, Option<String>), LineError> {
        let (link, line) = self.inner.lines.get(&order.link).ok_or(LineError::NotSent)?;
        let opened = self.inner.steps.open(order).map_err(|error| {
            tracing::error!(%error, "a message to a card network cannot be sent");
            LineError::NotSent
        })?;
        let octets: Arc<Zeroizing<Vec<u8>>> = Arc::new(opened);
        let mti = mti_of(order.asked);
        let sending = Sending { octets: octets.clone(), is_repeat, card };
        let trace = Trace::of(order.stan, order.sent_at);
        let answer: Answer = line.ask(sending, trace, mti.answer().unwrap_or(mti)).await?;
        let mut heard = said(order.asked, &answer.code);
        let sent = Message::read(link.manner.dialect, &octets);
        if heard == Said::Done && !sent.is_ok_and(|sent| answer.is_of(&sent)) {
            tracing::error!(link = link.id, payment = %order.payment, "a card network approves something else than it was asked");
            heard = Said::Unclear(Reason::Fault);
        }
        if let Said::Unclear(reason) = heard
            && !order.asked.may_be_refused()
        {
            // Forward only: it has been decided, so if the network means it somebody has to look.
            let (asked, code) = (order.asked.as_str(), answer.code.clone());
            metrics::counter!("bankhub_issuer_advices_refused_total", "link" => link.id.clone(), "asked" => asked)
                .increment(1);
            tracing::warn!(link = link.id, payment = %order.payment, asked, code, reason = reason.code(), "a card network does not take what was decided");
        }
        Ok((heard, answer.approval_code))
    }

    /// Has a leg be as if it had not been. `true` when the network has acknowledged it, or never heard of the leg and never will.
    pub(crate) async fn void(&self, line: &str, bank: &BankId, leg: LegId, payment: PaymentId) -> bool {
        let named = Named { link: line.to_owned(), bank: bank.clone(), leg, payment };
        matches!(self.tell(Step::Void(named), None).await, Told::Void | Told::Stands(Standing::Done))
    }

    /// Takes of what was reserved what was really used. `true` when the network has acknowledged it.
    pub(crate) async fn complete(
        &self,
        line: &str,
        bank: &BankId,
        (leg, payment): (LegId, PaymentId),
        amount: Money,
    ) -> bool {
        let named = Named { link: line.to_owned(), bank: bank.clone(), leg, payment };
        matches!(self.tell(Step::Complete { named, amount }, None).await, Told::Stands(Standing::Done))
    }

    /// Gives back of what was taken.
    pub(crate) async fn give_back(
        &self,
        line: &str,
        bank: &BankId,
        (leg, payment): (LegId, PaymentId),
        (original, amount): (LegId, Money),
    ) -> GiveBackAnswer {
        let named = Named { link: line.to_owned(), bank: bank.clone(), leg, payment };
        match self.tell(Step::GiveBack { named, original, amount }, None).await {
            Told::Stands(Standing::Done) => GiveBackAnswer::Posted,
            Told::Stands(Standing::Refused(reason)) => GiveBackAnswer::Refused(of_a_card(reason)),
            Told::Stands(Standing::Asked) | Told::Void | Told::Impossible(_) | Told::Unknown => GiveBackAnswer::Unknown,
        }
    }

    /// Which of these legs have been taken from their cards, as everything that was approved has: there is nothing to tell.
    pub(crate) async fn post(&self, legs: &[LegId]) -> Vec<LegId> {
        match self.step(Step::Taken(legs.to_vec())).await {
            Ok(Outcome::Taken(taken)) => taken,
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "what was taken over a card network cannot be read yet");
                Vec::new()
            }
        }
    }
}

/// Whether there is such a card is nobody's business at a terminal; and a wrong PIN is not a wrong code.
const fn of_a_card(reason: Reason) -> Reason {
    match reason {
        Reason::CardUnknown | Reason::PayerUnavailable | Reason::VerificationFailed => Reason::CardNotVerified,
        reason => reason,
    }
}
