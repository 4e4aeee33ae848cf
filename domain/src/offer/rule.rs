//! Whom an offer is for: a rule over habits.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::category::{self, Group};
use crate::habit::{Bought, Cell, Days, Facet, Habits, Key, Weekday};
use crate::purchase::CategoryCode;
use crate::words::Words;
use crate::{Currency, Money, Reason};

const FORM: &str = "rule.v1";
const NONE: &str = "-";
/// The highest number of purchases that a rule may ask for.
const MOST_COUNT: u32 = 1_000;

/// Of what kind purchases are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Of a group of categories.
    Group(Group),
    /// Of one category.
    Code(CategoryCode),
}

impl Target {
    fn covers(self, code: CategoryCode) -> bool {
        match self {
            Self::Group(group) => category::group(code) == group,
            Self::Code(wanted) => wanted == code,
        }
    }

    fn is_sensitive(self) -> bool {
        match self {
            Self::Group(group) => group == Group::Health,
            Self::Code(code) => category::is_sensitive(code),
        }
    }

    /// Reads a target as it is written: `group:groceries` or `code:5411`. `Err` with `FieldUnknown` or `CategoryMalformed`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        match text.split_once(':') {
            Some(("group", word)) => Group::parse(word).map(Self::Group),
            Some(("code", code)) => CategoryCode::parse(code).map(Self::Code),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group:{}", group.as_str()),
            Self::Code(code) => write!(f, "code:{}", code.as_str()),
        }
    }
}

/// Whom an offer is for: those whose purchases of the last days meet all that it asks for. Purchases that are sensitive
/// ([`category::is_sensitive`]) never count in its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Only purchases of this kind count; all where it is none.
    pub target: Option<Target>,
    /// How many of the last days are looked at, the present one included: 1 to [`Days::KEPT`].
    pub within_days: u16,
    /// At least so many purchases, in whatever currency: 1 to 1000.
    pub least_count: Option<u32>,
    /// Purchases for at least so much, counting only those in its currency.
    pub least_sum: Option<Money>,
    /// Only purchases on this weekday count.
    pub weekday: Option<Weekday>,
    /// In this place, too, something was bought on the days that count. Habits look at places and at kinds apart, so that
    /// whether it was of the wanted kind, or sensitive, is not known.
    pub cell: Option<Cell>,
}

/// What a rule has found in somebody's habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By which rule.
    pub rule: Rule,
    /// How many purchases count.
    pub count: i64,
    /// What those in the rule's currency cost, in minor units; 0 where the rule asks for no sum.
    pub sum_minor: i64,
    /// How many purchases there were in the rule's place; 0 where it names none.
    pub in_place: i64,
}

/// The first thing that a rule asks for and has not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// There are fewer purchases.
    Count,
    /// They cost less.
    Sum,
    /// Nothing was bought in the place.
    Place,
}

impl Rule {
    /// `Err` with `OfferRuleSensitive`, `OfferRuleEmpty` or `OfferRuleOutOfRange`.
    pub fn check(&self) -> Result<(), Reason> {
        if self.target.is_some_and(Target::is_sensitive) {
            return Err(Reason::OfferRuleSensitive);
        }
        if self.least_count.is_none() && self.least_sum.is_none() {
            return Err(Reason::OfferRuleEmpty);
        }
        let fine = (1..=Days::KEPT).contains(&i64::from(self.within_days))
            && self.least_count.is_none_or(|count| (1..=MOST_COUNT).contains(&count))
            && self.least_sum.is_none_or(|sum| sum.minor > 0);
        if fine { Ok(()) } else { Err(Reason::OfferRuleOutOfRange) }
    }

    /// What of the rule there is in these habits on this day of the person's calendar.
    pub fn look(&self, habits: &Habits, today: Date) -> Finding {
        let counts = |key: &Key| match key {
            Key::Category(code) => {
                !category::is_sensitive(*code) && self.target.is_none_or(|target| target.covers(*code))
            }
            _ => false,
        };
        let currency = self.least_sum.map(|sum| sum.currency);
        let mut finding = Finding { rule: *self, count: 0, sum_minor: 0, in_place: 0 };
        for row in habits.of(Facet::Category).filter(|row| counts(&row.key)) {
            let bought = total(row.between(self.first_day(today), today, self.weekday));
            finding.count = finding.count.saturating_add(bought.count);
            if currency == Some(row.currency) {
                finding.sum_minor = finding.sum_minor.saturating_add(bought.sum_minor);
            }
        }
        let in_place = |key: &Key| self.cell.is_some_and(|cell| *key == Key::Cell(cell));
        for row in habits.of(Facet::Cell).filter(|row| in_place(&row.key)) {
            let bought = total(row.between(self.first_day(today), today, self.weekday));
            finding.in_place = finding.in_place.saturating_add(bought.count);
        }
        finding
    }

