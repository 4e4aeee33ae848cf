//! The part of a bank's configuration that is about its cards.

use super::Member;
use super::template::{path, quoted, secret_file};

/// Numbers of cards that a bank issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRange {
    /// The first digits.
    pub bin: String,
    /// `combined`, `credit-only` or `debit-only`.
    pub product: String,
}

impl CardRange {
    /// Reads `62284800` for cards of debit and credit, or `62284801=debit-only`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (bin, product) = text.split_once('=').unwrap_or((text, "combined"));
        domain::card::Bin::parse(bin).map_err(|reason| reason.english().to_owned())?;
        if !matches!(product, "combined" | "credit-only" | "debit-only") {
            return Err("cards are combined, credit-only or debit-only".to_owned());
        }
        Ok(Self { bin: bin.to_owned(), product: product.to_owned() })
    }
}

/// The key store for cards, and the cards; without cards as comments that show what a bank with cards has.
pub(super) fn cards(member: &Member, ranges: &[CardRange]) -> String {
    let (file, master) = (path(&member.sealed_card_keys()), secret_file(&member.card_master()));
    let example = [CardRange { bin: "62284800".to_owned(), product: "combined".to_owned() }];
    let (mark, ranges) = if ranges.is_empty() { ("# ", example.as_slice()) } else { ("", ranges) };
    let head = format!(
        r#"{mark}[hsm.sealed_file]
# The key store for cards: a sealed file that `bankhub hsm` works on, or a module behind PKCS#11 as [hsm.pkcs11] with `library`,
# `token`, `pin`, `sessions` and `wait`.
{mark}file = {file}
# What opens it: 32 bytes in base64.
{mark}master = {master}

{mark}[cards]
# Years for which a card is valid.
# valid_years = 5
# The largest purchase by a card whose PIN is not typed, in minor units.
# purchase_without_pin_minor = 0
"#
    );
    let range = |range: &CardRange| {
        let (first, product) = (quoted(&range.bin), quoted(&range.product));
        format!(
            r#"
{mark}[[cards.ranges]]
# The first digits of the first and of the last number, and the digits of a whole one.
{mark}first = {first}
{mark}last = {first}
# digits = 16
# combined (debit and credit under one number), credit-only or debit-only.
{mark}product = {product}
"#
        )
    };
    std::iter::once(head).chain(ranges.iter().map(range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_cards_is_read_or_refused() {
        let range = CardRange::parse("62284801=debit-only").unwrap();
        assert_eq!((range.bin.as_str(), range.product.as_str()), ("62284801", "debit-only"));
        for bad in ["", "6228", "6228480x", "62284800=gold", "62284800=", "=combined"] {
            assert!(CardRange::parse(bad).is_err(), "{bad:?}");
        }
    }
}
