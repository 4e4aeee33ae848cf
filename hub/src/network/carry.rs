//! What is done about a message: the same steps as for a terminal of the federation, by the same till.

use std::sync::Arc;

use domain::ledger::Nature;
use domain::network::{PrivateData, Response, Tag};
use domain::payment::{Kind as PaymentKind, Payment, Seen};
use domain::purchase::Terminal;
use domain::{AttemptId, Currency, Money, OneTimeCode, PaymentId, PhoneNumber, Reason, Timestamp};
use iso8583::Message;
use iso8583::element::ProcessingCode;
use iso8583::mti::MessageClass;
use server_kit::clock::SharedClock;
use server_kit::keystore::{KeyName, SharedKeyStore};
use server_kit::rng::SharedRng;
use tonic::Status;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::card::shown_for;
use super::journal::Journal;
use super::link::Link;
use super::reply::{PRIVATE, Reply, kept};
use super::routing::Routing;
use super::sent::{Sent, number, text};
use super::settle;
use super::sql::{Kind, Noted};
use super::turns::Turns;
use super::working_key::WorkingKeys;
use crate::payment::{ReadCreate, TerminalApi, Typed, WantedRefund, read_reference};
use crate::voice::VoicePinPad;

/// Transactions of the processing code (ISO 8583:1987, annex A.4): goods and services, and their return.
const PURCHASE: u8 = 0;
const RETURN: u8 = 20;

/// Works on the messages of all links. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Carrier {
    pub(super) till: TerminalApi,
    pub(super) journal: Journal,
    pub(super) routing: Routing,
    pub(super) keys: SharedKeyStore,
    pub(super) clock: SharedClock,
    /// So that a message that comes many times at once is worked on once.
    pub(super) turns: Turns,
    /// Under whose key PINs go on to banks that have an adapter.
    pub(super) pad: Option<Arc<VoicePinPad>>,
    pub(super) rng: SharedRng,
}

/// A message with what every one that moves money has.
pub(super) struct Asked<'m> {
    pub(super) link: &'m Link,
    pub(super) message: &'m Message<'m>,
    sent: Sent,
    pub(super) id: Uuid,
    pub(super) terminal: Arc<Terminal>,
    pub(super) private: PrivateData<'m>,
    pub(super) now: Timestamp,
}

pub(super) fn reason_of(status: &Status) -> Reason {
    proto::reason_of(status).unwrap_or(Reason::Fault)
}

pub(super) fn fault(error: &dyn std::fmt::Display) -> Reason {
    tracing::error!(%error, "a message of a link cannot be worked on");
    Reason::Fault
}

impl Carrier {
    /// The answer to a request or an advice that moves money, or asks how much was moved.
    pub(super) async fn answer(&self, link: &Link, keys: &WorkingKeys, message: &Message<'_>) -> Reply {
        match self.carry(link, keys, message).await {
            Ok(reply) => reply,
            Err(reason) => Reply::of(Response::Refused(reason)),
        }
    }

    async fn carry(&self, link: &Link, keys: &WorkingKeys, message: &Message<'_>) -> Result<Reply, Reason> {
        let class = message.mti().class();
        if class == MessageClass::Reconciliation {
            return settle::compare(&self.journal, link, message).await;
        }
        if !matches!(class, MessageClass::Financial | MessageClass::Authorization | MessageClass::Reversal) {
            return Err(Reason::NatureUnsupported);
        }
        let private = Zeroizing::new(message.field(PRIVATE).map(|field| field.text().into_owned()).unwrap_or_default());
        let asked = self.read(link, message, PrivateData::parse(&private)?).await?;
        if class == MessageClass::Reversal {
            return self.reverse(&asked).await;
        }
        let code = number(message, 3).and_then(ProcessingCode::from_number).ok_or(Reason::FieldMissing)?;
        if let Some(nature) = shown_for(message, code.transaction()) {
            return self.card(&asked, keys, nature).await;
        }
        if class == MessageClass::Authorization {
            return Err(Reason::NatureUnsupported);
        }
        match (code.transaction(), message.mti().is_advice(), asked.private.get(Tag::Code)) {
            (RETURN, _, _) => self.refund(&asked).await,
            (PURCHASE, true, _) => self.confirm(&asked).await,
            (PURCHASE, false, Some(code)) => self.second(&asked, keys, code).await,
            (PURCHASE, false, None) => self.first(&asked).await,
            _ => Err(Reason::NatureUnsupported),
        }
    }

