//! The messages that go out: which fields each has, in one place. Without I/O.
//!
//! | | type | processing code (3) | beside the card (2), 7, 11, 32, 37, 41 |
//! |---|---|---|---|
//! | balance inquiry | 0100 | 313000 | 49; the answer has 54 |
//! | hold | 0100 | 003000, cash 013000 | 4, 18, 49 |
//! | change of a PIN | 0100, 0101 | 920000 | 52, 53 |
//! | post | 0220, 0221 | as the hold | 4, 38, 49, 90 |
//! | void | 0400, 0421 | as the hold | 4, 49, 90 |
//! | refund, repayment | 0220, 0221 | 200030, 210030 | 4, 49, 90 of a refund |
//! | reversal of a repayment | 0220, 0221 | 023000 | 4, 49, 90 |
//! | status of a card | 0322, 0323 | | 14, 91: 2, 101, 103 of one that was replaced |
//! | sign-on, echo, sign-off | 0800 | | 70: 001, 301, 002, and nothing of a card |
//!
//! Processing codes: ISO 8583:1987, annex A.4, where 30 is a credit account and 02 a debit adjustment; 92 for a PIN is what networks
//! have for it.
//!
//! The status of a card is an update of a file by its issuer: the record of the card in field 2 is changed (91: 2) to stand in
//! the file that 101 names, and in no other: ISSUED, ACTIVE, FROZEN, LOST, REPLACED or CLOSED. Of a replaced card, 103 is the
//! number that takes over and 14 until when that one is valid; of any other, 14 is its own.

use std::fmt;

use domain::card::{Expiry, Pan};
use domain::purchase::CategoryCode;
use domain::{Currency, Money};
use iso8583::element::{Amount, ProcessingCode};
use iso8583::{BuildError, Dialect, MessageBuilder, Mti};
use zeroize::Zeroizing;

use super::card::CardStatus;
use super::reference::Reference;
use super::trace::Trace;

/// How one peer wants its messages, apart from their content.
#[derive(Clone, Debug)]
pub struct Manner {
    pub dialect: &'static Dialect,
    /// The octets before the type, where the dialect has such; as many as it says.
    pub header: Option<Vec<u8>>,
    /// Who sends, field 32: up to 11 digits.
    pub acquirer: Box<str>,
    /// Who passes it on, field 33: up to 11 digits. None leaves the field out.
    pub forwarder: Option<Box<str>>,
    /// The name of this front as a terminal, field 41: 8 characters.
    pub terminal: Box<str>,
}

/// What is asked of the credit system, or told to it.
pub enum Request {
    Balance {
        card: Pan,
        currency: Currency,
        reference: Reference,
    },
    Hold {
        card: Pan,
        amount: Money,
        is_cash: bool,
        category: Option<CategoryCode>,
        reference: Reference,
    },
    ChangePin {
        card: Pan,
        /// Format 0 of ISO 9564-1 under the key of the zone.
        block: Zeroizing<[u8; 8]>,
        /// Sent before.
        is_repeat: bool,
        reference: Reference,
    },
    Advice(AdviceMessage),
    Status(StatusMessage),
    Network(Network),
}

/// Where a card stands from now on.
#[derive(Clone, Debug)]
pub struct StatusMessage {
    pub card: Pan,
    pub status: CardStatus,
    /// Of the card, or of the one that takes over.
    pub expiry: Expiry,
    /// The card that takes over.
    pub replaced_by: Option<Pan>,
    /// Sent before, as far as this side knows.
    pub is_repeat: bool,
    pub reference: Reference,
}

/// What has been decided and is told.
#[derive(Clone, Debug)]
pub struct AdviceMessage {
    pub what: Told,
    pub card: Pan,
    pub amount: Money,
    /// Sent before, as far as this side knows.
    pub is_repeat: bool,
    /// What it is about.
    pub original: Option<Original>,
    /// What the peer gave with its approval.
    pub approval_code: Option<String>,
    pub reference: Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Post { is_cash: bool },
    Void { is_cash: bool },
    Refund,
    Repayment,
    Reversal,
}

/// The message that another one is about, for field 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    pub mti: Mti,
    pub trace: Trace,
}

/// The management of the connection, field 70 (ISO 8583:1987, annex A.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    SignOn,
    SignOff,
    Echo,
}

impl Network {
    pub const fn code(self) -> u64 {
        match self {
            Self::SignOn => 1,
            Self::SignOff => 2,
            Self::Echo => 301,
        }
    }
}

/// PIN blocks: encrypted for a zone (20) with triple DES (01) in format 0 (01), under the first key of the zone (01). As networks
/// fill field 53; the standard leaves it to them.
const SECURITY_CONTROL: u64 = 2_001_010_100_000_000;
/// The update of a file that changes a record, field 91.
const CHANGE_RECORD: &str = "2";
/// What a void is when it is told again: an advice, since there is nothing left to decide.
const VOID_AGAIN: [u8; 4] = [0, 4, 2, 1];

impl Request {
    pub fn mti(&self) -> Mti {
        let again = |mti: Mti| mti.repeat().unwrap_or(mti);
        match self {
            Self::Balance { .. } | Self::Hold { .. } | Self::ChangePin { is_repeat: false, .. } => {
                Mti::AUTHORIZATION_REQUEST
            }
            Self::ChangePin { is_repeat: true, .. } => again(Mti::AUTHORIZATION_REQUEST),
            Self::Network(_) => Mti::NETWORK_MANAGEMENT_REQUEST,
            Self::Status(status) if status.is_repeat => again(Mti::FILE_ADVICE_OF_ISSUER),
            Self::Status(_) => Mti::FILE_ADVICE_OF_ISSUER,
            Self::Advice(advice) => match (advice.what, advice.is_repeat) {
                (Told::Void { .. }, false) => Mti::REVERSAL_REQUEST,
                (Told::Void { .. }, true) => Mti::from_digits(VOID_AGAIN).unwrap_or(Mti::REVERSAL_ADVICE),
                (_, false) => Mti::FINANCIAL_ADVICE,
                (_, true) => again(Mti::FINANCIAL_ADVICE),
            },
        }
    }

