//! A card on its way from a terminal to its bank.

use std::fmt;

use domain::card::{Cvv, Expiry, Pan, Pin, Track2};
use domain::{Reason, TerminalId};
use proto::{bank as pb, common};
use zeroize::{Zeroize as _, Zeroizing};

/// What a terminal has read from a card, and what its holder typed. It lives in memory for as long as its bank is being asked, is
/// never stored and never shown, and its memory is wiped when it is dropped (PCI DSS 4.0, requirement 3.3).
pub(crate) struct PresentedCard {
    pan: Pan,
    /// None when the number alone is named, by which money can come in.
    expiry: Option<Expiry>,
    cvv2: Option<Cvv>,
    track2: Option<Track2>,
    pin_block: Option<PinBlock>,
    /// The PIN itself, where it came under a key of the hub's own and may have to go on under another one.
    pin: Option<Pin>,
    /// Field 55 of a card network: what a chip says to its issuer.
    chip: Option<Zeroizing<Vec<u8>>>,
    /// Under whose key the block is.
    terminal: TerminalId,
}

/// A card as it came over a link of a card network.
pub(crate) struct LinkCard {
    pub(crate) pan: Option<Pan>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) cvv2: Option<Cvv>,
    pub(crate) track2: Option<Track2>,
    pub(crate) pin: Option<Pin>,
    pub(crate) chip: Option<Zeroizing<Vec<u8>>>,
}

/// An encrypted PIN, with what the bank needs to know to open it.
struct PinBlock {
    format: common::PinBlockFormat,
    key_version: u32,
    block: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PresentedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedCard(…)")
    }
}

impl PresentedCard {
    /// Reads what a terminal sent, and wipes the message. `Err` with the reason of the number, the expiry, the CVV, the track or
    /// the PIN block; `TrackMismatch` when number or expiry are not those of the track; `FieldMissing` when there is neither a
    /// number nor a track.
    pub(crate) fn read(mut message: common::PresentedCard, terminal: &TerminalId) -> Result<Self, Reason> {
        let read = Self::parse(&mut message, terminal);
        message.pan.zeroize();
        message.cvv2.zeroize();
        message.track2.zeroize();
        if let Some(pin) = &mut message.pin_block {
            pin.block.zeroize();
        }
        read
    }

    fn parse(message: &mut common::PresentedCard, terminal: &TerminalId) -> Result<Self, Reason> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let pan = if message.pan.is_empty() { None } else { Some(Pan::parse(&message.pan)?) };
        let expiry = given(&message.expiry).map(|expiry| Expiry::parse_yymm(&expiry)).transpose()?;
        let track2 = if message.track2.is_empty() { None } else { Some(Track2::parse(&message.track2)?) };
        let cvv2 = if message.cvv2.is_empty() { None } else { Some(Cvv::parse(&message.cvv2)?) };
        let (pan, expiry) = match &track2 {
            Some(track) => {
                track.must_be_of(pan.as_ref().unwrap_or(&track.pan), expiry)?;
                (track.pan.clone(), Some(track.expiry))
            }
            // The number alone is enough for money that comes in; the three digits on the back prove nothing without the expiry.
            None if cvv2.is_some() && expiry.is_none() => return Err(Reason::FieldMissing),
            None => (pan.ok_or(Reason::FieldMissing)?, expiry),
        };
        let pin_block = message.pin_block.as_mut().map(PinBlock::read).transpose()?;
        Ok(Self { pan, expiry, cvv2, track2, pin_block, pin: None, chip: None, terminal: terminal.clone() })
    }

    /// A card that came over a link, by the same rules as [`PresentedCard::read`]. `pad` enciphers its PIN for a bank that knows the hub's
    /// own PIN pad; without it no bank with an adapter can be asked about the PIN.
    pub(crate) fn over_link(
        card: LinkCard,
        terminal: &TerminalId,
        pad: impl FnOnce(&Pan, &Pin) -> Result<Option<(TerminalId, Zeroizing<[u8; 16]>)>, Reason>,
    ) -> Result<Self, Reason> {
        let LinkCard { pan, expiry, cvv2, track2, pin, chip } = card;
        let (pan, expiry) = match &track2 {
            Some(track) => {
                track.must_be_of(pan.as_ref().unwrap_or(&track.pan), expiry)?;
                (track.pan.clone(), Some(track.expiry))
            }
            None if cvv2.is_some() && expiry.is_none() => return Err(Reason::FieldMissing),
            None => (pan.ok_or(Reason::FieldMissing)?, expiry),
        };
        let closed = pin.as_ref().map(|pin| pad(&pan, pin)).transpose()?.flatten();
        let (terminal, pin_block) = match closed {
            Some((pad, block)) => {
                let format = common::PinBlockFormat::Iso4;
                (pad, Some(PinBlock { format, key_version: 0, block: Zeroizing::new(block.to_vec()) }))
            }
            None => (terminal.clone(), None),
        };
        Ok(Self { pan, expiry, cvv2, track2, pin_block, pin, chip, terminal })
    }

    pub(crate) fn track2(&self) -> Option<&Track2> {
        self.track2.as_ref()
    }

    pub(crate) fn cvv2(&self) -> Option<&Cvv> {
        self.cvv2.as_ref()
    }

    pub(crate) fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    pub(crate) fn chip(&self) -> Option<&[u8]> {
        self.chip.as_ref().map(|chip| chip.as_slice())
    }

    /// Whether a bank with an adapter can open what was typed.
    pub(crate) fn has_pin_block(&self) -> bool {
        self.pin_block.is_some()
    }

    pub(crate) fn pan(&self) -> &Pan {
        &self.pan
    }

    pub(crate) fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }

    pub(crate) fn has_pin(&self) -> bool {
        self.pin_block.is_some() || self.pin.is_some()
    }

    /// The message to the bank. It is made anew for each call, and goes with it.
    pub(super) fn at_terminal(&self) -> pb::CardAtTerminal {
        let card = common::PresentedCard {
            pan: self.pan.reveal().to_owned(),
            expiry: self.expiry.map(Expiry::yymm).unwrap_or_default(),
            cvv2: self.cvv2.as_ref().map(|cvv| cvv.reveal().to_owned()).unwrap_or_default(),
            track2: self.track2.as_ref().map(Track2::reveal).unwrap_or_default(),
            pin_block: self.pin_block.as_ref().map(|pin| common::PinBlock {
                format: pin.format.into(),
                key_version: pin.key_version,
                block: pin.block.to_vec(),
            }),
        };
        pb::CardAtTerminal { card: Some(card), terminal_id: self.terminal.to_string() }
    }
}