    async fn read<'m>(
        &self,
        link: &'m Link,
        message: &'m Message<'m>,
        private: PrivateData<'m>,
    ) -> Result<Asked<'m>, Reason> {
        let now = self.clock.now();
        let sent = Sent::of(message, now)?;
        let id = sent.id(self.keys.as_ref()).map_err(|error| fault(&error))?;
        let terminal = link.terminal(&sent.acquirer, &sent.terminal)?;
        let terminal = self.till.enrolled(&terminal).await.map_err(|status| reason_of(&status))?;
        link.check_merchant(&terminal, text(message, 42).as_deref())?;
        Ok(Asked { link, message, sent, id, terminal, private, now })
    }

    /// The first message of a payment by phone number: the payer is sent a code.
    async fn first(&self, asked: &Asked<'_>) -> Result<Reply, Reason> {
        let read = ReadCreate {
            id: PaymentId::from_uuid(asked.id),
            phone: asked.phone()?,
            amount: asked.amount()?,
            items: Vec::new(),
            reference: read_reference(asked.private.get(Tag::Reference).unwrap_or_default())?,
            routed: self.routes(asked).await?,
        };
        let _turn = self.turns.take(asked.id).await;
        let known = self
            .till
            .known(&asked.terminal.id, read.id, |keys| read.fingerprint(keys))
            .await
            .map_err(|status| reason_of(&status))?;
        let payment = match known {
            Some(payment) => payment,
            None => {
                let terminal = self.till.taking_money(asked.terminal.clone()).map_err(|status| reason_of(&status))?;
                let look_up = self.till.may_look_up(&terminal, Some(&asked.link.id)).await;
                let look_up = look_up.map_err(|status| reason_of(&status))?;
                let noted = Some(self.noted(asked, Kind::Payment, read.id, read.amount)?);
                self.till.challenge(terminal, read, look_up, noted).await.map_err(|status| reason_of(&status))?
            }
        };
        // A repeat gets the first answer, wherever the payment stands by now: one that has an account to charge had its code sent.
        let response = match (&payment.charge, payment.refusal) {
            (Some(_), _) => Response::CodeSent,
            (None, refusal) => Response::Refused(refusal.unwrap_or(Reason::PayerUnavailable)),
        };
        self.told(asked, &payment, response)
    }

    /// The second message: the code, and the transaction password in a PIN block.
    async fn second(&self, asked: &Asked<'_>, keys: &WorkingKeys, code: &str) -> Result<Reply, Reason> {
        let payment = self.original(asked)?;
        let attempt = AttemptId::from_uuid(asked.id);
        let code = OneTimeCode::parse(code)?;
        let block = asked.message.field(52).ok_or(Reason::PinRequired)?;
        let block = Zeroizing::new(block.value().into_owned());
        let block: &[u8; 8] = block.as_slice().try_into().map_err(|_| Reason::PinBlockMalformed)?;
        let password = keys.pin.open_password(block, &asked.phone()?)?;
        let _turn = self.turns.take(asked.id).await;
        let known = self.till.standing(&asked.terminal.id, payment).await.map_err(|status| reason_of(&status))?;
        let known = known.ok_or(Reason::PaymentUnknown)?;
        if asked.amount()? != known.amount {
            return Err(Reason::PaymentIdTaken);
        }
        if known.attempts.contains(&attempt) {
            return self.tried_over(asked, &known).await;
        }
        self.till.taking_money(asked.terminal.clone()).map_err(|status| reason_of(&status))?;
        // The step looks for a tombstone under the message's id, and notes the message; a reversal that names this message leaves the one and
        // then looks for the other, so one sees the other.
        let noted = Some(self.noted(asked, Kind::Code, payment, known.amount)?);
        let route = self.route_of(asked, &known).await?;
        let typed = Typed { payment, attempt, code, password, route, noted };
        let done = self.till.evaluate(&asked.terminal.id, typed).await.map_err(|status| reason_of(&status))?;
        self.tried_over(asked, &done).await
    }

    /// Takes back what field 90 names, whichever of a payment's two messages that is, known or not.
    async fn reverse(&self, asked: &Asked<'_>) -> Result<Reply, Reason> {
        let original = asked.sent.original(asked.message, asked.now)?;
        let original = original.id(self.keys.as_ref()).map_err(|error| fault(&error))?;
        let amount = asked.amount()?;
        let _turn = self.turns.take(asked.id).await;
        let found = self.journal.payment_of(original).await?;
        let mut payment = found.unwrap_or(PaymentId::from_uuid(original));
        let mut done = self.take_back(asked, payment, amount).await?;
        if found.is_none()
            && let Some(named) = self.journal.payment_of(original).await?
            && named != payment
        {
            payment = named;
            done = self.take_back(asked, named, amount).await?;
        }
        self.note(asked, Kind::Reversal, payment, amount).await?;
        self.told(asked, &done, Response::Approved)
    }

    async fn take_back(&self, asked: &Asked<'_>, payment: PaymentId, amount: Money) -> Result<Payment, Reason> {
        self.till.take_back(&asked.terminal.id, payment, amount).await.map_err(|status| reason_of(&status))
    }

    /// Gives a part of the payment back that field 90 names.
    async fn refund(&self, asked: &Asked<'_>) -> Result<Reply, Reason> {
        let (original, amount) = (self.original(asked)?, asked.amount()?);
        let original = self.journal.payment_of(original.uuid()).await?.ok_or(Reason::PaymentUnknown)?;
        let id = PaymentId::from_uuid(asked.id);
        let _turn = self.turns.take(asked.id).await;
        self.till.taking_money(asked.terminal.clone()).map_err(|status| reason_of(&status))?;
        self.note(asked, Kind::Refund, id, amount).await?;
        let wanted = WantedRefund { id, original, amount };
        let refund = self.till.give_back(&asked.terminal.id, wanted).await.map_err(|status| reason_of(&status))?;
        self.told(asked, &refund, tried(&refund))
    }

    /// An advice that a payment was completed: it is acknowledged if that is so, and nothing is charged by it. That of a pre-authorisation
    /// completes it.
    async fn confirm(&self, asked: &Asked<'_>) -> Result<Reply, Reason> {
        let original = self.original(asked)?;
        let original = self.journal.payment_of(original.uuid()).await?.ok_or(Reason::PaymentUnknown)?;
        let known = self.till.standing(&asked.terminal.id, original).await.map_err(|status| reason_of(&status))?;
        let known = known.ok_or(Reason::PaymentUnknown)?;
        if known.kind.nature() == Some(Nature::PreAuthorisation) {
            return self.complete(asked, original).await;
        }
        if known.kind == PaymentKind::Routed {
            return self.told_by_network(asked, original).await;
        }
        if asked.amount()? != known.amount {
            return Err(Reason::ReversalAmountMismatch);
        }
        self.told(asked, &known, tried(&known))
    }

    /// The payment whose first message field 90 names.
    fn original(&self, asked: &Asked<'_>) -> Result<PaymentId, Reason> {
        let original = asked.sent.original(asked.message, asked.now)?;
        original.id(self.keys.as_ref()).map(PaymentId::from_uuid).map_err(|error| fault(&error))
    }

    /// Keeps the message, without what proves a payer, before anything is done about it.
    pub(super) async fn note(
        &self,
        asked: &Asked<'_>,
        kind: Kind,
        payment: PaymentId,
        amount: Money,
    ) -> Result<(), Reason> {
        self.journal.note(self.noted(asked, kind, payment, amount)?).await
    }

    /// The message for keeping, without what proves a payer.
    fn noted(&self, asked: &Asked<'_>, kind: Kind, payment: PaymentId, amount: Money) -> Result<Noted, Reason> {
        let kept = kept(asked.message).map_err(|error| fault(&error))?;
        let sealed = self.keys.seal(KeyName::SealedPayload, asked.id.as_bytes(), &kept);
        Ok(Noted {
            id: asked.id,
            link: asked.link.id.clone(),
            kind,
            payment,
            amount,
            sealed_message: sealed.map_err(|error| fault(&error))?,
            today: self.journal.today()?,
        })
    }

    /// An answer with the references of the payment, which are the same for every repeat.
    pub(super) fn told(&self, asked: &Asked<'_>, payment: &Payment, response: Response) -> Result<Reply, Reason> {
        let id = payment.id.uuid();
        let mac = self.keys.mac(KeyName::RequestFingerprint, &[b"network reference", id.as_bytes()]);
        let mac = mac.map_err(|error| fault(&error))?;
        let digits = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let (reference, approval) =
            (digits(mac.get(..7).unwrap_or_default()), digits(mac.get(7..14).unwrap_or_default()));
        let mut reply = Reply::of(response);
        if text(asked.message, 37).is_none() {
            reply = reply.with(37, format!("{:012}", reference % 1_000_000_000_000));
        }
        if response == Response::Approved {
            reply = reply.with(38, format!("{:06}", approval % 1_000_000));
        }
        if response == Response::Refused(Reason::VerificationFailed)
            && let Some(challenge) = &payment.challenge
        {
            reply = reply.telling(Tag::TriesLeft, challenge.attempts_left.to_string());
        }
        Ok(reply)
    }
}