    fn first_day(&self, today: Date) -> Date {
        today.saturating_sub((i64::from(self.within_days) - 1).days())
    }

    /// Reads a rule as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        fn maybe<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Reason>) -> Result<Option<T>, Reason> {
            if text == NONE { Ok(None) } else { parse(text).map(Some) }
        }
        let money = |text: &str| {
            let (minor, currency) = text.split_once(':').ok_or(Reason::AmountMalformed)?;
            Ok(Money::new(Currency::parse(currency)?, minor.parse().map_err(|_| Reason::AmountMalformed)?))
        };
        let mut words = Words::after(FORM, text)?;
        let rule = Self {
            target: words.read("target", |text| maybe(text, Target::parse))?,
            within_days: words.value("within_days")?,
            least_count: words.maybe("least_count")?,
            least_sum: words.read("least_sum_minor", |text| maybe(text, money))?,
            weekday: words.read("weekday", |text| maybe(text, Weekday::parse))?,
            cell: words.read("cell", |text| maybe(text, Cell::parse))?,
        };
        words.end()?;
        Ok(rule)
    }
}

/// A total beyond `i64` counts as the most that there is: a rule asks only for enough.
fn total(bought: impl Iterator<Item = Bought>) -> Bought {
    bought.fold(Bought::NONE, |sum, more| Bought {
        count: sum.count.saturating_add(more.count),
        sum_minor: sum.sum_minor.saturating_add(more.sum_minor),
    })
}

/// Whether these habits meet the rule on this day of the person's calendar.
pub fn matches(rule: &Rule, habits: &Habits, today: Date) -> bool {
    rule.look(habits, today).is_match()
}

impl Finding {
    /// The first thing that is missing; none when the rule is met.
    pub fn unmet(&self) -> Option<Unmet> {
        let rule = &self.rule;
        if rule.least_count.is_some_and(|least| self.count < i64::from(least)) {
            return Some(Unmet::Count);
        }
        if rule.least_sum.is_some_and(|least| self.sum_minor < least.minor) {
            return Some(Unmet::Sum);
        }
        if rule.cell.is_some() && self.in_place == 0 {
            return Some(Unmet::Place);
        }
        None
    }

    /// Whether the rule is met.
    pub fn is_match(&self) -> bool {
        self.unmet().is_none()
    }

    fn spent(&self) -> Option<Money> {
        self.rule.least_sum.map(|least| Money::new(least.currency, self.sum_minor))
    }

    /// Why the person gets the offer, for the person alone, in English: `Groceries, last 28 days, Fridays: 4 purchases`.
    pub fn english(&self) -> String {
        let what = match self.rule.target {
            None => "Any shop",
            Some(Target::Group(group)) => group.english(),
            Some(Target::Code(code)) => category::find(code).map_or("One category", |category| category.english),
        };
        let on = self.rule.weekday.map_or_else(String::new, |weekday| format!(", {}s", weekday.english()));
        let times = |count: i64| format!("{count} purchase{}", if count == 1 { "" } else { "s" });
        let spent = self.spent().map_or_else(String::new, |spent| format!(", {spent}"));
        let place = self.rule.cell.map_or_else(String::new, |_| format!("; {} in the place", times(self.in_place)));
        format!("{what}, last {} days{on}: {}{spent}{place}", self.rule.within_days, times(self.count))
    }

    /// Why the person gets the offer, in Chinese (zh-CN).
    pub fn chinese(&self) -> String {
        let what = match self.rule.target {
            None => "各类商户",
            Some(Target::Group(group)) => group.chinese(),
            Some(Target::Code(code)) => category::find(code).map_or("某一类别", |category| category.chinese),
        };
        let on = self.rule.weekday.map_or_else(String::new, |weekday| format!("每逢{}，", weekday.chinese()));
        let spent = self.spent().map_or_else(String::new, |spent| format!("，{spent}"));
        let place = self.rule.cell.map_or_else(String::new, |_| format!("；在该地点消费{}次", self.in_place));
        format!("{what}，最近{}天，{on}消费{}次{spent}{place}", self.rule.within_days, self.count)
    }
}

/// The form in which it is stored: one line of words.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn maybe(value: Option<impl fmt::Display>) -> String {
            value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
        }
        let Self { target, within_days, least_count, least_sum, weekday, cell } = self;
        let sum = least_sum.map(|sum| format!("{}:{}", sum.minor, sum.currency));
        write!(f, "{FORM} target={} within_days={within_days}", maybe(*target))?;
        write!(f, " least_count={} least_sum_minor={}", maybe(*least_count), maybe(sum))?;
        write!(f, " weekday={} cell={}", maybe(weekday.map(Weekday::as_str)), maybe(*cell))
    }
}
