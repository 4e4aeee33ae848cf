//! The usual messages of a day.

use crate::build::MessageBuilder;
use crate::dialect::Dialect;
use crate::element::{Amount, Stan, TransmissionTime};
use crate::error::BuildError;
use crate::field::Form;
use crate::mti::Mti;

/// 2026-11-16T01:30:00Z.
const MORNING: u64 = 1_794_792_600;
/// A TPDU and a header as UnionPay's terminals send them.
const HEADER: [u8; 11] = [0x60, 0x00, 0x03, 0x00, 0x00, 0x60, 0x31, 0x00, 0x31, 0x00, 0x00];
/// What a chip answers to a purchase of 12.50 yuan: tags of EMV Book 3, annex A.
const CHIP: [u8; 70] = [
    0x9F, 0x26, 0x08, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x9F, 0x27, 0x01, 0x80, 0x9F, 0x10, 0x07, 0x06,
    0x01, 0x0A, 0x03, 0xA0, 0xA0, 0x00, 0x9F, 0x37, 0x04, 0x01, 0x02, 0x03, 0x04, 0x9F, 0x36, 0x02, 0x00, 0x1F, 0x95,
    0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9A, 0x03, 0x26, 0x11, 0x16, 0x9C, 0x01, 0x00, 0x9F, 0x02, 0x06, 0x00, 0x00,
    0x00, 0x00, 0x12, 0x50, 0x5F, 0x2A, 0x02, 0x01, 0x56, 0x82, 0x02, 0x7C, 0x00,
];

/// The first `count` messages of a day on the line between a bank's front and its credit system, without length headers:
/// sign-on, then purchases and their answers, cash with a track, and a reversal now and then. Always the same ones.
///
/// # Errors
///
/// If the dialect lacks a field that they have, which none of this crate does.
pub fn day(dialect: &Dialect, count: usize) -> Result<Vec<Vec<u8>>, BuildError> {
    let mut day = Day { builder: MessageBuilder::new(dialect, Mti::NETWORK_MANAGEMENT_REQUEST)?, stan: Stan::FIRST };
    let mut written = Vec::with_capacity(count);
    for at in 0..count {
        let kind = KINDS.get(at % KINDS.len()).copied().unwrap_or(Kind::SignOn);
        let mut octets = Vec::new();
        day.message(kind)?;
        day.builder.write(&mut octets)?;
        written.push(octets);
        if matches!(kind, Kind::Approved | Kind::Paid | Kind::Reversed | Kind::SignedOn) {
            day.stan = day.stan.next();
        }
    }
    Ok(written)
}

#[derive(Clone, Copy)]
enum Kind {
    SignOn,
    SignedOn,
    Purchase,
    Approved,
    Cash,
    Paid,
    Reversal,
    Reversed,
}

const KINDS: [Kind; 10] = [
    Kind::SignOn,
    Kind::SignedOn,
    Kind::Purchase,
    Kind::Approved,
    Kind::Purchase,
    Kind::Approved,
    Kind::Cash,
    Kind::Paid,
    Kind::Reversal,
    Kind::Reversed,
];

struct Day<'d> {
    builder: MessageBuilder<'d>,
    stan: Stan,
}