/// What whoever tried is told.
pub(super) fn tried(payment: &Payment) -> Response {
    match payment.seen() {
        Seen::Approved => Response::Approved,
        Seen::Pending | Seen::Authorised => Response::InProgress,
        Seen::AwaitingCode => Response::Refused(payment.refusal.unwrap_or(Reason::VerificationFailed)),
        Seen::Declined => Response::Refused(payment.refusal.unwrap_or(Reason::Fault)),
        Seen::Reversed => Response::Refused(Reason::ReversedBeforeApproval),
    }
}

impl Asked<'_> {
    /// Field 102: the number in international form, with or without its `+`.
    fn phone(&self) -> Result<PhoneNumber, Reason> {
        let digits = Zeroizing::new(text(self.message, 102).ok_or(Reason::FieldMissing)?);
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        PhoneNumber::parse(&Zeroizing::new(format!("+{digits}")))
    }

    /// Fields 4 and 49.
    pub(super) fn amount(&self) -> Result<Money, Reason> {
        let minor = number(self.message, 4).and_then(|minor| i64::try_from(minor).ok()).ok_or(Reason::FieldMissing)?;
        Money::payable(currency(self.message, &[49])?, minor)
    }
}

/// The currency of the first of these fields that is there: its number, or its letters.
pub(super) fn currency(message: &Message<'_>, fields: &[u8]) -> Result<Currency, Reason> {
    let code = fields.iter().find_map(|field| text(message, *field)).ok_or(Reason::FieldMissing)?;
    match code.parse::<u16>() {
        Ok(number) if code.len() == 3 => Currency::from_numeric(number),
        _ => Currency::parse(&code),
    }
}
