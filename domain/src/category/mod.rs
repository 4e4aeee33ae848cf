//! What a merchant sells, by its category code of ISO 18245, in words for people and in coarse groups.
//!
//! The codes are those of ISO 18245:2003 and of the lists that card networks publish, which add some of their own. The names
//! are our wording after them, in English and Chinese, kept short enough for a phone. The ranges 3000–3350, 3351–3500 and
//! 3501–3999 are given to single airlines, car rental companies and hotel chains, which are not named here. The groups are ours.

mod group;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::LazyLock;

pub use group::Group;

use crate::purchase::CategoryCode;

/// Columns: the code or `first-last`, the group, the English name, the Chinese name.
const TABLE: &str = include_str!("codes.tsv");

static CATEGORIES: LazyLock<Vec<Category>> = LazyLock::new(|| TABLE.lines().filter_map(Category::read).collect());

/// Codes under which a purchase tells of somebody's health, belief, politics, private life, gambling or trouble with the law
/// or with debts, beside all of [`Group::Health`]. Sensitive personal information in the sense of 个人信息保护法 (2021), article 28.
const SENSITIVE: [u16; 13] = [5973, 7273, 7277, 7322, 7800, 7801, 7802, 7995, 8651, 8661, 9211, 9222, 9223];

/// A category, or a range of codes that are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Category {
    /// The first code of the range, as a number.
    pub first: u16,
    /// The last code of the range; the first one where it is no range.
    pub last: u16,
    /// The coarse group that it is in.
    pub group: Group,
    /// The name for people who read English.
    pub english: &'static str,
    /// The name for people who read Chinese (zh-CN).
    pub chinese: &'static str,
}

impl Category {
    /// Reads a line of the table. A line that is not well formed is left out; the tests see to it that there is none.
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let codes = columns.next()?;
        let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
        let group = Group::parse(columns.next()?).ok()?;
        let (english, chinese) = (columns.next()?, columns.next()?);
        let category = Self { first: first.parse().ok()?, last: last.parse().ok()?, group, english, chinese };
        columns.next().is_none().then_some(category)
    }
}

/// Every category, in the order of the codes.
pub fn all() -> &'static [Category] {
    &CATEGORIES
}

/// The category of this code; none where the code is not known.
pub fn find(code: CategoryCode) -> Option<&'static Category> {
    let number = number(code);
    let place = CATEGORIES.binary_search_by(|category| match () {
        () if category.last < number => Ordering::Less,
        () if category.first > number => Ordering::Greater,
        () => Ordering::Equal,
    });
    place.ok().and_then(|place| CATEGORIES.get(place))
}

/// The group of this code; [`Group::Other`] where the code is not known.
pub fn group(code: CategoryCode) -> Group {
    find(code).map_or(Group::Other, |category| category.group)
}

/// Whether purchases under this code are nobody else's business, even with a general consent.
pub fn is_sensitive(code: CategoryCode) -> bool {
    group(code) == Group::Health || SENSITIVE.contains(&number(code))
}

fn number(code: CategoryCode) -> u16 {
    code.as_str().parse().unwrap_or_default()
}