impl Day<'_> {
    fn message(&mut self, kind: Kind) -> Result<(), BuildError> {
        let asked = match kind {
            Kind::SignOn | Kind::SignedOn => Mti::NETWORK_MANAGEMENT_REQUEST,
            Kind::Purchase | Kind::Approved => Mti::AUTHORIZATION_REQUEST,
            Kind::Cash | Kind::Paid => Mti::FINANCIAL_REQUEST,
            Kind::Reversal | Kind::Reversed => Mti::REVERSAL_ADVICE,
        };
        let is_answer = matches!(kind, Kind::SignedOn | Kind::Approved | Kind::Paid | Kind::Reversed);
        self.builder.restart(if is_answer { asked.answer().unwrap_or(asked) } else { asked })?;
        if self.builder.dialect().header_octets as usize == HEADER.len() {
            self.builder.header(&HEADER)?;
        }
        let sent = TransmissionTime::from_unix_seconds(MORNING + self.stan.number());
        self.builder.number(7, sent.number())?.number(11, self.stan.number())?;
        if is_answer {
            self.builder.text(39, "00")?;
        }
        match kind {
            Kind::SignOn | Kind::SignedOn => {
                self.builder.number(70, 1)?;
            }
            Kind::Purchase => {
                self.transaction(0)?.terminal()?.chip()?;
            }
            Kind::Approved => {
                self.transaction(0)?.reference()?;
            }
            Kind::Cash => {
                self.transaction(10_000)?.terminal()?.track()?;
            }
            Kind::Paid => {
                self.transaction(10_000)?.reference()?;
            }
            Kind::Reversal => {
                self.transaction(0)?.reference()?.original()?;
            }
            Kind::Reversed => {
                self.transaction(0)?;
            }
        }
        Ok(())
    }

    /// A number of the bank 622588 with its check digit (ISO/IEC 7812-1, annex B).
    fn account_number(&self) -> u64 {
        let body = 622_588_000_000_000 + self.stan.number() * 7_919 % 1_000_000_000;
        let (mut sum, mut rest, mut is_doubled) = (0, body, true);
        while rest > 0 {
            let digit = rest % 10 * if is_doubled { 2 } else { 1 };
            sum += digit / 10 + digit % 10;
            rest /= 10;
            is_doubled = !is_doubled;
        }
        body * 10 + (10 - sum % 10) % 10
    }

    fn amount(&self) -> Amount {
        Amount::from_number(self.stan.number() * 1_250 % 1_000_000).unwrap_or(Amount::ZERO)
    }

    fn transaction(&mut self, processing_code: u64) -> Result<&mut Self, BuildError> {
        let (number, amount, time) = (self.account_number(), self.amount(), self.stan.number() % 86_400);
        let clock = time / 3_600 * 10_000 + time / 60 % 60 * 100 + time % 60;
        self.builder.number(2, number)?.number(3, processing_code)?.number(4, amount.number())?;
        self.builder.number(12, clock)?.number(13, 1_116)?.number(32, 48_651_560)?;
        self.builder.text(41, "10000019")?.text(42, "850100082410002")?.text(49, "156")?;
        Ok(self)
    }

    fn terminal(&mut self) -> Result<&mut Self, BuildError> {
        self.builder.number(14, 2_912)?.number(18, 5_411)?.number(22, 51)?.number(25, 0)?.number(26, 12)?;
        self.builder.padded(43, "CORNER SHOP SHANGHAI CN")?;
        self.builder.value(52, &[0x04, 0x12, 0x26, 0xCB, 0xA9, 0x87, 0x6F, 0xED])?;
        Ok(self)
    }

    fn chip(&mut self) -> Result<&mut Self, BuildError> {
        let is_binary = self.builder.dialect().field(55).is_some_and(|spec| matches!(spec.form, Form::Octets(_)));
        if is_binary {
            self.builder.value(55, &CHIP)?;
        } else {
            let hex: String = CHIP.iter().map(|octet| format!("{octet:02X}")).collect();
            self.builder.text(55, &hex)?;
        }
        self.builder.number(23, 1)?;
        Ok(self)
    }

    fn track(&mut self) -> Result<&mut Self, BuildError> {
        let track = format!("{}=29122011000012300000", self.account_number());
        self.builder.text(35, &track)?;
        Ok(self)
    }

    fn reference(&mut self) -> Result<&mut Self, BuildError> {
        let number = self.stan.number();
        self.builder.text(37, &format!("6320{number:08}"))?.text(38, &format!("{number:06}"))?;
        Ok(self)
    }

    fn original(&mut self) -> Result<&mut Self, BuildError> {
        let sent = TransmissionTime::from_unix_seconds(MORNING + self.stan.number());
        let original = format!("0100{}{sent}{:011}{:011}", self.stan, 48_651_560, 0);
        self.builder.text(90, &original)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect;
    use crate::message::Message;

    #[test]
    fn a_day_is_the_same_every_time_and_readable_in_every_dialect() {
        for dialect in dialect::ALL {
            let messages = day(dialect, 40).unwrap();
            assert_eq!(messages, day(dialect, 40).unwrap());
            let types: Vec<String> = messages
                .iter()
                .take(10)
                .map(|octets| Message::read(dialect, octets).unwrap().mti().to_string())
                .collect();
            assert_eq!(types, ["0800", "0810", "0100", "0110", "0100", "0110", "0200", "0210", "0420", "0430"]);
        }
    }
}