    /// What it is called in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Balance { .. } => "balance",
            Self::Hold { .. } => "hold",
            Self::ChangePin { .. } => "pin",
            Self::Network(_) => "network",
            Self::Status(_) => "card",
            Self::Advice(advice) => match advice.what {
                Told::Post { .. } => "post",
                Told::Void { .. } => "void",
                Told::Refund => "refund",
                Told::Repayment => "repayment",
                Told::Reversal => "reversal",
            },
        }
    }

    fn processing_code(&self) -> Option<ProcessingCode> {
        const CREDIT: u8 = 30;
        let withdrawal = |is_cash: bool| ProcessingCode::new(u8::from(is_cash), CREDIT, 0);
        match self {
            Self::Balance { .. } => ProcessingCode::new(31, CREDIT, 0),
            Self::Hold { is_cash, .. } => withdrawal(*is_cash),
            Self::ChangePin { .. } => ProcessingCode::new(92, 0, 0),
            Self::Advice(advice) => match advice.what {
                Told::Post { is_cash } | Told::Void { is_cash } => withdrawal(is_cash),
                Told::Refund => ProcessingCode::new(20, 0, CREDIT),
                Told::Repayment => ProcessingCode::new(21, 0, CREDIT),
                Told::Reversal => ProcessingCode::new(2, CREDIT, 0),
            },
            Self::Status(_) | Self::Network(_) => None,
        }
    }

    const fn subject(&self) -> Option<(&Pan, Reference)> {
        match self {
            Self::Balance { card, reference, .. }
            | Self::Hold { card, reference, .. }
            | Self::ChangePin { card, reference, .. } => Some((card, *reference)),
            Self::Advice(advice) => Some((&advice.card, advice.reference)),
            Self::Status(status) => Some((&status.card, status.reference)),
            Self::Network(_) => None,
        }
    }

    /// The message, without its authentication code.
    ///
    /// # Errors
    ///
    /// A field that the dialect does not have, or in which the value has no place.
    pub fn build(&self, manner: &Manner, trace: Trace) -> Result<MessageBuilder<'static>, BuildError> {
        let mut message = MessageBuilder::new(manner.dialect, self.mti())?;
        if let Some(header) = &manner.header {
            message.header(header)?;
        }
        message.number(7, trace.time.number())?.number(11, trace.stan.number())?;
        if let Self::Network(network) = self {
            message.number(70, network.code())?;
            return Ok(message);
        }
        if let Some((card, reference)) = self.subject() {
            message.text(2, card.reveal())?.text(37, reference.as_str())?;
        }
        if let Some(code) = self.processing_code() {
            message.number(3, code.number())?;
        }
        message.text(32, &manner.acquirer)?.padded(41, &manner.terminal)?;
        if let Some(forwarder) = &manner.forwarder {
            message.text(33, forwarder)?;
        }
        match self {
            Self::Balance { currency, .. } => {
                put_currency(&mut message, *currency)?;
            }
            Self::Hold { amount, category, .. } => {
                put_money(&mut message, *amount)?;
                if let Some(category) = category {
                    message.text(18, category.as_str())?;
                }
            }
            Self::ChangePin { block, .. } => {
                message.value(52, &**block)?.number(53, SECURITY_CONTROL)?;
            }
            Self::Advice(advice) => put_advice(&mut message, advice, manner)?,
            Self::Status(status) => put_status(&mut message, status)?,
            Self::Network(_) => {}
        }
        Ok(message)
    }
}

fn put_advice(message: &mut MessageBuilder<'_>, advice: &AdviceMessage, manner: &Manner) -> Result<(), BuildError> {
    put_money(message, advice.amount)?;
    if let Some(approval_code) = &advice.approval_code {
        message.padded(38, approval_code)?;
    }
    if let Some(Original { mti, trace }) = advice.original {
        let forwarder = manner.forwarder.as_deref().unwrap_or_default();
        let text = format!("{mti}{}{}{:0>11}{forwarder:0>11}", trace.stan, trace.time, manner.acquirer);
        message.text(90, &text)?;
    }
    Ok(())
}

fn put_status(message: &mut MessageBuilder<'_>, status: &StatusMessage) -> Result<(), BuildError> {
    message.text(14, &status.expiry.yymm())?.text(91, CHANGE_RECORD)?.text(101, status.status.as_str())?;
    if let Some(successor) = &status.replaced_by {
        message.text(103, successor.reveal())?;
    }
    Ok(())
}

fn put_money(message: &mut MessageBuilder<'_>, money: Money) -> Result<(), BuildError> {
    let amount = Amount::from_minor_units(money.minor).ok_or(BuildError::NotANumber { field: 4 })?;
    message.number(4, amount.number())?;
    put_currency(message, money.currency)
}

/// Field 49 holds the number of the currency as three characters.
fn put_currency(message: &mut MessageBuilder<'_>, currency: Currency) -> Result<(), BuildError> {
    message.text(49, &format!("{:03}", currency.numeric()))?;
    Ok(())
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("name", &self.name());
        if let Some((card, reference)) = self.subject() {
            shown.field("card", &card.masked()).field("reference", &reference);
        }
        shown.finish_non_exhaustive()
    }
}
