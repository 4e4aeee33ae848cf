//! The name under which the credit system knows a hold and all that follows it.

use std::fmt;

use ring::digest;
use uuid::Uuid;

/// The retrieval reference number, field 37 (`an 12`), made of an id of this bank: what is sent again bears it again, so that
/// the credit system does a thing once however often it hears of it.
///
/// Twelve characters hold less than an id, so it is a digest: SHA-256 of the id, of which 62 bits are written in base 36. A
/// credit system looks it up among those of one card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference([u8; Reference::LEN]);

impl Reference {
    const LEN: usize = 12;
    const DIGITS: &'static [u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    /// Of a leg, or of a change of a PIN.
    pub fn of(id: Uuid) -> Self {
        Self::made_of(&[b"bankhub reference 1", id.as_bytes()])
    }

    /// Of a change of a card, which are counted.
    pub fn of_change(card_id: Uuid, number: i64) -> Self {
        Self::made_of(&[b"bankhub reference of a change 1", card_id.as_bytes(), &number.to_be_bytes()])
    }

    fn made_of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        let hash = context.finish();
        let mut rest = hash.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let mut text = [b'0'; Self::LEN];
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(rest % 36).unwrap_or(0);
            *place = Self::DIGITS.get(digit).copied().unwrap_or(b'0');
            rest /= 36;
        }
        Self(text)
    }

    /// Reads field 37; blanks around it do not count, since some systems pad it. None for what this bank cannot have made.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LEN] = text.trim().as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| Self::DIGITS.contains(byte)).then_some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_reference_is_the_same_for_an_id_and_another_for_every_other() {
        let all: HashSet<Reference> = (0..50_000).map(|n| Reference::of(Uuid::from_u128(n))).collect();
        assert_eq!(all.len(), 50_000);
        let of_card: HashSet<Reference> = (0..1_000).map(|n| Reference::of_change(Uuid::from_u128(7), n)).collect();
        assert!(of_card.len() == 1_000 && all.is_disjoint(&of_card));
        let one = Reference::of(Uuid::from_u128(7));
        assert_eq!(Reference::parse(one.as_str()), Some(one));
        assert_eq!(Reference::parse(&format!(" {one} ")), Some(one));
    }

    #[test]
    fn what_this_bank_cannot_have_made_is_no_reference() {
        for text in ["", "0123456789A", "0123456789ABC", "0123456789ab", "0123456789A€"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
