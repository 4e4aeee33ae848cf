//! `[lookups]` of the hub's configuration.

use std::num::NonZeroU32;

use domain::lookup::{Costs, Rate, Scope};
use serde::Deserialize;

/// The largest burst and the fastest refill: beyond it nothing is bounded, and 0 says so more clearly.
const MOST: u32 = 1_000_000_000;

/// How much may be found out about whose a number is. Tokens: each scope has a bucket of `…_burst`, which `…_per_hour` fill again; a burst of 0 is no
/// budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LookupsConfig {
    /// What a look-up costs that finds somebody …
    pub hit: u32,
    /// … and one that finds nobody who can pay.
    pub miss: u32,
    /// What a payment by phone number gives back to its terminal and its merchant.
    pub paid: u32,
    pub terminal_burst: u32,
    pub terminal_per_hour: NonZeroU32,
    pub merchant_burst: u32,
    pub merchant_per_hour: NonZeroU32,
    pub link_burst: u32,
    pub link_per_hour: NonZeroU32,
    pub carrier_burst: u32,
    pub carrier_per_hour: NonZeroU32,
    pub bank_burst: u32,
    pub bank_per_hour: NonZeroU32,
}

impl Default for LookupsConfig {
    fn default() -> Self {
        let per_hour = |tokens: u32| NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN);
        Self {
            hit: 1,
            miss: 20,
            paid: 2,
            // Fifty numbers that nobody has, and twelve more each hour.
            terminal_burst: 1_000,
            terminal_per_hour: per_hour(240),
            merchant_burst: 10_000,
            merchant_per_hour: per_hour(2_400),
            link_burst: 100_000,
            link_per_hour: per_hour(24_000),
            carrier_burst: 20_000,
            carrier_per_hour: per_hour(20_000),
            bank_burst: 2_000,
            bank_per_hour: per_hour(1_200),
        }
    }
}

impl LookupsConfig {
    pub(crate) const fn costs(&self) -> Costs {
        Costs { hit: self.hit, miss: self.miss, paid: self.paid }
    }

    /// The budget of a scope; none where there is none.
    pub(crate) fn rate(&self, scope: Scope) -> Option<Rate> {
        let (burst, per_hour) = match scope {
            Scope::Terminal => (self.terminal_burst, self.terminal_per_hour),
            Scope::Merchant => (self.merchant_burst, self.merchant_per_hour),
            Scope::Link => (self.link_burst, self.link_per_hour),
            Scope::Carrier => (self.carrier_burst, self.carrier_per_hour),
            Scope::Bank => (self.bank_burst, self.bank_per_hour),
        };
        let burst = NonZeroU32::new(burst.min(MOST))?;
        Some(Rate { burst, per_hour })
    }
}