impl PinBlock {
    fn read(message: &mut common::PinBlock) -> Result<Self, Reason> {
        let format = common::PinBlockFormat::try_from(message.format).map_err(|_| Reason::PinBlockMalformed)?;
        let bytes = match format {
            common::PinBlockFormat::Unspecified => return Err(Reason::PinBlockMalformed),
            common::PinBlockFormat::Iso0 => 8,
            common::PinBlockFormat::Iso4 => 16,
        };
        if message.block.len() != bytes {
            return Err(Reason::PinBlockMalformed);
        }
        let block = Zeroizing::new(std::mem::take(&mut message.block));
        Ok(Self { format, key_version: message.key_version, block })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAN: &str = "6228480000000015";
    const TRACK: &str = "6228480000000015=2703201100000179";

    fn message(pan: &str, expiry: &str, cvv2: &str, track2: &str) -> common::PresentedCard {
        common::PresentedCard {
            pan: pan.to_owned(),
            expiry: expiry.to_owned(),
            cvv2: cvv2.to_owned(),
            track2: track2.to_owned(),
            pin_block: None,
        }
    }

    fn read(message: common::PresentedCard) -> Result<PresentedCard, Reason> {
        PresentedCard::read(message, &TerminalId::parse("till-1").unwrap())
    }

    #[test]
    fn a_card_is_named_by_its_number_or_by_its_track_or_by_both_alike() {
        for message in [
            message(PAN, "2703", "017", ""),
            message("", "", "", TRACK),
            message(PAN, "", "", TRACK),
            message("", "2703", "", TRACK),
            message(PAN, "2703", "017", TRACK),
        ] {
            let sent = read(message.clone()).unwrap().at_terminal();
            let card = sent.card.unwrap();
            assert_eq!((card.pan.as_str(), card.expiry.as_str()), (PAN, "2703"));
            assert_eq!((card.cvv2, card.track2), (message.cvv2, message.track2));
            assert_eq!(sent.terminal_id, "till-1");
        }
    }

    #[test]
    fn what_cannot_be_a_card_is_refused_by_reason() {
        for (what, message, reason) in [
            ("nothing", message("", "", "", ""), Reason::FieldMissing),
            ("a number without its expiry", message(PAN, "", "017", ""), Reason::FieldMissing),
            ("an expiry alone", message("", "2703", "", ""), Reason::FieldMissing),
            ("12 digits", message("411111111116", "2703", "", ""), Reason::CardNumberLength),
            ("20 digits", message("41111111111111111114", "2703", "", ""), Reason::CardNumberLength),
            ("a wrong check digit", message("6228480000000016", "2703", "", ""), Reason::CardNumberInvalid),
            ("a month of 13", message(PAN, "2713", "", ""), Reason::ExpiryMalformed),
            ("a CVV of four digits", message(PAN, "2703", "0179", ""), Reason::CvvMalformed),
            ("a track that is none", message("", "", "", "6228480000000015"), Reason::TrackMalformed),
            ("the track of another card", message("4111111111111111", "", "", TRACK), Reason::TrackMismatch),
            ("the track of another expiry", message(PAN, "2704", "", TRACK), Reason::TrackMismatch),
        ] {
            assert_eq!(read(message).err(), Some(reason), "{what}");
        }
    }

    #[test]
    fn c5_a_pin_block_has_the_length_of_its_format() {
        for (format, bytes, fine) in [
            (common::PinBlockFormat::Iso0 as i32, 8, true),
            (common::PinBlockFormat::Iso4 as i32, 16, true),
            (common::PinBlockFormat::Iso0 as i32, 16, false),
            (common::PinBlockFormat::Iso4 as i32, 8, false),
            (common::PinBlockFormat::Iso0 as i32, 0, false),
            (common::PinBlockFormat::Unspecified as i32, 8, false),
            (77, 8, false),
        ] {
            let pin_block = Some(common::PinBlock { format, key_version: 3, block: vec![9; bytes] });
            let answer = read(common::PresentedCard { pin_block: pin_block.clone(), ..message("", "", "", TRACK) });
            match answer {
                Ok(card) => assert_eq!((fine, card.at_terminal().card.unwrap().pin_block), (true, pin_block)),
                Err(reason) => assert_eq!((fine, reason), (false, Reason::PinBlockMalformed), "{format} {bytes}"),
            }
        }
    }

    #[test]
    fn m8_a_card_does_not_show_itself() {
        let pin_block = Some(common::PinBlock { format: 1, key_version: 0, block: b"PINBLOCK".to_vec() });
        let card = read(common::PresentedCard { pin_block, ..message(PAN, "2703", "017", TRACK) }).unwrap();
        assert_eq!(format!("{card:?} {card:#?}"), "PresentedCard(…) PresentedCard(…)");
    }
}
