//! A bank is asked whether a caller knows a card's password.

use std::fmt;

use domain::card::Pan;
use domain::{BankId, CardId, Reason};
use proto::{bank as pb, common};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Banks, Client};

/// The number and the PIN that somebody has typed, the PIN under a key that the bank shares. It lives for one call, and its memory is
/// wiped when it is dropped.
pub(crate) struct TypedPin {
    pub(crate) pan: Pan,
    /// A block of format 4.
    pub(crate) block: Zeroizing<[u8; 16]>,
    /// Under whose key it is.
    pub(crate) pin_pad: String,
}

impl fmt::Debug for TypedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPin(…)")
    }
}

impl Banks {
    /// Asks once which of these cards it is, for a wrong PIN counts as a try. `Err` with `CardNotVerified`, or `BankAway` when the bank
    /// gives no answer to rely on.
    pub(crate) async fn prove_card(&self, bank: &BankId, typed: &TypedPin, of: &[CardId]) -> Result<CardId, Reason> {
        let pin_block = common::PinBlock {
            format: common::PinBlockFormat::Iso4.into(),
            key_version: 0,
            block: typed.block.to_vec(),
        };
        let card = common::PresentedCard {
            pan: typed.pan.reveal().to_owned(),
            pin_block: Some(pin_block),
            ..common::PresentedCard::default()
        };
        let request = pb::ProveCardRequest {
            card: Some(card),
            pin_pad_id: typed.pin_pad.clone(),
            card_ids: of.iter().map(CardId::to_string).collect(),
        };
        let asked = |mut client: Client, request| async move { client.prove_card(request).await };
        let said = self.links.call((bank, "prove_card"), request, asked).await.map_err(|status| {
            let reason = proto::reason_of(&status);
            tracing::debug!(%bank, code = ?status.code(), reason = reason.map_or("", Reason::code), "a card was not proved");
            match reason {
                Some(
                    Reason::CardNotVerified
                    | Reason::CardLocked
                    | Reason::CardUnknown
                    | Reason::CardsNotServed
                    | Reason::PinBlockUnreadable,
                ) => Reason::CardNotVerified,
                _ => Reason::BankAway,
            }
        });
        let mut card_id = said?.card_id;
        let proved = CardId::parse(&card_id);
        card_id.zeroize();
        // A bank that names another card than those that it was asked of has not understood.
        proved.ok().filter(|id| of.contains(id)).ok_or(Reason::CardNotVerified)
    }
}
