//! Whether a card is the one that it seems to be, and whether its holder knows its PIN.

use std::fmt;

use domain::card::{CardCheck, Pan, Product, Proof, must_show};
use domain::ledger::{Available, Nature, Party};
use domain::{CardId, Currency, Money, Reason};
use proto::bank;

use super::{Cards, KnownCard, Presented, pin_block, side_of};
use crate::call::CallError;
use crate::hsm::{CardFace, Check, CvvKind, Hsm, HsmError, Made, PanDigits, PinBlock, Side};
use crate::ledger::LedgerError;

/// The most cards that a person has bound.
const MOST_CARDS: usize = 50;

impl Cards {
    /// Which card it is and what was proved of it. Nothing is stored and nothing counted: that is for the step that uses the
    /// card. `Err` with `CardProofMissing`, `PinRequired`, or what hinders the key store.
    pub(crate) async fn prove(
        &self,
        presented: Presented,
        nature: Nature,
        amount: Money,
    ) -> Result<(Party, Proof), CallError> {
        must_show(nature, amount, presented.shown(), self.parts.rules.without_pin_minor)?;
        let Some(known) = self.find(&presented.pan).await? else {
            // The key store works as hard as for a card that exists, so that the time does not tell one from the other.
            let product = self.parts.rules.ranges.find(&presented.pan).map_or(Product::Combined, |range| range.product);
            self.ask(move |hsm| decoy(hsm, side_of(product.cvv_key()), &presented)).await?;
            return Ok((Party::UnknownCard, Proof::Checked { card: CardCheck::Wrong, pin: None }));
        };
        let id = known.card.id;
        let proof = self.ask(move |hsm| check(hsm, &known, &presented)).await?;
        Ok((Party::Card(id), proof))
    }

    /// What a card may spend as the ledger has it, which card it is, and its number as a receipt may show it.
    pub(crate) async fn balance(&self, presented: Presented) -> Result<(CardId, Available, String), CallError> {
        let nothing = Money::new(Currency::CNY, 0);
        match self.prove(presented, Nature::BalanceInquiry, nothing).await? {
            (Party::Card(id), proof) => {
                let (available, masked) = self.parts.ledger.inquire(id, proof).await?;
                Ok((id, available, masked))
            }
            _ => Err(Reason::CardNotVerified.into()),
        }
    }
}

/// A number and a PIN, which somebody has typed without showing the card.
pub(crate) struct Typed {
    pub(crate) pan: Pan,
    pub(crate) pin: PinBlock,
    /// The cards of which it may be one.
    pub(crate) of: Vec<CardId>,
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({})", self.pan)
    }
}

impl Typed {
    /// `Err` with `FieldMissing`, `PinRequired`, `TooManyItems`, `IdMalformed`, or the reasons of a card number and a PIN block.
    pub(crate) fn read(request: &bank::ProveCardRequest) -> Result<Self, Reason> {
        let card = request.card.as_ref().ok_or(Reason::FieldMissing)?;
        if request.card_ids.len() > MOST_CARDS {
            return Err(Reason::TooManyItems);
        }
        let block = card.pin_block.as_ref().ok_or(Reason::PinRequired)?;
        Ok(Self {
            pan: Pan::parse(&card.pan)?,
            pin: pin_block(block, &request.pin_pad_id)?,
            of: request.card_ids.iter().map(|id| CardId::parse(id)).collect::<Result<_, _>>()?,
        })
    }
}

