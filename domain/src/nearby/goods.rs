//! Which goods are the same.

use std::collections::BTreeMap;

use super::{Gtin, Price};
use crate::Currency;
use crate::purchase::LineItem;
use crate::text::Line;

/// Something that was bought.
///
/// It is the same as what another shop sells when both carry the same [`Gtin`]. Where one of them has none, names
/// decide: they have to be equal but for upper and lower case, and so do the units. A name that is merely alike is no ground to
/// tell somebody that it is cheaper elsewhere. A shop's own codes say nothing about another shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goods {
    /// What the receipt calls it.
    pub name: Line,
    /// The merchant's own code or a GTIN.
    pub code: Option<Line>,
    /// What one unit is, such as `kg`; nothing for a piece.
    pub unit: Option<Line>,
    /// Thousandths of a unit.
    pub quantity_milli: i64,
    /// What was paid for all of them, in minor units.
    pub amount_minor: i64,
}

/// By what goods are known.
struct Identity {
    gtin: Option<Gtin>,
    name: String,
    unit: Option<String>,
}

fn folded(text: &Line) -> String {
    text.as_str().to_lowercase()
}

impl Identity {
    fn of(name: &Line, code: Option<&Line>, unit: Option<&Line>) -> Self {
        Self { gtin: code.and_then(|code| Gtin::parse(code.as_str())), name: folded(name), unit: unit.map(folded) }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self.gtin, other.gtin) {
            (Some(one), Some(other)) => one == other,
            _ => self.name == other.name && self.unit == other.unit,
        }
    }

    /// The texts by which the same goods are found in a store: by their GTIN, and by name and unit.
    fn texts(self) -> (Option<String>, String) {
        let name = match self.unit {
            Some(unit) => format!("{}\n{unit}", self.name),
            None => self.name,
        };
        (self.gtin.map(|gtin| gtin.to_string()), name)
    }

    /// What is one thing on one receipt: a code names it whatever it is called there.
    fn key(self) -> (Option<Gtin>, Option<(String, Option<String>)>) {
        let name = self.gtin.is_none().then_some((self.name, self.unit));
        (self.gtin, name)
    }
}

impl Goods {
    /// A line of a receipt, which does not name a unit.
    pub fn of(item: &LineItem) -> Self {
        let LineItem { name, code, quantity_milli, amount_minor, .. } = item.clone();
        Self { name, code, unit: None, quantity_milli, amount_minor }
    }

    /// By what the same goods are found elsewhere: their GTIN, if they have one, and their name.
    pub fn found_by(&self) -> (Option<String>, String) {
        found_by(&self.name, self.code.as_ref(), self.unit.as_ref())
    }

    fn identity(&self) -> Identity {
        Identity::of(&self.name, self.code.as_ref(), self.unit.as_ref())
    }

    /// The least that these prices come to for the quantity that was bought, rounded half up to the minor unit. What has the same
    /// GTIN goes before what has the same name alone.
    pub(super) fn cheapest_minor(&self, prices: &[Price], currency: Currency) -> Option<i64> {
        let mine = self.identity();
        let fits = |price: &&Price| price.price.currency == currency && price.price.minor > 0;
        let same = prices.iter().filter(fits).filter_map(|price| {
            let theirs = Identity::of(&price.name, price.code.as_ref(), price.unit.as_ref());
            let by_name = mine.gtin.is_none() || mine.gtin != theirs.gtin;
            Some((by_name, self.cost_minor(price.price.minor)?)).filter(|_| mine.is_same(&theirs))
        });
        same.min().map(|(_, minor)| minor)
    }

    fn cost_minor(&self, unit_price_minor: i64) -> Option<i64> {
        let milli = i128::from(unit_price_minor) * i128::from(self.quantity_milli);
        i64::try_from((milli + 500) / 1_000).ok().filter(|minor| *minor > 0)
    }
}

pub(super) fn found_by(name: &Line, code: Option<&Line>, unit: Option<&Line>) -> (Option<String>, String) {
    Identity::of(name, code, unit).texts()
}

/// The goods that can be compared, those that stand on several lines as one: what is free, and what is taken off as a discount
/// is, cannot be compared. In the order of what they are known by.
pub(super) fn merged(goods: &[Goods]) -> Vec<Goods> {
    let mut merged: BTreeMap<_, Goods> = BTreeMap::new();
    for goods in goods.iter().filter(|goods| goods.amount_minor > 0 && goods.quantity_milli > 0) {
        let key = goods.identity().key();
        let Some(before) = merged.get(&key) else {
            merged.insert(key, goods.clone());
            continue;
        };
        let quantity_milli = before.quantity_milli.checked_add(goods.quantity_milli);
        let amount_minor = before.amount_minor.checked_add(goods.amount_minor);
        if let (Some(quantity_milli), Some(amount_minor)) = (quantity_milli, amount_minor) {
            merged.insert(key, Goods { quantity_milli, amount_minor, ..before.clone() });
        }
    }
    merged.into_values().collect()
}
