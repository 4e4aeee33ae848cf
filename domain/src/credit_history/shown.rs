//! What an operator is shown of a purchase, and what may be asked of purchases, under a consent.

use super::{Field, Fields, Grant};
use crate::Reason;
use crate::record::PurchaseFilter;

/// The parts of a purchase that are shown. Which payment it was, when, at which bank and how it stands is always shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it cost, and what came back.
    pub amounts: bool,
    /// From whom.
    pub merchants: bool,
    /// Where, and at which terminal.
    pub places: bool,
    /// What was bought.
    pub items: bool,
}

impl Shown {
    /// What these fields show.
    pub fn of(fields: &Fields) -> Self {
        Self {
            amounts: fields.contains(Field::Amounts),
            merchants: fields.contains(Field::Merchants),
            places: fields.contains(Field::Places),
            items: fields.contains(Field::Items),
        }
    }

    /// What a grant shows.
    pub fn under(grant: &Grant) -> Self {
        Self::of(grant.fields())
    }

    /// Whether a filter asks about nothing else: whoever may filter by what is not shown finds it out. `Err(ConsentFieldsExceeded)`.
    pub fn allows(self, filter: &PurchaseFilter) -> Result<(), Reason> {
        let by_amount = filter.least_minor.is_some() || filter.most_minor.is_some() || filter.currency.is_some();
        let by_merchant = !filter.merchants.is_empty() || !filter.categories.is_empty();
        let by_words = !filter.words.is_empty();
        let exceeded = by_amount && !self.amounts
            || by_merchant && !self.merchants
            // Words are looked for in all three.
            || by_words && !(self.merchants && self.places && self.items);
        if exceeded { Err(Reason::ConsentFieldsExceeded) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::consent::tests::fields;
    use super::*;
    use crate::purchase::CategoryCode;

    #[test]
    fn m9_nobody_filters_by_what_is_not_shown() {
        use Field::{Amounts, Items, Merchants, Places};
        let by = |change: fn(&mut PurchaseFilter)| {
            let mut filter = PurchaseFilter::default();
            change(&mut filter);
            filter
        };
        let amount = by(|filter| filter.least_minor = Some(1));
        let category = by(|filter| filter.categories = vec![CategoryCode::parse("5812").unwrap()]);
        let words = by(|filter| filter.words = vec!["tea".to_owned()]);
        let table: [(&[Field], &PurchaseFilter, bool); 8] = [
            (&[Places], &PurchaseFilter::default(), true),
            (&[Places, Merchants, Items], &amount, false),
            (&[Amounts], &amount, true),
            (&[Amounts, Places, Items], &category, false),
            (&[Merchants], &category, true),
            (&[Merchants, Places], &words, false),
            (&[Items], &words, false),
            (&[Merchants, Places, Items], &words, true),
        ];
        for (shown, filter, is_fine) in table {
            assert_eq!(Shown::of(&fields(shown)).allows(filter).is_ok(), is_fine, "{shown:?} {filter:?}");
        }
    }
}
