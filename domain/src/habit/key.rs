//! By what purchases are counted.

use std::cmp::Ordering;
use std::fmt;

use super::{Cell, Size, Weekday};
use crate::purchase::CategoryCode;
use crate::{MerchantId, Reason};

/// A way of looking at purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// From whom.
    Merchant,
    /// What kind of shop it was.
    Category,
    /// At which hour of the person's day.
    Hour,
    /// On which weekday of the person's calendar.
    Weekday,
    /// Where, to about a kilometre.
    Cell,
    /// How much it cost, roughly.
    Size,
}

impl Facet {
    /// Every facet.
    pub const ALL: [Self; 6] = [Self::Merchant, Self::Category, Self::Hour, Self::Weekday, Self::Cell, Self::Size];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT",
            Self::Category => "CATEGORY",
            Self::Hour => "HOUR",
            Self::Weekday => "WEEKDAY",
            Self::Cell => "CELL",
            Self::Size => "SIZE",
        }
    }

    /// Reads the word that is stored. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|facet| facet.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// One thing that purchases have in common. Its `Display` is the text under which it is stored beside its [`Facet`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A merchant.
    Merchant(MerchantId),
    /// A merchant category.
    Category(CategoryCode),
    /// An hour of the day, 0 to 23.
    Hour(u8),
    /// A weekday.
    Weekday(Weekday),
    /// A place.
    Cell(Cell),
    /// A size.
    Size(Size),
}

impl Key {
    /// The facet that it is a key of.
    pub const fn facet(&self) -> Facet {
        match self {
            Self::Merchant(_) => Facet::Merchant,
            Self::Category(_) => Facet::Category,
            Self::Hour(_) => Facet::Hour,
            Self::Weekday(_) => Facet::Weekday,
            Self::Cell(_) => Facet::Cell,
            Self::Size(_) => Facet::Size,
        }
    }

    /// Reads a key as it is stored.
    pub fn parse(facet: Facet, text: &str) -> Result<Self, Reason> {
        match facet {
            Facet::Merchant => MerchantId::parse(text).map(Self::Merchant),
            Facet::Category => CategoryCode::parse(text).map(Self::Category),
            Facet::Hour => {
                (0..24).find(|hour: &u8| hour.to_string() == text).map(Self::Hour).ok_or(Reason::FieldUnknown)
            }
            Facet::Weekday => Weekday::parse(text).map(Self::Weekday),
            Facet::Cell => Cell::parse(text).map(Self::Cell),
            Facet::Size => Size::parse(text).map(Self::Size),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merchant(id) => write!(f, "{id}"),
            Self::Category(code) => f.write_str(code.as_str()),
            Self::Hour(hour) => write!(f, "{hour}"),
            Self::Weekday(weekday) => f.write_str(weekday.as_str()),
            Self::Cell(cell) => write!(f, "{cell}"),
            Self::Size(size) => write!(f, "{size}"),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Merchant(one), Self::Merchant(two)) => one.cmp(two),
            (Self::Category(one), Self::Category(two)) => one.as_str().cmp(two.as_str()),
            (Self::Hour(one), Self::Hour(two)) => one.cmp(two),
            (Self::Weekday(one), Self::Weekday(two)) => one.cmp(two),
            (Self::Cell(one), Self::Cell(two)) => one.cmp(two),
            (Self::Size(one), Self::Size(two)) => one.cmp(two),
            _ => self.facet().cmp(&other.facet()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_in_one_spelling() {
        let table = [
            (Facet::Merchant, "bakery-7", true),
            (Facet::Merchant, "Bakery 7", false),
            (Facet::Category, "5462", true),
            (Facet::Category, "546", false),
            (Facet::Hour, "0", true),
            (Facet::Hour, "23", true),
            (Facet::Hour, "24", false),
            (Facet::Hour, "07", false),
            (Facet::Weekday, "FRIDAY", true),
            (Facet::Weekday, "5", false),
            (Facet::Cell, "31.23,121.46", true),
            (Facet::Cell, "31.23,121.47", false),
            (Facet::Size, "3000", true),
            (Facet::Size, "4000", false),
        ];
        for (facet, text, fine) in table {
            let key = Key::parse(facet, text);
            assert_eq!(key.is_ok(), fine, "{facet:?} {text}");
            if let Ok(key) = key {
                assert_eq!((key.facet(), key.to_string().as_str()), (facet, text));
            }
            assert_eq!(Facet::parse(facet.as_str()), Ok(facet));
        }
    }
}
