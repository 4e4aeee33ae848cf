//! Between the terminal's messages and the domain: what cannot be read is refused by reason, before anything is stored.

use domain::card::Expiry;
use domain::ledger::Nature;
use domain::payment::{NewCardPayment, Payment, Seen, State};
use domain::purchase::LineItem;
use domain::text::Line;
use domain::{Money, PaymentId, PhoneNumber, Reason, TerminalId};
use proto::terminal as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};

use crate::bank::PresentedCard;
use crate::directory::snapshot;

/// A request to pay that can be read.
#[derive(Debug)]
pub(crate) struct ReadCreate {
    pub(crate) id: PaymentId,
    pub(crate) phone: PhoneNumber,
    pub(crate) amount: Money,
    pub(crate) items: Vec<LineItem>,
    pub(crate) reference: Option<Line>,
    /// Whether the network of the link over which it came charges it by itself.
    pub(crate) routed: bool,
}

impl ReadCreate {
    pub(super) fn read(message: &pb::CreatePaymentRequest) -> Result<Self, Reason> {
        let id = PaymentId::parse(&message.payment_id)?;
        let Some(pb::create_payment_request::Payer::PhoneNumber(phone)) = &message.payer else {
            return Err(Reason::FieldMissing);
        };
        let phone = PhoneNumber::parse(phone)?;
        let amount = proto::to_payable(message.amount.as_ref())?;
        let (items, reference) = (proto::to_items(&message.items)?, read_reference(&message.merchant_reference)?);
        Ok(Self { id, phone, amount, items, reference, routed: false })
    }

    /// What the request says, under a key, since it has a phone number in it.
    pub(crate) fn fingerprint(&self, keys: &dyn KeyStore) -> Result<[u8; 32], KeyError> {
        let items = snapshot::items_to_named_json(&self.items);
        let reference = self.reference.as_ref().map_or("", Line::as_str);
        keys.mac(
            KeyName::RequestFingerprint,
            &[
                b"create",
                self.phone.as_e164().as_bytes(),
                self.amount.currency.code().as_bytes(),
                &self.amount.minor.to_be_bytes(),
                items.as_bytes(),
                reference.as_bytes(),
            ],
        )
    }
}

pub(crate) fn read_reference(text: &str) -> Result<Option<Line>, Reason> {
    match text {
        "" => Ok(None),
        text if text.chars().count() > 64 => Err(Reason::TextMalformed),
        text => Ok(Some(Line::parse(text)?)),
    }
}

/// A request to pay with a card that can be read.
#[derive(Debug)]
pub(crate) struct ReadCreateCard {
    pub(crate) id: PaymentId,
    pub(crate) card: PresentedCard,
    pub(crate) nature: Nature,
    pub(crate) amount: Money,
    pub(crate) items: Vec<LineItem>,
    pub(crate) reference: Option<Line>,
}

impl ReadCreateCard {
    pub(super) fn read(message: pb::CreateCardPaymentRequest, terminal: &TerminalId) -> Result<Self, Reason> {
        let nature = message.nature();
        // First the card, so that it is wiped whatever else cannot be read.
        let card = message.card.ok_or(Reason::FieldMissing).and_then(|card| PresentedCard::read(card, terminal));
        let id = PaymentId::parse(&message.payment_id)?;
        let nature = proto::from_nature(nature)?;
        NewCardPayment::allows(nature)?;
        let amount = proto::to_payable(message.amount.as_ref())?;
        let (items, reference) = (proto::to_items(&message.items)?, read_reference(&message.merchant_reference)?);
        Ok(Self { id, card: card?, nature, amount, items, reference })
    }

    /// What the request says, under a key. Of the card only the number and the expiry: what proves the card is different when it
    /// is read again, and stays in no hash either. No key that rotates is in it: the same request is the same before and after.
    pub(super) fn fingerprint(&self, keys: &dyn KeyStore) -> Result<[u8; 32], KeyError> {
        let items = snapshot::items_to_named_json(&self.items);
        let reference = self.reference.as_ref().map_or("", Line::as_str);
        keys.mac(
            KeyName::RequestFingerprint,
            &[
                b"create card",
                self.card.pan().reveal().as_bytes(),
                &self.card.expiry().map_or([0; 4], Expiry::yymm_digits),
                self.nature.as_str().as_bytes(),
                self.amount.currency.code().as_bytes(),
                &self.amount.minor.to_be_bytes(),
                items.as_bytes(),
                reference.as_bytes(),
            ],
        )
    }
}

/// What a refund request says.
pub(super) fn refund_fingerprint(
    keys: &dyn KeyStore,
    original: PaymentId,
    amount: Money,
) -> Result<[u8; 32], KeyError> {
    let (code, minor) = (amount.currency.code(), amount.minor.to_be_bytes());
    keys.mac(KeyName::RequestFingerprint, &[b"refund", original.uuid().as_bytes(), code.as_bytes(), &minor])
}

/// The payment as its terminal sees it.
pub(super) fn seen(payment: &Payment) -> pb::Payment {
    let state = match payment.seen() {
        Seen::AwaitingCode => pb::PaymentState::AwaitingCode,
        Seen::Pending => pb::PaymentState::Pending,
        Seen::Authorised => pb::PaymentState::Authorised,
        Seen::Approved => pb::PaymentState::Approved,
        Seen::Declined => pb::PaymentState::Declined,
        Seen::Reversed => pb::PaymentState::Reversed,
    };
    let challenge = payment.challenge.as_ref().filter(|_| payment.state == State::Challenged);
    // Which account it is is nobody's business before it has been charged.
    let told_of = matches!(payment.seen(), Seen::Approved | Seen::Authorised | Seen::Reversed);
    let charged = payment.charge.as_ref().filter(|_| told_of);
    let told = matches!(payment.seen(), Seen::AwaitingCode | Seen::Declined | Seen::Reversed);
    pb::Payment {
        payment_id: payment.id.to_string(),
        state: state.into(),
        amount: Some(proto::to_money(payment.amount)),
        refusal: payment.refusal.filter(|_| told).map(proto::refusal),
        attempts_left: challenge.map_or(0, |challenge| u32::from(challenge.attempts_left)),
        code_expires_at: challenge.map(|challenge| proto::to_timestamp(challenge.expires_at)),
        created_at: Some(proto::to_timestamp(payment.created_at)),
        decided_at: payment.decided_at.filter(|_| payment.seen().is_final()).map(proto::to_timestamp),
        refunded_minor: payment.refunded_minor,
        bank_id: charged.map(|charge| charge.bank_id.to_string()).unwrap_or_default(),
        account_masked: charged.map(|charge| charge.masked.clone()).unwrap_or_default(),
        refund_of_payment_id: match payment.kind {
            domain::payment::Kind::Refund { original } => original.to_string(),
            _ => String::new(),
        },
        nature: payment.kind.nature().map_or(proto::common::Nature::Unspecified, proto::to_nature).into(),
        completed_amount: payment.completed_minor.map(|_| proto::to_money(payment.charged())),
    }
}
