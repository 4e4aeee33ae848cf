//! What a terminal asks, whichever front it comes through: the calls of the contract, or a card network's messages. Each takes one durable
//! step and carries the payment on.

use std::sync::Arc;

use domain::card::Pan;
use domain::lookup::Scope;
use domain::payment::{Instrument, NewPayment, NewRefund, Payment, Reversal, Routed, Seen, Work};
use domain::purchase::Terminal;
use domain::{AttemptId, Money, OneTimeCode, PaymentId, Reason, TerminalId, TransactionPassword};
use proto::status;
use server_kit::keystore::{KeyError, KeyStore};
use server_kit::trace;
use tonic::Status;

use super::code::{code_context, code_mac};
use super::request::{ReadCreate, refund_fingerprint};
use super::service::{TerminalApi, key_fault};
use super::steps::{Authorize, Create, Step};
use crate::lookups::{Budget, LookUp};
use crate::network::Noted;
use crate::store_status::store_status;

/// A try, as it was typed.
pub(crate) struct Typed {
    pub(crate) payment: PaymentId,
    pub(crate) attempt: AttemptId,
    pub(crate) code: OneTimeCode,
    pub(crate) password: TransactionPassword,
    /// As [`domain::payment::Attempt::route`].
    pub(crate) route: Option<Result<(), Reason>>,
    /// The message of a link by which it came.
    pub(crate) noted: Option<Noted>,
}

/// Money that is to go back, in a part of a payment.
#[derive(Debug)]
pub(crate) struct WantedRefund {
    pub(crate) id: PaymentId,
    pub(crate) original: PaymentId,
    pub(crate) amount: Money,
}

impl TerminalApi {
    /// A terminal that is enrolled, suspended or not.
    pub(crate) async fn enrolled(&self, id: &TerminalId) -> Result<Arc<Terminal>, Status> {
        let terminal = self.desk.directory().terminal(id).await.map_err(|error| store_status(&error))?;
        terminal.ok_or_else(|| status(Reason::TerminalUnknown))
    }

    /// The terminal if it may take money.
    pub(crate) fn taking_money(&self, terminal: Arc<Terminal>) -> Result<Arc<Terminal>, Status> {
        if terminal.suspended {
            return Err(status(Reason::TerminalSuspended));
        }
        self.may_write(&terminal.id)?;
        Ok(terminal)
    }

    /// Pays for looking a payer up, out of the budgets of the terminal, of its merchant and of the link that it is behind. `LookupsExhausted`, whether or
    /// not the number is known.
    pub(crate) async fn may_look_up(&self, terminal: &Terminal, link: Option<&str>) -> Result<LookUp, Status> {
        self.may_send_code(&terminal.id)?;
        let mut budgets = Budget::of_terminal(&terminal.id, &terminal.merchant.id);
        budgets.extend(link.map(|link| Budget::new(Scope::Link, link)));
        let paid = self.desk.directory().lookups().pay(budgets).await;
        paid.map_err(|error| store_status(&error))?.map_err(status)
    }

    /// Takes a request to pay in, and has a code sent.
    pub(crate) async fn challenge(
        &self,
        terminal: Arc<Terminal>,
        read: ReadCreate,
        look_up: LookUp,
        noted: Option<Noted>,
    ) -> Result<Payment, Status> {
        let taken = self.take_in(terminal, read, noted).await;
        // Whoever is told the same pays the same, or what is left of the budget would tell the one from the other.
        match taken.as_ref().map(|payment| payment.refusal) {
            Ok(Some(Reason::PayerUnavailable)) => look_up.miss(),
            Ok(Some(Reason::PaymentAboveLimit)) | Err(_) => look_up.told_nothing(),
            Ok(_) => look_up.hit(),
        }
        taken
    }

    async fn take_in(
        &self,
        terminal: Arc<Terminal>,
        read: ReadCreate,
        noted: Option<Noted>,
    ) -> Result<Payment, Status> {
        let keys = self.desk.keys().as_ref();
        let fingerprint = read.fingerprint(keys).map_err(|error| key_fault(&error))?;
        let payer = self.payer(&read).await?;
        let code = self.new_code(read.id)?;
        let seller = (terminal.id.as_str(), terminal.merchant.id.as_str());
        let epoch = payer.as_ref().map_or(0, |payer| payer.number_epoch);
        let bound = code_context(read.id, read.amount, seller, epoch);
        let code_mac = code_mac(keys, &code.code, &bound).map_err(|error| key_fault(&error))?;
        let new = NewPayment {
            id: read.id,
            terminal,
            fingerprint,
            amount: read.amount,
            items: read.items,
            reference: read.reference,
            payer,
            code_mac,
            routed: read.routed,
        };
        self.step(Step::Create(Box::new(Create { new, code, noted }))).await
    }

