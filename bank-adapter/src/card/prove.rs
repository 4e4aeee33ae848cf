//! Whether a card is the one that it seems to be, and whether its holder knows its PIN.

use domain::card::{CardCheck, Proof, must_show};
use domain::ledger::{Available, Nature, Party};
use domain::{CardId, Currency, Money, Reason};

use super::{Cards, KnownCard, Presented, pin_check, side_of};
use crate::call::CallError;
use crate::hsm::{CardFace, Check, CvvKind, Hsm, HsmError, Made, PanDigits, Side};

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
            self.ask(move |hsm| decoy(hsm, &presented)).await?;
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

/// Makes the values that a card which nobody has would have. The bank has never issued such a card, so the key is as good as any.
fn decoy(hsm: &dyn Hsm, presented: &Presented) -> Result<(), HsmError> {
    let Some(expiry) = presented.expiry else { return Ok(()) };
    let pan = PanDigits::from(&presented.pan);
    let value = |kind| {
        let face = CardFace { pan: &pan, expiry: expiry.into(), kind };
        let made = hsm.make_cvv(Side::Credit, &face, None)?;
        hsm.verify_cvv(Side::Credit, &face, &made).map(|_| ())
    };
    if presented.cvv2.is_some() { value(CvvKind::Printed) } else { value(CvvKind::Chip) }
}

/// What the key store finds of a card and its PIN.
fn check(hsm: &dyn Hsm, known: &KnownCard, presented: &Presented) -> Result<Proof, HsmError> {
    let pan = PanDigits::from(&presented.pan);
    let card = card_check(hsm, known, presented, &pan)?;
    let pin = match (&presented.pin, &known.pin) {
        (None, _) => None,
        // A wrong card's PIN is nobody's business.
        (Some(_), _) if card == CardCheck::Wrong => None,
        (Some(_), None) => Some(domain::card::PinCheck::Wrong),
        (Some(block), Some(stored)) => Some(pin_check(hsm.verify_pin(block, &pan, stored)?)),
    };
    Ok(Proof::Checked { card, pin })
}

fn card_check(hsm: &dyn Hsm, known: &KnownCard, presented: &Presented, pan: &PanDigits) -> Result<CardCheck, HsmError> {
    let expiry = match presented.expiry {
        Some(expiry) if expiry != known.card.expiry => return Ok(CardCheck::Wrong),
        Some(expiry) => expiry,
        None if presented.cvv2.is_some() => return Ok(CardCheck::Wrong),
        None => return Ok(CardCheck::NotShown),
    };
    let side = side_of(known.product.cvv_key());
    let matches = |kind, cvv| {
        let face = CardFace { pan, expiry: expiry.into(), kind };
        hsm.verify_cvv(side, &face, &Made { value: cvv, version: known.cvk_version }).map(|it| it == Check::Matches)
    };
    let mut shown = false;
    if let Some(cvv2) = &presented.cvv2 {
        shown = true;
        if !matches(CvvKind::Printed, cvv2.clone())? {
            return Ok(CardCheck::Wrong);
        }
    }
    if let Some(track) = &presented.track {
        shown = true;
        let Ok(cvv) = track.cvv() else { return Ok(CardCheck::Wrong) };
        // A chip repeats the track with a value of its own.
        let fine = matches(CvvKind::Track(track.service_code), cvv.clone())? || matches(CvvKind::Chip, cvv)?;
        if !fine {
            return Ok(CardCheck::Wrong);
        }
    }
    Ok(if shown { CardCheck::Right } else { CardCheck::NotShown })
}
