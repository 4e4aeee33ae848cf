//! A terminal's calls with a card: CreateCardPayment, CompletePayment, InquireBalance (R2, C2).

use std::sync::Arc;

use domain::payment::{Completion, NewCardPayment, Payment};
use domain::purchase::Terminal;
use domain::{BankId, Money, PaymentId, Reason, TerminalId};
use proto::{status, terminal as pb};
use server_kit::trace;
use tonic::{Request, Status};

use super::request::ReadCreateCard;
use super::service::{TerminalApi, key_fault};
use crate::bank::PresentedCard;
use crate::store_status::store_status;

impl TerminalApi {
    /// Pays, withdraws, pays in or reserves.
    pub(super) async fn pay_with_card(
        &self,
        request: Request<pb::CreateCardPaymentRequest>,
    ) -> Result<Payment, Status> {
        let terminal = self.active_terminal(&request).await?;
        let read = ReadCreateCard::read(request.into_inner(), &terminal.id).map_err(status)?;
        self.charge_card(terminal, read).await
    }

    /// The same for a request that has been read, whichever front it came through.
    pub(crate) async fn charge_card(&self, terminal: Arc<Terminal>, read: ReadCreateCard) -> Result<Payment, Status> {
        let fingerprint = read.fingerprint(self.desk.keys().as_ref()).map_err(|error| key_fault(&error))?;
        let (bank_id, bank_suspended) = self.bank_of(&terminal, &read.card).await?;
        let new = NewCardPayment {
            id: read.id,
            terminal: terminal.clone(),
            fingerprint,
            nature: read.nature,
            amount: read.amount,
            items: read.items,
            reference: read.reference,
            bank_id,
            bank_suspended,
            masked: read.card.pan().masked(),
            leg_id: self.new_leg()?,
        };
        let (desk, card) = (self.desk.clone(), Arc::new(read.card));
        // In a task of its own, which a caller that hangs up does not end between the two.
        let task = tokio::spawn(trace::carried(async move { desk.pay_with_card(Box::new(new), card).await }));
        let done = task.await.map_err(|_| status(Reason::Fault))?;
        let (payment, asked) = done.map_err(|error| store_status(&error))?.map_err(status)?;
        if let Some(reason) = payment.refusal.filter(|_| asked) {
            self.tries.refused(&terminal.id, reason, self.desk.clock().now());
        }
        Ok(payment)
    }

    /// Ends a pre-authorisation with what was really used.
    pub(super) async fn complete(&self, request: Request<pb::CompletePaymentRequest>) -> Result<Payment, Status> {
        let terminal = self.active_terminal(&request).await?;
        let message = request.into_inner();
        let payment_id = PaymentId::parse(&message.payment_id).map_err(status)?;
        let amount = proto::to_payable(message.amount.as_ref()).map_err(status)?;
        self.complete_with(&terminal.id, payment_id, amount).await
    }

    /// The same for a request that has been read.
    pub(crate) async fn complete_with(
        &self,
        terminal: &TerminalId,
        payment_id: PaymentId,
        amount: Money,
    ) -> Result<Payment, Status> {
        let completion = Completion { payment_id, terminal_id: terminal.clone(), amount };
        let done = self.desk.complete_payment(completion).await;
        done.map_err(|error| store_status(&error))?.map_err(status)
    }

    /// Says what a card may spend. The bank is asked once and nothing is stored.
    pub(super) async fn inquire(
        &self,
        request: Request<pb::InquireBalanceRequest>,
    ) -> Result<pb::InquireBalanceResponse, Status> {
        let terminal = self.active_terminal(&request).await?;
        let card = request.into_inner().card.ok_or_else(|| status(Reason::FieldMissing))?;
        let card = PresentedCard::read(card, &terminal.id).map_err(status)?;
        if !card.has_pin() {
            return Err(status(Reason::PinRequired));
        }
        let (bank_id, suspended) = self.bank_of(&terminal, &card).await?;
        if suspended {
            return Err(status(Reason::BankSuspended));
        }
        let answer = self.desk.banks().inquire(&bank_id, &card).await.map_err(|reason| {
            self.tries.refused(&terminal.id, reason, self.desk.clock().now());
            status(reason)
        })?;
        Ok(pb::InquireBalanceResponse {
            debit_available: answer.debit_available,
            credit_available: answer.credit_available,
            cash_advance_available: answer.cash_advance_available,
            bank_id: bank_id.to_string(),
            card_masked: card.pan().masked(),
        })
    }

    /// The bank that issues such card numbers, and whether it is suspended; unless too many cards were tried here.
    async fn bank_of(&self, terminal: &Terminal, card: &PresentedCard) -> Result<(BankId, bool), Status> {
        if !self.tries.may_try(&terminal.id, self.desk.clock().now()) {
            return Err(status(Reason::TooBusy));
        }
        let directory = self.desk.directory();
        let bins = directory.bin_table().await.map_err(|error| store_status(&error))?;
        let bank_id = bins.find_to_pay(card.pan()).map_err(status)?.bank_id.clone();
        let bank = directory.bank(&bank_id).await.map_err(|error| store_status(&error))?;
        let bank = bank.ok_or_else(|| status(Reason::BinUnknown))?;
        Ok((bank_id, bank.suspended))
    }
}
