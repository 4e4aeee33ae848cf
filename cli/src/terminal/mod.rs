//! A payment terminal: it writes every id to its journal before it sends it, asks when an answer does not come, and when it
//! must give up it stores a reversal and forwards it until the hub has acknowledged it (DESIGN §2, rule 7).

mod call;
mod card;
pub mod command;
mod errand;
mod in_app;
mod journal;
mod payment;
pub mod prices;
mod record;
mod see_through;
#[cfg(test)]
mod tests;
mod top_up;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{AttemptId, ErrandId, Money, PaymentId, PhoneNumber, Reason, TerminalId};
use proto::terminal as pb;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, RngError, SystemRng};
use tonic::transport::Channel;

pub use call::Refused;
pub use card::{Balance, Card, CardOrder, Pad};
pub use errand::{Errand, ErrandProof, ErrandState};
pub use journal::{Journal, JournalError};
pub use payment::{Item, Payment, PaymentState, UnreadablePayment};
pub use record::{OpenPayment, Record};
pub use top_up::TopUp;

use bank_adapter::hsm::HsmError;
use call::{Call, Request};
use record::Book;

/// How a terminal behaves.
#[derive(Clone, Debug)]
pub struct TerminalOptions {
    /// The terminal's own name, the slug of its certificate.
    pub terminal_id: TerminalId,
    /// Its journal, made when there is none.
    pub journal: PathBuf,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How long the terminal asks before it gives up. Longer than the hub needs to decide.
    pub patience: Duration,
}

impl TerminalOptions {
    pub fn new(terminal_id: TerminalId, journal: PathBuf) -> Self {
        Self { terminal_id, journal, call_timeout: Duration::from_secs(15), patience: Duration::from_secs(45) }
    }
}

/// Who pays how much for what.
#[derive(Clone, Debug)]
pub struct Order {
    pub phone: PhoneNumber,
    pub amount: Money,
    pub items: Vec<Item>,
    /// The merchant's own reference; may be empty.
    pub reference: String,
}

impl Order {
    pub fn new(phone: PhoneNumber, amount: Money) -> Self {
        Self { phone, amount, items: Vec::new(), reference: String::new() }
    }
}

/// What the payer types in.
#[derive(Clone, Debug)]
pub struct Proof {
    pub code: SecretString,
    pub password: SecretString,
}

impl Proof {
    pub fn new(code: &str, password: &str) -> Self {
        Self { code: SecretString::from(code), password: SecretString::from(password) }
    }
}

/// Why a terminal could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Random(#[from] RngError),
    /// The hub refuses the call itself; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The hub could not be reached, and nothing was sent to it.
    #[error("the hub cannot be reached; nothing was sent: {0}")]
    Unreached(String),
    /// The outcome did not become known. A reversal is stored and was acknowledged by the hub.
    #[error("payment {payment_id}: no outcome in time, so it was reversed; the hub says {}", payment.state)]
    GivenUp { payment_id: PaymentId, payment: Box<Payment> },
    /// The outcome is not known. For a payment a reversal is stored and will be forwarded; a refund will be sent again.
    #[error("payment {payment_id}: the outcome is not known; what is owed is stored and `terminal flush` sends it")]
    Unknown { payment_id: PaymentId },
    /// The outcome of an errand is not known: it was done, or will end by itself.
    #[error("errand {errand_id}: the outcome is not known; `terminal flush` asks for it")]
    ErrandUnknown { errand_id: ErrandId },
    /// A password was to be typed, and the PIN pad has no key for it.
    #[error("this terminal has no PIN pad")]
    NoPad,
    /// What was typed is no PIN.
    #[error(transparent)]
    Pad(#[from] HsmError),
    /// The hub's answer is not one that this program can read.
    #[error(transparent)]
    Unreadable(#[from] UnreadablePayment),
}

impl TerminalError {
    /// The reason of the catalogue, if the hub gave one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refused) => refused.reason,
            _ => None,
        }
    }
}

/// What became of the things that were owed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Payments whose reversal or refund was acknowledged, or whose final state became known.
    pub settled: Vec<PaymentId>,
    /// Reversals and refunds that the hub refuses, with the reason; a person has to look at them.
    pub refused: Vec<(PaymentId, String)>,
    /// What is still owed, since the hub did not answer.
    pub left: Vec<PaymentId>,
}

/// A terminal. Clones of its channel may be shared; the journal belongs to one terminal.
#[derive(Debug)]
pub struct Terminal {
    options: TerminalOptions,
    client: TerminalServiceClient<Channel>,
    journal: Journal,
    book: Mutex<Book>,
    ids: IdMaker,
}

