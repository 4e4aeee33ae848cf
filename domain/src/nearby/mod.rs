//! Where near the shop the same goods are sold, and for how much (P1–P3).
//!
//! From a purchase and the shops around its terminal [`look`] makes a [`Message`], or none when there is nothing to compare. It
//! knows where the terminal stands and nothing of where the person is. It is made after the charge and beside it: no payment
//! waits for it, and the shell sends at most one for each purchase, by [`Message::key`].

mod distance;
mod goods;
mod gtin;
mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::ledger::Nature;
use crate::purchase::{CategoryCode, Location, Purchase};
use crate::text::Line;
use crate::{Currency, MerchantId, Money, PaymentId};

pub use distance::great_circle_m;
pub use goods::Goods;
pub use gtin::Gtin;
pub use message::{Comparison, Message};

use distance::rounded_m;

/// What was bought, as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Bought {
    /// The purchase.
    pub payment_id: PaymentId,
    /// Where it was bought.
    pub merchant_id: MerchantId,
    /// What sort of shop that is.
    pub category: CategoryCode,
    /// Where the terminal stands.
    pub location: Location,
    /// What was paid with.
    pub currency: Currency,
    /// What the receipt lists.
    pub goods: Vec<Goods>,
}

impl Bought {
    /// Nothing if it is no purchase of goods, or nobody knows where the terminal stands.
    pub fn of(purchase: &Purchase) -> Option<Self> {
        if purchase.nature != Nature::Purchase {
            return None;
        }
        Some(Self {
            payment_id: purchase.payment_id,
            merchant_id: purchase.merchant.id.clone(),
            category: purchase.merchant.category,
            location: purchase.location?,
            currency: purchase.amount.currency,
            goods: purchase.items.iter().map(Goods::of).collect(),
        })
    }
}

/// What a shop asks for one unit of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// What the shop calls it.
    pub name: Line,
    /// The shop's own code or a GTIN.
    pub code: Option<Line>,
    /// What one unit is, such as `kg`; nothing for a piece.
    pub unit: Option<Line>,
    /// For one unit.
    pub price: Money,
}

impl Price {
    /// By what the same goods are found elsewhere: their GTIN, if they have one, and their name. As [`Goods::found_by`].
    pub fn found_by(&self) -> (Option<String>, String) {
        goods::found_by(&self.name, self.code.as_ref(), self.unit.as_ref())
    }
}

/// A shop that may be compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    /// Whose shop it is.
    pub merchant_id: MerchantId,
    /// What people call it.
    pub name: Line,
    /// What sort of shop it is.
    pub category: CategoryCode,
    /// Where it is.
    pub location: Location,
    /// What it sells.
    pub prices: Vec<Price>,
}

/// How far to look and how much to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Metres from the terminal.
    pub radius_m: u32,
    /// The most comparisons of one message.
    pub most: usize,
}

impl Default for Reach {
    /// Two kilometres, three comparisons.
    fn default() -> Self {
        Self { radius_m: 2_000, most: 3 }
    }
}

/// Compares what was bought with other shops of the same category within reach: for each of the same goods (see [`Goods`]) the
/// shop's lowest price in the same currency, for the quantity that was bought. What saves most comes first, then what is nearer.
/// Dearer shops come last and are told too: that the price was good is worth knowing. Nothing when there is nothing to tell.
pub fn look(bought: &Bought, shops: &[Shop], reach: Reach) -> Option<Message> {
    let goods = goods::merged(&bought.goods);
    let mut found: Vec<(usize, Comparison)> = Vec::new();
    for shop in shops {
        let distance_m = great_circle_m(bought.location, shop.location);
        // A distance that is no number is not within reach either.
        let is_near = distance_m <= f64::from(reach.radius_m);
        if !is_near || shop.category != bought.category || shop.merchant_id == bought.merchant_id {
            continue;
        }
        found.extend(goods.iter().enumerate().filter_map(|(place, goods)| {
            let there_minor = goods.cheapest_minor(&shop.prices, bought.currency)?;
            let comparison = Comparison {
                merchant_id: shop.merchant_id.clone(),
                shop: shop.name.clone(),
                goods: goods.name.clone(),
                distance_m: rounded_m(distance_m),
                there: Money::new(bought.currency, there_minor),
                // Both are above zero.
                difference_minor: there_minor.saturating_sub(goods.amount_minor),
            };
            Some((place, comparison))
        }));
    }
    let rank = |(place, c): &(usize, Comparison)| (c.difference_minor, c.distance_m, *place);
    found.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then_with(|| (&a.1.merchant_id, &a.1.shop).cmp(&(&b.1.merchant_id, &b.1.shop)))
    });
    // A merchant may be there twice, with two shops; the better one is enough.
    let mut told = BTreeSet::new();
    found.retain(|(place, comparison)| told.insert((*place, comparison.merchant_id.clone())));
    let comparisons: Vec<Comparison> = found.into_iter().take(reach.most).map(|(_, comparison)| comparison).collect();
    (!comparisons.is_empty()).then_some(Message { payment_id: bought.payment_id, comparisons })
}
