//! Cards that an acquirer has read: its messages take the steps of a card at a terminal, and the PIN goes on under another key (R2, M7).

use domain::card::{Cvv, Expiry, Pan, Pin, Track2};
use domain::ledger::Nature;
use domain::network::{Response, Tag};
use domain::payment::Seen;
use domain::{PaymentId, Reason, TerminalId};
use iso8583::Message;
use iso8583::field::Form;
use iso8583::mti::MessageClass;
use zeroize::Zeroizing;

use super::carry::{Asked, Carrier, fault, reason_of, tried};
use super::reply::Reply;
use super::sql::Kind;
use super::working_key::WorkingKeys;
use crate::bank::{LinkCard, PresentedCard};
use crate::payment::{ReadCreateCard, read_reference};

/// The field of the phone number that pays.
const PHONE: u8 = 102;

/// What a message with a card asks for (ISO 8583:1987, annex A.4; 03 is China UnionPay's); none for one without a card, for one that names a
/// phone number, which then pays whatever card stands beside it, and for one that tells what has been done. An authorisation of goods is one that is completed later.
pub(super) fn shown_for(message: &Message<'_>, transaction: u8) -> Option<Nature> {
    let has_card = message.field(2).is_some() || message.field(35).is_some();
    if !has_card || message.field(PHONE).is_some() || message.mti().is_advice() {
        return None;
    }
    match (message.mti().class(), transaction) {
        (MessageClass::Financial, 0) => Some(Nature::Purchase),
        (MessageClass::Financial, 1) => Some(Nature::CashWithdrawal),
        (MessageClass::Authorization, 0 | 3) => Some(Nature::PreAuthorisation),
        _ => None,
    }
}

impl Carrier {
    /// A payment with a card: its bank is asked, and the answer is final or that it is in progress.
    pub(super) async fn card(&self, asked: &Asked<'_>, keys: &WorkingKeys, nature: Nature) -> Result<Reply, Reason> {
        let card = self.read_card(asked, keys)?;
        let read = ReadCreateCard {
            id: PaymentId::from_uuid(asked.id),
            card,
            nature,
            amount: asked.amount()?,
            items: Vec::new(),
            reference: read_reference(asked.private.get(Tag::Reference).unwrap_or_default())?,
        };
        let (id, amount) = (read.id, read.amount);
        let _turn = self.turns.take(asked.id).await;
        let terminal = self.till.taking_money(asked.terminal.clone()).map_err(|status| reason_of(&status))?;
        self.note(asked, Kind::Payment, id, amount).await?;
        let payment = self.till.charge_card(terminal, read).await.map_err(|status| reason_of(&status))?;
        let response = match payment.seen() {
            Seen::Authorised => Response::Approved,
            _ => tried(&payment),
        };
        self.told(asked, &payment, response)
    }

    /// Fields 2, 14, 35, 52, 55 and the three digits of the private field.
    fn read_card(&self, asked: &Asked<'_>, keys: &WorkingKeys) -> Result<PresentedCard, Reason> {
        let message = asked.message;
        let text = |field: u8| message.field(field).map(|field| Zeroizing::new(field.text().trim().to_owned()));
        let pan = text(2).map(|text| Pan::parse(&text)).transpose()?;
        let track2 = text(35).map(|text| Track2::parse(&text)).transpose()?;
        let expiry = text(14).map(|text| Expiry::parse_yymm(&text)).transpose()?;
        let cvv2 = asked.private.get(Tag::Cvv2).map(Cvv::parse).transpose()?;
        let number = pan.as_ref().or(track2.as_ref().map(|track| &track.pan)).ok_or(Reason::FieldMissing)?;
        let pin = match message.field(52) {
            None => None,
            Some(field) => {
                let block = Zeroizing::new(field.value().into_owned());
                let block: &[u8; 8] = block.as_slice().try_into().map_err(|_| Reason::PinBlockMalformed)?;
                Some(keys.pin.open_pin(block, number)?)
            }
        };
        // Where the field is text, it is not what a chip says.
        let chip = message.field(55).filter(|field| matches!(field.spec().form, Form::Octets(_)));
        let chip = chip.map(|field| Zeroizing::new(field.value().into_owned()));
        let shown = LinkCard { pan, expiry, cvv2, track2, pin, chip };
        PresentedCard::over_link(shown, &asked.terminal.id, |pan, pin| self.close(pan, pin))
    }

    /// The PIN under the key of the hub's own PIN pad, by which banks know it; none where the hub has no pad.
    #[allow(clippy::type_complexity, reason = "the pad, and what it makes of a PIN")]
    fn close(&self, pan: &Pan, pin: &Pin) -> Result<Option<(TerminalId, Zeroizing<[u8; 16]>)>, Reason> {
        let Some(pad) = &self.pad else { return Ok(None) };
        let typed = pad.encipher(pan, pin, &*self.rng).map_err(|error| fault(&error))?;
        let name = TerminalId::parse(&typed.pin_pad).map_err(|error| fault(&error))?;
        Ok(Some((name, typed.block)))
    }

    /// Completes a pre-authorisation with what was really used. The same again is the same answer.
    pub(super) async fn complete(&self, asked: &Asked<'_>, payment: PaymentId) -> Result<Reply, Reason> {
        let amount = asked.amount()?;
        let _turn = self.turns.take(asked.id).await;
        self.note(asked, Kind::Completion, payment, amount).await?;
        let done = self.till.complete_with(&asked.terminal.id, payment, amount).await;
        let done = done.map_err(|status| reason_of(&status))?;
        self.told(asked, &done, tried(&done))
    }
}