impl Terminal {
    /// A terminal that calls the hub over `channel`, which carries its certificate.
    pub fn open(options: TerminalOptions, channel: Channel) -> Result<Self, TerminalError> {
        let (journal, records) = Journal::open(&options.journal)?;
        let mut book = Book::default();
        records.iter().for_each(|record| book.apply(record));
        let client = TerminalServiceClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Ok(Self { options, client, journal, book: Mutex::new(book), ids })
    }

    pub fn id(&self) -> &TerminalId {
        &self.options.terminal_id
    }

    /// A new id for a payment or a refund.
    pub fn new_id(&self) -> Result<PaymentId, RngError> {
        Ok(PaymentId::from_uuid(self.ids.uuid()?))
    }

    /// What the journal has that is not settled.
    pub fn open_payments(&self) -> Vec<(PaymentId, OpenPayment)> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    /// The errands of which no end was heard.
    pub fn open_errands(&self) -> Vec<ErrandId> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).errands()
    }

    fn open_payment(&self, id: PaymentId) -> Option<OpenPayment> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Writes the record and then believes it.
    async fn write(&self, record: Record) -> Result<(), JournalError> {
        self.journal.append(vec![record.clone()]).await?;
        self.book.lock().unwrap_or_else(PoisonError::into_inner).apply(&record);
        Ok(())
    }

    async fn note_final(&self, payment: &Payment) -> Result<(), JournalError> {
        if payment.state.is_final() && self.open_payment(payment.id).is_some_and(|open| !open.reversal_owed) {
            self.write(Record::settled(payment.id, payment.state.name())).await?;
        }
        Ok(())
    }

    fn call(&self) -> Call {
        Call { client: self.client.clone(), timeout: self.options.call_timeout }
    }

    /// Begins a payment under a new id: the phone gets its code.
    pub async fn begin(&self, order: &Order) -> Result<Payment, TerminalError> {
        self.begin_as(self.new_id()?, order).await
    }

    /// Begins a payment under this id; the same id with the same order gives the first answer again.
    pub async fn begin_as(&self, id: PaymentId, order: &Order) -> Result<Payment, TerminalError> {
        let is_first = self.open_payment(id).is_none();
        if is_first {
            self.write(Record::begun(id, order.amount, None)).await?;
        }
        let request = Request::Create(pb::CreatePaymentRequest {
            payment_id: id.to_string(),
            payer: Some(pb::create_payment_request::Payer::PhoneNumber(order.phone.as_e164().to_owned())),
            amount: Some(proto::to_money(order.amount)),
            items: order.items.iter().map(Item::to_wire).collect(),
            merchant_reference: order.reference.clone(),
        });
        self.see_through(id, request, is_first).await
    }

    /// Hands in code and password. A try that was sent before and not answered is sent again as the same try.
    pub async fn authorize(&self, id: PaymentId, proof: &Proof) -> Result<Payment, TerminalError> {
        let attempt_id = match self.open_payment(id).and_then(|open| open.attempt) {
            Some(attempt_id) => attempt_id,
            None => self.new_attempt(id).await?,
        };
        let request = Request::Authorize(pb::AuthorizePaymentRequest {
            payment_id: id.to_string(),
            attempt_id: attempt_id.to_string(),
            code: proof.code.expose_secret().to_owned(),
            transaction_password: proof.password.expose_secret().to_owned(),
        });
        let outcome = match self.see_through(id, request, false).await {
            Err(TerminalError::Refused(refused)) if refused.reason == Some(Reason::NotAwaitingCode) => {
                self.answered_on_phone(id, refused).await
            }
            other => other,
        };
        let is_answered = matches!(&outcome, Ok(_) | Err(TerminalError::Refused(_)));
        if is_answered && self.open_payment(id).is_some() {
            self.write(Record::Answered { payment_id: id }).await?;
        }
        outcome
    }

    async fn new_attempt(&self, payment_id: PaymentId) -> Result<AttemptId, TerminalError> {
        let attempt_id = AttemptId::from_uuid(self.ids.uuid()?);
        self.write(Record::Attempt { payment_id, attempt_id }).await?;
        Ok(attempt_id)
    }

    /// A whole payment: `ask` is shown the payment and gives what the payer types, or nothing to give up.
    pub async fn pay(
        &self,
        order: &Order,
        mut ask: impl AsyncFnMut(&Payment) -> Option<Proof>,
    ) -> Result<Payment, TerminalError> {
        let mut payment = self.begin(order).await?;
        while payment.state == PaymentState::AwaitingCode {
            payment = match ask(&payment).await {
                Some(proof) => self.authorize(payment.id, &proof).await?,
                None => self.cancel(payment.id).await?,
            };
        }
        Ok(payment)
    }

    /// Asks for a new code.
    pub async fn resend(&self, id: PaymentId) -> Result<Payment, TerminalError> {
        let attempt_id = self.ids.uuid()?.to_string();
        let request = Request::Resend(pb::ResendCodeRequest { payment_id: id.to_string(), attempt_id });
        self.see_through(id, request, false).await
    }

    /// Gives up a payment that waits for its code.
    pub async fn cancel(&self, id: PaymentId) -> Result<Payment, TerminalError> {
        let request = Request::Cancel(pb::CancelPaymentRequest { payment_id: id.to_string() });
        self.see_through(id, request, false).await
    }

    /// Says what the shop asks for its goods; gives how many of the prices are new or have changed. Safe to send again.
    pub async fn publish_prices(&self, prices: Vec<pb::Price>) -> Result<i32, TerminalError> {
        let request = pb::PublishPricesRequest { prices };
        Ok(self.client.clone().publish_prices(request).await.map_err(call::once)?.into_inner().changed)
    }

    /// Reads a payment once.
    pub async fn get(&self, id: PaymentId) -> Result<Payment, TerminalError> {
        let payment = self.call().get(id).await.map_err(call::Failure::once)?;
        self.note_final(&payment).await?;
        Ok(payment)
    }

    /// Follows a payment; `see` is called now and at each change, until a final state or a broken stream.
    pub async fn watch(&self, id: PaymentId, mut see: impl FnMut(&Payment)) -> Result<(), TerminalError> {
        let request = pb::WatchPaymentRequest { payment_id: id.to_string() };
        let mut stream = self.client.clone().watch_payment(request).await.map_err(call::once)?.into_inner();
        while let Some(message) = stream.message().await.map_err(call::once)? {
            let payment = Payment::read(message.payment)?;
            self.note_final(&payment).await?;
            see(&payment);
        }
        Ok(())
    }

    /// Gives a part back, as a payment of its own.
    pub async fn refund(&self, original: PaymentId, amount: Money) -> Result<Payment, TerminalError> {
        let id = self.new_id()?;
        self.write(Record::begun(id, amount, Some(original))).await?;
        self.send_refund(id, original, amount).await
    }

    async fn send_refund(&self, id: PaymentId, original: PaymentId, amount: Money) -> Result<Payment, TerminalError> {
        let request = Request::Refund(pb::RefundPaymentRequest {
            refund_id: id.to_string(),
            payment_id: original.to_string(),
            amount: Some(proto::to_money(amount)),
        });
        self.see_through(id, request, true).await
    }

    /// Takes a payment back whole. The reversal is stored before it is sent, so that it is never forgotten.
    pub async fn reverse(&self, id: PaymentId, amount: Money) -> Result<Payment, TerminalError> {
        self.write(Record::reversal_owed(id, amount)).await?;
        self.send_reversal(id, amount, self.options.patience).await
    }

    /// Sends everything that is owed, and asks about everything that was begun and never answered. A terminal does this
    /// whenever it starts.
    pub async fn flush(&self) -> Result<Flushed, TerminalError> {
        let mut flushed = Flushed::default();
        self.settle_errands().await?;
        for (id, open) in self.open_payments() {
            match self.settle_one(id, &open).await {
                Ok(payment) if payment.state.is_final() || open.is_owed() => flushed.settled.push(id),
                // The payer may still type the code, or the bank still be asked: it is not lost, and nothing is owed.
                Ok(_) => {}
                Err(TerminalError::Refused(refused)) => flushed.refused.push((id, refused.to_string())),
                Err(TerminalError::Journal(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(payment = %id, %error, "still owed");
                    flushed.left.push(id);
                }
            }
        }
        Ok(flushed)
    }

    async fn settle_one(&self, id: PaymentId, open: &OpenPayment) -> Result<Payment, TerminalError> {
        if open.reversal_owed {
            return match self.send_reversal(id, open.amount, Duration::ZERO).await {
                Err(TerminalError::Refused(refused)) => self.came_in_after_all(id, refused).await,
                other => other,
            };
        }
        if let Some(amount) = open.completion_owed {
            return self.send_completion(id, amount, Duration::ZERO).await;
        }
        if let Some(original) = open.refund_of {
            return self.send_refund(id, original, open.amount).await;
        }
        match self.get(id).await {
            // The hub never saw it, and the request may still be on its way: the reversal makes sure that it stays undone.
            Err(error) if error.reason() == Some(Reason::PaymentUnknown) => self.reverse(id, open.amount).await,
            other => other,
        }
    }
}
