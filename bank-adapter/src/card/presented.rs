//! A card as a terminal read it, as far as it can be read here.

use std::fmt;

use domain::Reason;
use domain::card::{Cvv, Expiry, Pan, Shown, Track2};
use proto::common;

use crate::hsm::{KeyId, KeyName, PinBlock, PinBlockFormat};

/// A card as a terminal read it. It lives for one request.
pub(crate) struct Presented {
    pub(crate) pan: Pan,
    /// From the message or from the track, which must agree; none by the number alone.
    pub(crate) expiry: Option<Expiry>,
    pub(crate) cvv2: Option<Cvv>,
    pub(crate) track: Option<Track2>,
    pub(crate) pin: Option<PinBlock>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({})", self.pan)
    }
}

impl Presented {
    /// Reads the message of a card that was read at a terminal. What cannot be read is a reason.
    pub(crate) fn read(card: &common::PresentedCard, terminal_id: &str) -> Result<Self, Reason> {
        let track = some(&card.track2).map(Track2::parse).transpose()?;
        let expiry = some(&card.expiry).map(Expiry::parse_yymm).transpose()?;
        let pan = some(&card.pan).map(Pan::parse).transpose()?;
        let pan = match (pan, &track) {
            (Some(pan), Some(track)) => {
                track.must_be_of(&pan, expiry)?;
                pan
            }
            (Some(pan), None) => pan,
            (None, Some(track)) => {
                track.must_be_of(&track.pan, expiry)?;
                track.pan.clone()
            }
            (None, None) => return Err(Reason::FieldMissing),
        };
        Ok(Self {
            expiry: expiry.or_else(|| track.as_ref().map(|track| track.expiry)),
            cvv2: some(&card.cvv2).map(Cvv::parse).transpose()?,
            pin: card.pin_block.as_ref().map(|block| pin_block(block, terminal_id)).transpose()?,
            pan,
            track,
        })
    }

    /// What it shows besides its number.
    pub(crate) const fn shown(&self) -> Shown {
        Shown { cvv2: self.cvv2.is_some(), track: self.track.is_some(), pin: self.pin.is_some() }
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A PIN block under the key of a PIN pad.
pub(crate) fn pin_block(block: &common::PinBlock, pin_pad_id: &str) -> Result<PinBlock, Reason> {
    let format = match block.format() {
        common::PinBlockFormat::Iso0 => PinBlockFormat::Iso0,
        common::PinBlockFormat::Iso4 => PinBlockFormat::Iso4,
        common::PinBlockFormat::Unspecified => return Err(Reason::FieldUnknown),
    };
    if block.block.len() != format.block_len() {
        return Err(Reason::PinBlockMalformed);
    }
    let key = KeyId::parse(pin_pad_id).map_err(|_| Reason::NameMalformed)?;
    Ok(PinBlock {
        key: KeyName::TerminalPin(key),
        version: (block.key_version != 0).then_some(block.key_version),
        format,
        bytes: block.block.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAN: &str = "6228480000000015";

    fn card(change: impl FnOnce(&mut common::PresentedCard)) -> Result<Presented, Reason> {
        let mut card = common::PresentedCard {
            pan: PAN.to_owned(),
            expiry: "2703".to_owned(),
            cvv2: String::new(),
            track2: format!("{PAN}=27032010000017"),
            pin_block: None,
        };
        change(&mut card);
        Presented::read(&card, "till-1")
    }

    fn block(format: common::PinBlockFormat, bytes: usize) -> Option<common::PinBlock> {
        Some(common::PinBlock { format: format.into(), key_version: 0, block: vec![1; bytes] })
    }

    #[test]
    fn a_card_is_named_by_its_number_or_its_track_and_both_agree() {
        use common::PinBlockFormat::{Iso0, Iso4, Unspecified};
        assert!(card(|_| {}).is_ok());
        assert_eq!(card(|it| it.pan.clear()).unwrap().pan.reveal(), PAN);
        assert!(card(|it| it.expiry.clear()).unwrap().expiry.is_some(), "the track has it");
        assert!(card(|it| it.track2.clear()).unwrap().track.is_none());
        type Change = fn(&mut common::PresentedCard);
        let table: [(&str, Change, Reason); 13] = [
            ("nothing", |it| *it = common::PresentedCard::default(), Reason::FieldMissing),
            ("12 digits", |it| it.pan = "411111111116".to_owned(), Reason::CardNumberLength),
            ("20 digits", |it| it.pan = "41111111111111111114".to_owned(), Reason::CardNumberLength),
            ("a wrong check digit", |it| it.pan = "6228480000000016".to_owned(), Reason::CardNumberInvalid),
            ("another card's track", |it| it.pan = "4111111111111111".to_owned(), Reason::TrackMismatch),
            ("another expiry", |it| it.expiry = "2704".to_owned(), Reason::TrackMismatch),
            ("a month of 13", |it| it.expiry = "2713".to_owned(), Reason::ExpiryMalformed),
            ("a track that is none", |it| it.track2 = PAN.to_owned(), Reason::TrackMalformed),
            ("a CVV2 of four digits", |it| it.cvv2 = "1234".to_owned(), Reason::CvvMalformed),
            ("a PIN block of no format", |it| it.pin_block = block(Unspecified, 8), Reason::FieldUnknown),
            ("one that is too short", |it| it.pin_block = block(Iso0, 7), Reason::PinBlockMalformed),
            ("one of the other format", |it| it.pin_block = block(Iso4, 8), Reason::PinBlockMalformed),
            ("an empty one", |it| it.pin_block = block(Iso0, 0), Reason::PinBlockMalformed),
        ];
        for (name, change, reason) in table {
            assert_eq!(card(change).err(), Some(reason), "{name}");
        }
        assert_eq!(format!("{:?}", card(|_| {}).unwrap()), "Presented(622848******0015)");
        let of_nobody = Presented::read(&common::PresentedCard { pan: PAN.to_owned(), ..Default::default() }, "T 1");
        assert!(of_nobody.is_ok(), "the terminal's name is for its PIN pad's key alone");
    }
}