impl Cards {
    /// Which card it is. A PIN counts at one of those cards alone: who knows a number must not be able to lock the card. `Err` with
    /// `CardNotVerified`, whatever was wrong, also for a card that is locked; or with what hinders the key store.
    pub(crate) async fn prove_typed(&self, typed: Typed) -> Result<CardId, CallError> {
        let Typed { pan, pin, of } = typed;
        let digits = PanDigits::from(&pan);
        let Some(known) = self.find(&pan).await?.filter(|known| of.contains(&known.card.id)) else {
            // The key store works as for a card that may be proved, so that the time does not tell one from the other.
            self.ask(move |hsm| hsm.set_pin(&pin, &digits).map(|_| ())).await?;
            return Err(Reason::CardNotVerified.into());
        };
        let id = known.card.id;
        let check = self.ask(move |hsm| known.tell_pin(hsm, &pin, &digits)).await?;
        // The hub knows whose card it is, which stands for having shown it; the PIN is compared and counted as at a terminal.
        let proof = Proof::Checked { card: CardCheck::Right, pin: Some(check) };
        match self.parts.ledger.inquire(id, proof).await {
            Ok(_) => Ok(id),
            Err(LedgerError::Refused(Reason::HsmAway)) => Err(Reason::HsmAway.into()),
            Err(LedgerError::Refused(_)) => Err(Reason::CardNotVerified.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Asks about a card that nobody has as about one that is there and whose values are wrong. What comes of it does not matter.
fn decoy(hsm: &dyn Hsm, side: Side, presented: &Presented) -> Result<(), HsmError> {
    let Some(expiry) = presented.expiry else { return Ok(()) };
    let pan = PanDigits::from(&presented.pan);
    let face = CardFace { pan: &pan, expiry: expiry.into(), kind: CvvKind::Printed };
    let Ok(made) = hsm.make_cvv(side, &face, None) else { return Ok(()) };
    let on_track = presented.track.as_ref().and_then(|track| track.cvv().ok());
    for claimed in presented.cvv2.iter().cloned().chain(on_track) {
        let _ = hsm.verify_cvv(side, &face, &Made { value: claimed, version: made.version });
    }
    Ok(())
}

/// What the key store finds of a card and its PIN.
fn check(hsm: &dyn Hsm, known: &KnownCard, presented: &Presented) -> Result<Proof, HsmError> {
    let pan = PanDigits::from(&presented.pan);
    let card = card_check(hsm, known, presented, &pan)?;
    let pin = match &presented.pin {
        // The PIN of a card that was not shown to be the right one is nobody's business.
        Some(block) if card == CardCheck::Right => Some(known.tell_pin(hsm, block, &pan)?),
        Some(_) | None => None,
    };
    Ok(Proof::Checked { card, pin })
}

/// Every value that is shown is compared, whatever else is wrong, so that the time does not tell which one it was.
fn card_check(hsm: &dyn Hsm, known: &KnownCard, presented: &Presented, pan: &PanDigits) -> Result<CardCheck, HsmError> {
    let Some(expiry) = presented.expiry else {
        return Ok(if presented.cvv2.is_some() { CardCheck::Wrong } else { CardCheck::NotShown });
    };
    let side = side_of(known.product.cvv_key());
    let matches = |kind, cvv| {
        let face = CardFace { pan, expiry: expiry.into(), kind };
        hsm.verify_cvv(side, &face, &Made { value: cvv, version: known.cvk_version }).map(|it| it == Check::Matches)
    };
    let mut fine = expiry == known.card.expiry;
    if let Some(cvv2) = &presented.cvv2 {
        fine &= matches(CvvKind::Printed, cvv2.clone())?;
    }
    if let Some(track) = &presented.track {
        // The service codes of CVV2 and iCVV are on no track: with them the digits on the back would pass for those of a stripe.
        let is_on_a_track = !matches!(track.service_code.as_str(), "000" | "999");
        fine &= match track.cvv() {
            Ok(cvv) => matches(CvvKind::Track(track.service_code), cvv)? && is_on_a_track,
            Err(_) => false,
        };
    }
    let is_shown = presented.cvv2.is_some() || presented.track.is_some();
    Ok(match (fine, is_shown) {
        (false, _) => CardCheck::Wrong,
        (true, true) => CardCheck::Right,
        (true, false) => CardCheck::NotShown,
    })
}