    /// Evaluates what was typed, and charges if it was right.
    pub(crate) async fn evaluate(&self, terminal: &TerminalId, typed: Typed) -> Result<Payment, Status> {
        let authorize = Authorize {
            payment: typed.payment,
            attempt: typed.attempt,
            terminal: terminal.clone(),
            code: typed.code,
            password: typed.password,
            leg_id: self.new_leg()?,
            route: typed.route,
            noted: typed.noted,
        };
        let desk = self.desk.clone();
        // In a task of its own, which a caller that hangs up does not end between the two.
        let task = tokio::spawn(trace::carried(async move { desk.answer(Step::Authorize(authorize)).await }));
        let done = task.await.map_err(|_| status(Reason::Fault))?;
        done.map_err(|error| store_status(&error))?.map_err(status)
    }

    /// Takes a payment back whole, known or not.
    pub(crate) async fn take_back(
        &self,
        terminal: &TerminalId,
        payment_id: PaymentId,
        amount: Money,
    ) -> Result<Payment, Status> {
        self.may_write(terminal)?;
        let reversal = Reversal { payment_id, terminal_id: terminal.clone(), amount, leg_id: self.new_leg()? };
        let payment = self.step(Step::Reverse(reversal)).await?;
        let work = payment.outstanding(self.desk.clock().now());
        if work == Work::Nothing {
            return Ok(payment);
        }
        self.desk.carry_and_wait(payment, work).await.map_err(|error| store_status(&error))
    }

    /// Takes note of what a network tells of a payment that it charged by itself.
    pub(crate) async fn told_by_network(&self, told: Routed) -> Result<Payment, Status> {
        let done = self.desk.told_by_network(told).await;
        done.map_err(|error| store_status(&error))?.map_err(status)
    }

    /// The number of the card that a payment is made with; none for what has no number here.
    pub(crate) async fn card_number(&self, payment: &Payment) -> Result<Option<Pan>, Status> {
        let Some(charge) = &payment.charge else { return Ok(None) };
        let Some(Instrument::Card(card)) = charge.instrument else { return Ok(None) };
        let number = self.desk.banks().number_of(&charge.bank_id, card).await;
        number.map_err(|error| store_status(&error))
    }

    /// Gives a part of a payment back.
    pub(crate) async fn give_back(&self, terminal: &TerminalId, wanted: WantedRefund) -> Result<Payment, Status> {
        let WantedRefund { id, original, amount } = wanted;
        let fingerprint = refund_fingerprint(self.desk.keys().as_ref(), original, amount);
        let new = NewRefund {
            id,
            original,
            terminal_id: terminal.clone(),
            fingerprint: fingerprint.map_err(|error| key_fault(&error))?,
            amount,
            leg_id: self.new_leg()?,
        };
        let refund = self.step(Step::Refund(new)).await?;
        if refund.seen() != Seen::Pending {
            return Ok(refund);
        }
        self.desk.carry_and_wait(refund, Work::Refund).await.map_err(|error| store_status(&error))
    }

    /// The payment that this request has already made. `Err(PaymentIdTaken)` if another one has.
    pub(crate) async fn known(
        &self,
        terminal: &TerminalId,
        id: PaymentId,
        fingerprint: impl FnOnce(&dyn KeyStore) -> Result<[u8; 32], KeyError>,
    ) -> Result<Option<Payment>, Status> {
        let Some(payment) = self.desk.find(id).await.map_err(|error| store_status(&error))? else {
            return Ok(None);
        };
        let fingerprint = fingerprint(self.desk.keys().as_ref()).map_err(|error| key_fault(&error))?;
        payment.same_request(terminal, &fingerprint).map_err(status)?;
        Ok(Some(payment))
    }

    /// A payment of the terminal as it stands; none if there is no such payment of it.
    pub(crate) async fn standing(&self, terminal: &TerminalId, id: PaymentId) -> Result<Option<Payment>, Status> {
        let payment = self.desk.find(id).await.map_err(|error| store_status(&error))?;
        Ok(payment.filter(|payment| payment.owned_by(terminal).is_ok()))
    }
}
