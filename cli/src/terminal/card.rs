//! Payments with a card: what the reader and the PIN pad give goes to the hub, and nothing of it is kept.

use std::fmt;

use bank_adapter::hsm::{Algorithm, ClearKey, HsmError, KeyId, KeyName, PanDigits, PinBlockFormat, PinPad};
use domain::card::Pan;
use domain::errand::block_number;
use domain::ledger::Nature;
use domain::{ErrandId, Money, PaymentId};
use proto::common;
use proto::terminal as pb;
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::rng::SystemRng;

use super::call::{Failure, Request};
use super::{Item, Payment, Record, Terminal, TerminalError};

/// A PIN pad in software, for trials: a real one has its key in a chip.
pub struct Pad {
    pad: PinPad,
}

impl fmt::Debug for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pad")
    }
}

impl Pad {
    /// The pad of a terminal; its key is an AES key of 16 bytes in hexadecimal digits, which the banks have under its name.
    pub fn new(terminal_id: &str, key: &SecretString) -> Result<Self, HsmError> {
        let name = KeyName::TerminalPin(KeyId::parse(terminal_id)?);
        Ok(Self { pad: PinPad::new(name, None, &ClearKey::from_hex(Algorithm::Aes128, key)?)? })
    }

    /// What the pad makes of a PIN for this card.
    pub fn block(&self, pan: &Pan, pin: &SecretString) -> Result<common::PinBlock, HsmError> {
        self.close(&PanDigits::from(pan), pin)
    }

    /// What the pad makes of a password that is typed for an errand; its key is one that the hub has.
    pub fn errand_block(&self, errand: ErrandId, typed: &SecretString) -> Result<common::PinBlock, HsmError> {
        self.close(&PanDigits::parse(&block_number(errand))?, typed)
    }

    fn close(&self, pan: &PanDigits, pin: &SecretString) -> Result<common::PinBlock, HsmError> {
        let format = PinBlockFormat::Iso4;
        let block = self.pad.encrypt(format, pan, pin.expose_secret(), &SystemRng::new())?;
        Ok(common::PinBlock {
            format: common::PinBlockFormat::Iso4.into(),
            key_version: block.version.unwrap_or(0),
            block: block.bytes,
        })
    }
}

/// A card as it is read and a PIN as it is typed. Lives for one payment.
#[derive(Clone)]
pub struct Card {
    read: common::PresentedCard,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Card")
    }
}

impl Card {
    /// By the number alone, for money that comes in.
    pub fn by_number(pan: &Pan) -> Self {
        let read = common::PresentedCard { pan: pan.reveal().to_owned(), ..common::PresentedCard::default() };
        Self { read }
    }

    /// As the reader gives track 2.
    pub fn by_track(track2: &SecretString) -> Self {
        let track2 = track2.expose_secret().to_owned();
        Self { read: common::PresentedCard { track2, ..common::PresentedCard::default() } }
    }

    /// As it is typed off the card, `YYMM` and the three digits on its back.
    pub fn by_cvv2(pan: &Pan, expiry: &str, cvv2: &SecretString) -> Self {
        let read = common::PresentedCard {
            pan: pan.reveal().to_owned(),
            expiry: expiry.to_owned(),
            cvv2: cvv2.expose_secret().to_owned(),
            ..common::PresentedCard::default()
        };
        Self { read }
    }

    /// With the PIN block of a pad.
    #[must_use]
    pub fn with_pin(mut self, block: common::PinBlock) -> Self {
        self.read.pin_block = Some(block);
        self
    }

    /// As it goes to the hub.
    pub fn to_wire(&self) -> common::PresentedCard {
        self.read.clone()
    }
}

/// What is done with a card, and for how much.
#[derive(Clone, Debug)]
pub struct CardOrder {
    pub card: Card,
    pub nature: Nature,
    pub amount: Money,
    pub items: Vec<Item>,
    /// The merchant's own reference; may be empty.
    pub reference: String,
}

impl CardOrder {
    pub fn new(card: Card, nature: Nature, amount: Money) -> Self {
        Self { card, nature, amount, items: Vec::new(), reference: String::new() }
    }
}

/// What a card may spend.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    pub debit: Option<common::Money>,
    pub credit: Option<common::Money>,
    pub cash_advance: Option<common::Money>,
    pub bank_id: String,
    pub card_masked: String,
}

impl Terminal {
    /// Does with a card what is ordered, under a new id.
    pub async fn card_payment(&self, order: &CardOrder) -> Result<Payment, TerminalError> {
        self.card_payment_as(self.new_id()?, order).await
    }

    /// The same under this id; the same id with the same order gives the first answer again.
    pub async fn card_payment_as(&self, id: PaymentId, order: &CardOrder) -> Result<Payment, TerminalError> {
        let is_first = self.open_payment(id).is_none();
        if is_first {
            self.write(Record::begun(id, order.amount, None)).await?;
        }
        let request = Request::Card(pb::CreateCardPaymentRequest {
            payment_id: id.to_string(),
            card: Some(order.card.to_wire()),
            nature: proto::to_nature(order.nature).into(),
            amount: Some(proto::to_money(order.amount)),
            items: order.items.iter().map(Item::to_wire).collect(),
            merchant_reference: order.reference.clone(),
        });
        self.see_through(id, request, is_first).await
    }

    /// Ends a pre-authorisation with what was really used. It is stored before it is sent, so that it is never forgotten.
    pub async fn complete(&self, id: PaymentId, amount: Money) -> Result<Payment, TerminalError> {
        self.write(Record::completion_owed(id, amount)).await?;
        self.send_completion(id, amount, self.options.patience).await
    }

    /// What a card may spend. Sent once: a wrong PIN counts as a try.
    pub async fn balance(&self, card: &Card) -> Result<Balance, TerminalError> {
        let answer = self.call().balance(card.to_wire()).await.map_err(Failure::once)?;
        Ok(Balance {
            debit: answer.debit_available,
            credit: answer.credit_available,
            cash_advance: answer.cash_advance_available,
            bank_id: answer.bank_id,
            card_masked: answer.card_masked,
        })
    }
}
