//! What the person is told, as data and in words.

use std::fmt::Write;

use crate::text::Line;
use crate::{MerchantId, Money, PaymentId};

/// What the same goods cost in another shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Whose shop it is.
    pub merchant_id: MerchantId,
    /// What people call the shop.
    pub shop: Line,
    /// The goods, as the receipt names them.
    pub goods: Line,
    /// From the terminal, to the nearest hundred metres and no less than one hundred.
    pub distance_m: u32,
    /// What the same quantity costs there.
    pub there: Money,
    /// How much more that is than what was paid, in minor units of the same currency; below zero when it is cheaper there.
    pub difference_minor: i64,
}

/// What is told after one purchase; never without a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The purchase that it is about.
    pub payment_id: PaymentId,
    /// What saves most first.
    pub comparisons: Vec<Comparison>,
}

impl Message {
    /// Names it for ever: what was sent under it is not sent again.
    pub fn key(&self) -> String {
        format!("nearby/{}", self.payment_id)
    }

    /// The words for people who read English, a line for each comparison.
    pub fn english(&self) -> String {
        let mut text = "Nearby prices for what you bought:".to_owned();
        for Comparison { shop, goods, distance_m, there, difference_minor, .. } in &self.comparisons {
            let by = amount(*there, *difference_minor);
            let difference = match difference_minor {
                ..0 => format!("{by} less"),
                0 => "the same".to_owned(),
                1.. => format!("{by} more"),
            };
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n{goods}: {there} at {shop}, about {} away, {difference}",
                far(*distance_m, " m", " km")
            );
        }
        text
    }

    /// The words for people who read Chinese (zh-CN), a line for each comparison.
    pub fn chinese(&self) -> String {
        let mut text = "您所购商品的附近价格：".to_owned();
        for Comparison { shop, goods, distance_m, there, difference_minor, .. } in &self.comparisons {
            let by = amount(*there, *difference_minor);
            let difference = match difference_minor {
                ..0 => format!("便宜{by}"),
                0 => "价格相同".to_owned(),
                1.. => format!("贵{by}"),
            };
            let _ = write!(text, "\n{goods}：{shop}（约{}）{there}，{difference}", far(*distance_m, "米", "公里"));
        }
        text
    }
}

/// The difference without its sign.
fn amount(there: Money, difference_minor: i64) -> Money {
    Money::new(there.currency, difference_minor.saturating_abs())
}

/// Kilometres from one on.
fn far(metres: u32, small: &str, large: &str) -> String {
    if metres < 1_000 {
        return format!("{metres}{small}");
    }
    format!("{}.{}{large}", metres / 1_000, metres % 1_000 / 100)
}
