//! Making a card (C3): its number, until when it is valid, its track and its verification values.

use std::fmt;

use domain::card::{Bin, BinRange, Card, Cvv, Expiry, Pan, Product, ServiceCode, Sides, Track2};
use domain::{AccountId, CardId, Reason};
use server_kit::identity::Principal;
use server_kit::rng;
use server_kit::store::StoreError;

use super::sql::{CardFile, KnownCard};
use super::{Cards, side_of, sql};
use crate::call::CallError;
use crate::hsm::{CardFace, CvvKind, Hsm, HsmError, PanDigits};
use crate::ledger::card_steps::IssueOrder;

/// How often a number that is taken is drawn again.
const DRAWS: usize = 8;
/// Digits of a number that are drawn.
const DRAWN: usize = 15;

/// A card to make.
#[derive(Debug)]
pub(crate) struct Issuing {
    pub(crate) card_id: CardId,
    pub(crate) bin: Bin,
    pub(crate) debit: Option<AccountId>,
    pub(crate) credit: Option<AccountId>,
    /// The number, when an existing credit system has made it.
    pub(crate) pan: Option<Pan>,
}

/// What is printed and encoded on a card, for its maker.
pub(crate) struct Face {
    pub(crate) pan: Pan,
    pub(crate) expiry: Expiry,
    pub(crate) cvv2: Cvv,
    pub(crate) track: Track2,
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Face({})", self.pan)
    }
}

impl Cards {
    /// Issues a card. The same again gives the same card with the same face.
    pub(crate) async fn issue(&self, issuing: Issuing, by: Principal) -> Result<(Card, Face), CallError> {
        let sides = match (issuing.debit, issuing.credit) {
            (Some(debit), Some(credit)) => Sides::Both { debit, credit },
            (Some(debit), None) => Sides::Debit(debit),
            (None, Some(credit)) => Sides::Credit(credit),
            (None, None) => return Err(Reason::FieldMissing.into()),
        };
        if let Some(known) = sql::find(self.parts.ledger.store(), issuing.card_id).await? {
            let pan = self.pan_of(&known)?;
            let same = pan.reveal().starts_with(issuing.bin.as_str())
                && known.card.sides == sides
                && issuing.pan.is_none_or(|asked| asked == pan);
            if !same {
                return Err(Reason::IdTaken.into());
            }
            let face = self.face(&known, pan).await?;
            return Ok((known.card, face));
        }
        let (id, expiry) = (issuing.card_id, self.expiry()?);
        let card = |masked| Card::issue(id, expiry, sides, masked);
        self.make(card, (&issuing.bin, issuing.pan), None, by).await
    }

    /// Issues a card that takes over the accounts of another one. The same again gives the same card with the same face.
    pub(crate) async fn replace(&self, old: CardId, new: CardId, by: Principal) -> Result<(Card, Face), CallError> {
        let old = self.known(old).await?;
        if let Some(known) = sql::find(self.parts.ledger.store(), new).await? {
            if old.card.replaced_by != Some(new) {
                return Err(Reason::IdTaken.into());
            }
            let pan = self.pan_of(&known)?;
            let face = self.face(&known, pan).await?;
            return Ok((known.card, face));
        }
        let before = self.pan_of(&old)?;
        let bin = self.range_of(&before)?.first;
        let expiry = self.expiry()?;
        let card = |masked| old.card.successor(new, expiry, masked);
        self.make(card, (&bin, None), Some(old.card.id), by).await
    }

    /// Makes a card with the number that was asked for, or with one that is drawn until nobody else has got it first.
    async fn make(
        &self,
        card: impl Fn(String) -> Card,
        (bin, asked): (&Bin, Option<Pan>),
        replaces: Option<CardId>,
        by: Principal,
    ) -> Result<(Card, Face), CallError> {
        for _ in 0..DRAWS {
            let (pan, product) = self.number(bin, asked.clone()).await?;
            let card = card(pan.masked());
            if replaces.is_none() && !fits(product, card.sides) {
                return Err(Reason::CardSidesMismatch.into());
            }
            match self.make_with((pan, product), card, replaces, by.clone()).await {
                Err(CallError::Reason(Reason::CardNumberTaken)) if asked.is_none() => {}
                made => return made,
            }
        }
        Err(Reason::CardNumbersExhausted.into())
    }

