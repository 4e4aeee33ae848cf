//! A terminal's call to pay cash in: CreateTopUp (M3).

use std::sync::Arc;

use domain::payment::{NewTopUp, Payee, PayingInstrument, Payment, Seen, Work};
use domain::purchase::Terminal;
use domain::text::Line;
use domain::{Money, PaymentId, PhoneNumber, Reason, Timestamp};
use proto::{status, terminal as pb};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use tonic::Status;

use super::books::Books;
use super::cash::Holders;
use super::request::read_reference;
use super::service::{TerminalApi, key_fault};
use super::steps::{Outcome, PaymentSteps, Step, found};
use crate::lookups::LookUp;
use crate::store_status::store_status;

/// A top-up that can be read.
#[derive(Debug)]
pub(super) struct ReadTopUp {
    pub(super) id: PaymentId,
    phone: PhoneNumber,
    amount: Money,
    reference: Option<Line>,
}

impl ReadTopUp {
    pub(super) fn read(message: &pb::CreateTopUpRequest) -> Result<Self, Reason> {
        Ok(Self {
            id: PaymentId::parse(&message.payment_id)?,
            phone: PhoneNumber::parse(&message.phone_number)?,
            amount: proto::to_payable(message.amount.as_ref())?,
            reference: read_reference(&message.merchant_reference)?,
        })
    }

    /// What the request says, under a key, since it has a phone number in it.
    pub(super) fn fingerprint(&self, keys: &dyn KeyStore) -> Result<[u8; 32], KeyError> {
        let (code, minor) = (self.amount.currency.code(), self.amount.minor.to_be_bytes());
        let reference = self.reference.as_ref().map_or("", Line::as_str);
        let parts = [b"top up", self.phone.as_e164().as_bytes(), code.as_bytes(), &minor, reference.as_bytes()];
        keys.mac(KeyName::RequestFingerprint, &parts)
    }
}

impl TerminalApi {
    /// Takes a top-up in and carries it through its bank; so, too, when the terminal sends it again.
    pub(super) async fn top_up(
        &self,
        terminal: Arc<Terminal>,
        read: ReadTopUp,
        look_up: LookUp,
    ) -> Result<Payment, Status> {
        let done = self.pay_in(terminal, read).await;
        match done.as_ref().map(|payment| payment.refusal) {
            Ok(Some(Reason::NumberNotServed)) => look_up.miss(),
            // Said whoever the number belongs to, or of another request.
            Ok(Some(Reason::TopUpTooLarge)) | Err(_) => look_up.told_nothing(),
            Ok(_) => look_up.hit(),
        }
        done
    }

    async fn pay_in(&self, terminal: Arc<Terminal>, read: ReadTopUp) -> Result<Payment, Status> {
        let fingerprint = read.fingerprint(self.desk.keys().as_ref()).map_err(|error| key_fault(&error))?;
        let known = self.desk.directory().payer_by_phone(&read.phone).await.map_err(|error| store_status(&error))?;
        let payee = known.map(|payer| Payee {
            person_id: payer.person_id,
            number_epoch: payer.number_epoch,
            // Not yet active, money can come in all the same.
            instrument: payer.instrument.as_ref().map(|paying| PayingInstrument {
                bank_id: paying.bank_id.clone(),
                instrument: paying.instrument,
                masked: paying.masked.clone(),
                usable: !paying.bank_suspended,
            }),
        });
        let new = NewTopUp {
            id: read.id,
            terminal,
            fingerprint,
            amount: read.amount,
            reference: read.reference,
            payee,
            leg_id: self.new_leg()?,
        };
        let desk = self.desk.clone();
        // In a task of its own, which a caller that hangs up does not end between the two.
        let task = tokio::spawn(async move {
            let outcome = desk.write(Step::CreateTopUp(Box::new(new))).await?;
            match outcome.payment {
                Ok(payment) if payment.seen() == Seen::Pending => {
                    desk.carry_and_wait(payment, Work::Hold).await.map(Ok)
                }
                other => Ok(other),
            }
        });
        let done = task.await.map_err(|_| status(Reason::Fault))?;
        done.map_err(|error| store_status(&error))?.map_err(status)
    }
}

impl PaymentSteps {
    pub(super) fn create_top_up(&self, books: &mut Books, new: &NewTopUp, now: Timestamp) -> Outcome {
        if let Some(existing) = books.payment(new.id) {
            let same = existing.same_request(&new.terminal.id, &new.fingerprint);
            return Outcome::of(same.and_then(|()| found(books, new.id)));
        }
        let payment = books
            .with_cash(new, |guard, counters| Payment::create_top_up(new.clone(), guard, counters, now, &self.policy));
        books.add(payment.clone());
        Outcome::of(Ok(payment))
    }
}

/// The counters of a top-up that is not there yet.
pub(super) fn holders_of(new: &NewTopUp) -> Option<Holders> {
    let payee = new.payee.as_ref()?;
    Some(Holders::new(payee.person_id, &new.terminal.id, new.amount.currency))
}
