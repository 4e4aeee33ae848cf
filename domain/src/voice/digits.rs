//! What a caller types, of which most is secret.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Keys that were pressed, without the end key: `0` to `9` and `*`. They are wiped when they are dropped, compared in constant time,
/// and never printed.
#[derive(Clone)]
pub struct Digits(Zeroizing<String>);

impl Digits {
    /// More is not kept: nothing that a caller is asked for is as long.
    pub const MOST: usize = 24;

    /// The keys in a line of text, up to the end key `#`. What is no key, such as a space between two of them, is left out.
    pub fn typed(text: &str) -> Self {
        let mut kept = Zeroizing::new(String::with_capacity(Self::MOST));
        let typed = text.chars().take_while(|key| *key != '#').filter(|key| key.is_ascii_digit() || *key == '*');
        kept.extend(typed.take(Self::MOST));
        Self(kept)
    }

    /// The keys, to read, to hash or to hand on; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Nothing but the key that goes back, or the key somewhere among others: who has mistyped begins again.
    pub(super) fn is_back(&self) -> bool {
        self.0.contains('*')
    }

    /// How many keys it is.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Digits {}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits(…)")
    }
}

/// The last four digits of an account's or a card's number, by which its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastDigits([u8; 4]);

impl LastDigits {
    /// The end of a masked number, such as `622848******4821`; none if it does not end in four ASCII digits.
    pub fn of(masked: &str) -> Option<Self> {
        let start = masked.len().checked_sub(4)?;
        let tail = masked.get(start..)?.as_bytes();
        let digits = <[u8; 4]>::try_from(tail).ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The digits as numbers from 0 to 9.
    pub(super) fn numbers(self) -> impl Iterator<Item = u64> {
        self.0.into_iter().map(|digit| u64::from(digit.saturating_sub(b'0')))
    }
}