    async fn make_with(
        &self,
        (pan, product): (Pan, Product),
        card: Card,
        replaces: Option<CardId>,
        by: Principal,
    ) -> Result<(Card, Face), CallError> {
        let (face, cvk_version) = self.new_face(product, pan, card.expiry, None).await?;
        let file = CardFile {
            pan_hashes: self.hashes(&face.pan)?,
            pan_sealed: self.seal(card.id, &face.pan)?,
            product,
            cvk_version,
        };
        let (card, _) = self.parts.ledger.issue(IssueOrder { card, file, replaces }, by).await?;
        // Of two calls that were under way together one was first, and its number is the card's: what is embossed is what is stored.
        let known = self.known(card.id).await?;
        let pan = self.pan_of(&known)?;
        let face = self.face(&known, pan).await?;
        Ok((known.card, face))
    }

    fn expiry(&self) -> Result<Expiry, Reason> {
        let today = self.parts.calendar.day_of(self.parts.clock.now());
        Expiry::after_issue(today, self.parts.rules.valid_years)
    }

    fn range_of(&self, pan: &Pan) -> Result<BinRange, Reason> {
        self.parts.rules.ranges.find(pan).cloned()
    }

    /// A number that nobody has yet, drawn so that it cannot be guessed from another one; or the one that was asked for.
    async fn number(&self, bin: &Bin, asked: Option<Pan>) -> Result<(Pan, Product), CallError> {
        if let Some(pan) = asked {
            let range = self.range_of(&pan)?;
            let taken = !pan.reveal().starts_with(bin.as_str()) || self.find(&pan).await?.is_some();
            return if taken { Err(Reason::CardNumberTaken.into()) } else { Ok((pan, range.product)) };
        }
        for _ in 0..DRAWS {
            let drawn = rng::digits(&*self.parts.rng, DRAWN);
            let drawn = drawn.map_err(|error| StoreError::Refused(error.to_string()))?;
            let drawn: u64 = drawn.parse().map_err(|_| Reason::Fault)?;
            let ranges = self.parts.rules.ranges.ranges();
            let made = ranges.filter_map(|range| {
                let room = u32::from(range.digits).checked_sub(1 + u32::try_from(bin.as_str().len()).ok()?)?;
                let pan = Pan::issue(bin, drawn % 10_u64.checked_pow(room)?, usize::from(range.digits)).ok()?;
                (self.parts.rules.ranges.find(&pan).ok() == Some(range)).then_some((pan, range.product))
            });
            let Some((pan, product)) = made.into_iter().next() else { return Err(Reason::BinUnknown.into()) };
            if self.find(&pan).await?.is_none() {
                return Ok((pan, product));
            }
        }
        Err(Reason::CardNumbersExhausted.into())
    }

    /// The face of a card that was issued before.
    async fn face(&self, known: &KnownCard, pan: Pan) -> Result<Face, CallError> {
        let (face, _) = self.new_face(known.product, pan, known.card.expiry, Some(known.cvk_version)).await?;
        Ok(face)
    }

    async fn new_face(
        &self,
        product: Product,
        pan: Pan,
        expiry: Expiry,
        version: Option<u32>,
    ) -> Result<(Face, u32), CallError> {
        self.ask(move |hsm| face(hsm, product, pan, expiry, version)).await?.map_err(CallError::from)
    }
}

/// The face under a version of the key, or under the current one; both values under the same.
fn face(
    hsm: &dyn Hsm,
    product: Product,
    pan: Pan,
    expiry: Expiry,
    version: Option<u32>,
) -> Result<Result<(Face, u32), Reason>, HsmError> {
    let (side, digits) = (side_of(product.cvv_key()), PanDigits::from(&pan));
    let value = |kind, version| hsm.make_cvv(side, &CardFace { pan: &digits, expiry: expiry.into(), kind }, version);
    let printed = value(CvvKind::Printed, version)?;
    let on_track = value(CvvKind::Track(ServiceCode::CHIP), Some(printed.version))?;
    // The bank keeps what a PIN is compared with in its own files, so that there is none on the track.
    let track = Track2::make(pan.clone(), expiry, ServiceCode::CHIP, "00000", &on_track.value);
    Ok(track.map(|track| (Face { pan, expiry, cvv2: printed.value, track }, printed.version)))
}

const fn fits(product: Product, sides: Sides) -> bool {
    matches!(
        (product, sides),
        (Product::Combined, Sides::Both { .. })
            | (Product::CreditOnly, Sides::Credit(_))
            | (Product::DebitOnly, Sides::Debit(_))
    )
}
