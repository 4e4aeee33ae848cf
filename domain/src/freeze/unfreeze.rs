//! What a phone signs to let money go out again.

use crate::payment::FrozenInstrument;
use crate::{OrderId, Reason, Timestamp, signed_order};

/// The most accounts and cards of one order.
pub const MOST_INSTRUMENTS: usize = 50;

/// A wish to set accounts and cards free, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfreeze {
    /// Made by the phone: the same one again changes nothing.
    pub order_id: OrderId,
    pub signed_at: Timestamp,
    /// What is set free; at least one.
    pub instruments: Vec<FrozenInstrument>,
}

impl Unfreeze {
    /// What is signed, and shown before to whoever signs it: lines that end with a line feed, `order=`, `signed_at_micros=` and for each
    /// account or card its bank's name, `ACCOUNT` or `CARD`, and its id.
    pub fn text(&self) -> String {
        let mut text = signed_order::head(self.order_id, self.signed_at);
        for instrument in &self.instruments {
            text.push_str(&instrument.words());
            text.push('\n');
        }
        text
    }

    /// Reads what was signed, and nothing but what [`text`](Self::text) writes. `Err` with `FieldMissing`, `IdMalformed`, `FieldUnknown`,
    /// `TooManyItems`, or `TimeOutOfRange` when it was not signed just now.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, Reason> {
        let mut lines = text.lines();
        let (order_id, signed_at) = signed_order::read_head(&mut lines)?;
        let instruments: Vec<FrozenInstrument> =
            lines.take(MOST_INSTRUMENTS + 1).map(FrozenInstrument::parse).collect::<Result<_, _>>()?;
        if instruments.is_empty() {
            return Err(Reason::FieldMissing);
        }
        if instruments.len() > MOST_INSTRUMENTS {
            return Err(Reason::TooManyItems);
        }
        signed_order::just_now(signed_at, now)?;
        let read = Self { order_id, signed_at, instruments };
        // What is written otherwise is signed by nobody who reads what this program shows.
        if read.text() == text { Ok(read) } else { Err(Reason::FieldUnknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::Instrument;
    use crate::{AccountId, BankId, CardId};

    fn unfreeze() -> Unfreeze {
        let id = |n: u128| uuid::Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n);
        let bank_id = BankId::parse("bank-a").unwrap();
        Unfreeze {
            order_id: OrderId::from_uuid(id(1)),
            signed_at: Timestamp::from_secs(1_790_000_000),
            instruments: vec![
                FrozenInstrument {
                    bank_id: bank_id.clone(),
                    instrument: Instrument::Account(AccountId::from_uuid(id(2))),
                },
                FrozenInstrument { bank_id, instrument: Instrument::Card(CardId::from_uuid(id(3))) },
            ],
        }
    }

    #[test]
    fn f4_what_is_signed_is_read_again_and_nothing_that_only_looks_like_it() {
        let (wanted, now) = (unfreeze(), Timestamp::from_secs(1_790_000_299));
        let text = wanted.text();
        assert_eq!(Unfreeze::parse(&text, now), Ok(wanted.clone()));
        let head = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
        let line = text.lines().nth(2).unwrap();
        let table = [
            (String::new(), Reason::FieldMissing),
            (head.clone(), Reason::FieldMissing),
            (text.replace("order=", "Order="), Reason::FieldMissing),
            (text.replace("order=0192", "order=x192"), Reason::IdMalformed),
            (text.replace("=1790000000000000", "=+1790000000000000"), Reason::FieldUnknown),
            (text.replace("=1790000000000000", "=soon"), Reason::TimeOutOfRange),
            (text.trim_end().to_owned(), Reason::FieldUnknown),
            (text.replace('\n', "\r\n"), Reason::FieldUnknown),
            (format!("{text}\n"), Reason::FieldUnknown),
            (text.replace("ACCOUNT", "PURSE"), Reason::FieldUnknown),
            (format!("{head}{}", format!("{line}\n").repeat(51)), Reason::TooManyItems),
        ];
        for (text, reason) in table {
            assert_eq!(Unfreeze::parse(&text, now), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn f4_a_signature_of_another_time_sets_nothing_free() {
        let text = unfreeze().text();
        for (second, fine) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            let now = Timestamp::from_secs(1_790_000_000 + second);
            assert_eq!(Unfreeze::parse(&text, now).is_ok(), fine, "{second}");
        }
    }
}
