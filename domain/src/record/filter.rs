//! Which purchases of a record are asked for.

use crate::ledger::Nature;
use crate::purchase::{CategoryCode, Purchase, PurchaseState};
use crate::{BankId, Currency, MerchantId, Timestamp};

/// Every part that is set has to fit; a list fits by any of its values, and an empty one always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurchaseFilter {
    pub banks: Vec<BankId>,
    /// Accounts and cards as a receipt shows them.
    pub accounts_masked: Vec<String>,
    pub merchants: Vec<MerchantId>,
    pub categories: Vec<CategoryCode>,
    pub natures: Vec<Nature>,
    pub states: Vec<PurchaseState>,
    /// Bought at this moment or later …
    pub from: Option<Timestamp>,
    /// … and before this one.
    pub until: Option<Timestamp>,
    pub currency: Option<Currency>,
    /// Amounts in minor units, both bounds included.
    pub least_minor: Option<i64>,
    pub most_minor: Option<i64>,
    /// Words, each of which stands somewhere in the merchant, the place or the things bought, in capitals or not.
    pub words: Vec<String>,
}

impl PurchaseFilter {
    /// The most values that one of its lists has.
    pub const MOST_VALUES: usize = 50;
    /// The most words that are looked for.
    pub const MOST_WORDS: usize = 8;

    /// The words of a text that is searched for.
    pub fn words_of(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_lowercase).collect()
    }

    pub fn matches(&self, purchase: &Purchase) -> bool {
        any(&self.banks, &purchase.bank_id)
            && any(&self.accounts_masked, &purchase.account_masked)
            && any(&self.merchants, &purchase.merchant.id)
            && any(&self.categories, &purchase.merchant.category)
            && any(&self.natures, &purchase.nature)
            && any(&self.states, &purchase.state)
            && self.from.is_none_or(|from| purchase.occurred_at >= from)
            && self.until.is_none_or(|until| purchase.occurred_at < until)
            && self.currency.is_none_or(|currency| purchase.amount.currency == currency)
            && self.least_minor.is_none_or(|least| purchase.amount.minor >= least)
            && self.most_minor.is_none_or(|most| purchase.amount.minor <= most)
            && self.reads(purchase)
    }

    fn reads(&self, purchase: &Purchase) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut text = purchase.merchant.name.as_str().to_lowercase();
        let place = purchase.place.as_ref().map(|place| place.as_str());
        let items = purchase.items.iter().flat_map(|item| [Some(&item.name), item.code.as_ref()]).flatten();
        for more in place.into_iter().chain(items.map(|line| line.as_str())) {
            text.push('\n');
            text.push_str(&more.to_lowercase());
        }
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

fn any<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::purchase;
    use crate::text::Line;

    #[test]
    fn r7_each_part_of_a_filter_lets_through_what_fits() {
        let bought = purchase(10_000, 1_700_000_000);
        let place = Some(Line::parse("West Gate").unwrap());
        let bought = Purchase { place, ..bought };
        let at = Timestamp::from_secs(1_700_000_000);
        let later = Timestamp::from_secs(1_700_000_001);
        let all = PurchaseFilter::default;
        let bank = |id: &str| vec![BankId::parse(id).unwrap()];
        let code = |code: &str| vec![CategoryCode::parse(code).unwrap()];
        let merchant = |id: &str| vec![MerchantId::parse(id).unwrap()];
        let words = PurchaseFilter::words_of;
        let table = [
            (all(), true),
            (PurchaseFilter { banks: bank("bank-a"), ..all() }, true),
            (PurchaseFilter { banks: [bank("bank-b"), bank("bank-a")].concat(), ..all() }, true),
            (PurchaseFilter { banks: bank("bank-b"), ..all() }, false),
            (PurchaseFilter { accounts_masked: vec!["****4821".to_owned()], ..all() }, true),
            (PurchaseFilter { accounts_masked: vec!["****4822".to_owned()], ..all() }, false),
            (PurchaseFilter { merchants: merchant("noodles"), ..all() }, true),
            (PurchaseFilter { merchants: merchant("noodle"), ..all() }, false),
            (PurchaseFilter { categories: code("5812"), ..all() }, true),
            (PurchaseFilter { categories: code("5411"), ..all() }, false),
            (PurchaseFilter { natures: vec![Nature::CashWithdrawal], ..all() }, false),
            (PurchaseFilter { states: vec![PurchaseState::Held], ..all() }, false),
            (PurchaseFilter { states: vec![PurchaseState::Posted], ..all() }, true),
            (PurchaseFilter { from: Some(at), until: Some(later), ..all() }, true),
            (PurchaseFilter { from: Some(later), ..all() }, false),
            (PurchaseFilter { until: Some(at), ..all() }, false),
            (PurchaseFilter { currency: Some(Currency::parse("JPY").unwrap()), ..all() }, false),
            (PurchaseFilter { least_minor: Some(10_000), most_minor: Some(10_000), ..all() }, true),
            (PurchaseFilter { least_minor: Some(10_001), ..all() }, false),
            (PurchaseFilter { most_minor: Some(9_999), ..all() }, false),
            (PurchaseFilter { words: words("老王"), ..all() }, true),
            (PurchaseFilter { words: words("GATE 牛肉"), ..all() }, true),
            (PurchaseFilter { words: words("6901234567892"), ..all() }, true),
            (PurchaseFilter { words: words("gate pizza"), ..all() }, false),
        ];
        for (filter, wanted) in table {
            assert_eq!(filter.matches(&bought), wanted, "{filter:?}");
        }
    }
}
